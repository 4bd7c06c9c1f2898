"""What the pages answer scripts is as its schema in docs/pages says, and the schemas are current."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import live, of_day, strictly, told

from perennial.encoding import json_bytes
from perennial.jobs.evaluate import collect_labels, measure
from perennial.pages import schema
from perennial.pages.answer import VIEWS

BACKFILL = {"from": "2024-01-31", "to": "2024-02-03"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = live(make_world(tmp_path_factory.mktemp("measured")))
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(34).start, world.ports, "test")
    return world


def asked_in(world: World) -> list[tuple[str, dict[str, str]]]:
    """Each view, asked for good, refused, drifted and missing windows, and for one or several of them."""
    days = [of_day(world, number) for number in (30, 31, 32, 33, 45, 50)]
    entity = {"entity": str(world.rows_of(31)[0])}
    several = {"use_case": "parcels", "start": "2024-01-31", "end": "2024-02-03"}
    of_run = {"use_case": "parcels", "as_of": world.day(34).start.isoformat()}
    return [
        ("home", {}),
        ("use_case", {"use_case": "parcels"}),
        *(("window", day) for day in days),
        *(("quarantine", day) for day in days),
        ("interval", several),
        ("interval", several | {"end": "2024-02-01"}),
        *(("retraining", of_run | {"run_id": run}) for run in ("test", "other")),
        *(("evaluation", of_run | {"run_id": run}) for run in ("test", "other")),
        ("compare", {"use_case": "parcels"}),
        ("compare", {"use_case": "parcels", "window": "2024-01-31", "with": "2024-02-02"}),
        ("preview", {"use_case": "parcels"}),
        ("preview", {"use_case": "parcels"} | BACKFILL),
        ("quarantined", of_day(world, 31) | {"entity": str(world.rows_of(31)[3])}),
        ("suggestions", {"use_case": "parcels"}),
        ("alerts", {"use_case": "parcels"}),
        ("review", {"use_case": "parcels"}),
        ("card", {"use_case": "parcels"}),
        ("card", {"use_case": "parcels", "version": "1"}),
        ("evidence", of_day(world, 31) | entity),
        ("evidence", {"use_case": "parcels"} | entity),
    ]


@cache
def validator(repository: Path, view: str) -> jsonschema.Draft202012Validator:
    committed = json.loads((repository / "docs" / "pages" / f"{view}{schema.SUFFIX}").read_text())
    jsonschema.Draft202012Validator.check_schema(committed)
    return jsonschema.Draft202012Validator(committed, format_checker=jsonschema.FormatChecker())


def test_every_view_has_a_schema_and_every_schema_a_view() -> None:
    assert schema.FOUND.keys() == VIEWS.keys(), "add the view's dataclass to perennial.pages.schema.FOUND"


@pytest.mark.parametrize("view", schema.FOUND)
def test_the_committed_schemas_are_current(repository: Path, view: str) -> None:
    file = repository / "docs" / "pages" / f"{view}{schema.SUFFIX}"
    assert file.is_file(), "run `python -m perennial.pages.schema docs/pages`"
    assert file.read_text() == schema.schema_text(view), "run `python -m perennial.pages.schema docs/pages`"


def test_no_schema_is_left_of_a_view_that_is_gone(repository: Path) -> None:
    committed = {file.name.removesuffix(schema.SUFFIX) for file in (repository / "docs" / "pages").glob("*.json")}
    assert committed == set(schema.FOUND)


@pytest.mark.parametrize("view", schema.FOUND)
def test_what_a_view_answers_is_as_its_schema_says(measured: World, repository: Path, view: str) -> None:
    asked = [arguments for name, arguments in asked_in(measured) if name == view]
    assert asked, f"say in this file how {view} is asked"
    for arguments in asked:
        validator(repository, view).validate(told(measured, view, **arguments))


@pytest.mark.parametrize("view", schema.FOUND)
def test_a_schema_refuses_what_lacks_a_field_or_has_one_more(measured: World, repository: Path, view: str) -> None:
    arguments = next(arguments for name, arguments in asked_in(measured) if name == view)
    whole = told(measured, view, **arguments)
    assert "format" in whole, "a page's JSON says which format it has"
    lacking = {name: value for name, value in whole.items() if name != "format"}
    for wrong in (lacking, whole | {"more": 1}, whole | {"format": "one"}):
        with pytest.raises(jsonschema.ValidationError):
            validator(repository, view).validate(wrong)


def test_numbers_that_could_not_be_computed_are_null(measured: World) -> None:
    @dataclass(frozen=True)
    class Figures:
        one: float
        several: dict[str, float]
        any: Any

    found = strictly(json_bytes(Figures(float("nan"), {"a": float("inf")}, [float("-inf")])))
    assert found == {"one": None, "several": {"a": None}, "any": [None]}


def test_writing_all_schemas_removes_those_of_views_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / f"gone{schema.SUFFIX}").write_text("{}")
    schema.write_all(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {f"{view}{schema.SUFFIX}" for view in VIEWS}
