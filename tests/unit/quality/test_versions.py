"""Code that checks or scores does not change unseen under the same version."""

import ast
from pathlib import Path

import pytest
import yaml
from tests.unit.quality.versions import PACKAGE, PARTS, RECORD, as_it_is, code_digest

# Of quality/, what words a verdict and what reads it afterwards; and labels, which no verdict is about.
NOT_CHECKING = {"__init__.py", "caught.py", "labels.py", "outcome.py", "reasons.py"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(PARTS))
def test_code_changes_with_its_version(name: str) -> None:
    recorded, found = yaml.safe_load(RECORD.read_text())[name], as_it_is(PARTS[name])
    assert found["answers"] == recorded["answers"] or found["version"] != recorded["version"], (
        f"The code of {name} gives other answers to the golden cases: raise its version in perennial.spec.versions, "
        "then run `python -m tests.unit.quality.versions`."
    )
    assert found == recorded, (
        f"The code of {name} has changed. If no row and no verdict can come out otherwise, run `python -m "
        "tests.unit.quality.versions`, which records it. Else raise its version in perennial.spec.versions first."
    )


def test_every_module_that_checks_is_among_them() -> None:
    modules = {path.name for path in (PACKAGE / "quality").glob("*.py")} - NOT_CHECKING
    assert {f"quality/{name}" for name in modules} == set(PARTS["checks"].modules)


def test_comments_docstrings_and_layout_are_not_code(tmp_path: Path) -> None:
    one, other, third = (tmp_path / f"{name}.py" for name in "abc")
    one.write_text('"""A."""\n\n\ndef f(x):\n    """B."""\n    return x + 1  # C\n')
    other.write_text('"""D."""\ndef f(x):\n    return (x\n            + 1)\n')
    third.write_text("def f(x):\n    return x + 2\n")
    digests = [code_digest((str(each),)) for each in (one, other, third)]
    assert digests[0] == digests[1] != digests[2]
    assert ast.unparse(ast.parse(one.read_text())) != ast.unparse(ast.parse(other.read_text()))
