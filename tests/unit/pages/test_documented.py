"""docs/pages.md names every page that can be asked for, what it takes from the query, and its schema."""

import ast
from pathlib import Path
from typing import Any

import pytest

from perennial.pages.answer import VIEWS


@pytest.fixture(scope="module")
def documented(repository: Path) -> str:
    return (repository / "docs" / "pages.md").read_text()


def constant(name: str) -> Any:
    """A constant of the application that serves the pages, which is not imported: that takes Airflow's API server."""
    source = Path(__file__).parents[3] / "plugins" / "perennial_airflow" / "pages" / "app.py"
    for node in ast.parse(source.read_text()).body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return ast.literal_eval(node.value)  # type: ignore[attr-defined]
    raise AssertionError(f"{source} has no {name}")


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_has_a_link_to_its_schema(documented: str, view: str) -> None:
    assert f"[{view}](pages/{view}.schema.json)" in documented


@pytest.mark.parametrize(("path", "view", "query"), [*constant("PAGES"), ("/home", "home", constant("FILTERS"))])
def test_each_address_is_there_with_what_it_takes(
    documented: str, path: str, view: str, query: tuple[str, ...]
) -> None:
    (line,) = (each for each in documented.splitlines() if f"(pages/{view}.schema.json)" in each)
    assert f"`/perennial{path}`" in line
    assert [name for name in query if f"`{name}`" not in line] == []
