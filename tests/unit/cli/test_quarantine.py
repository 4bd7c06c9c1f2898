"""`perennial quarantine list`: which rule set rows aside, for which cells."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import World

from perennial.jobs.predict import ingest, validate
from perennial.quality.caught import CHANGED_RULE, CaughtCell
from perennial.quality.unread import UnreadCell
from perennial.review import quarantine
from perennial.wording import WITHHELD

DAY = 3
BETWEEN = "expect_column_values_to_be_between(weight)"
TOO_LONG = Decimal("305184080441754059.00")  # would lose digits as a float


def put(world: World, column: str, values: list[Any], kind: pa.DataType | None = None) -> list[int]:
    """Give the first rows of the day these values; their keys."""
    first = world.rows_of(DAY)[: len(values)]
    table = world.parcels.table
    every = table.column(column).to_pylist()
    if kind is not None:
        every = [round(Decimal(value), 2) for value in every]
    for position, value in zip(first, values, strict=True):
        every[position] = value
    typed = pa.array(every, kind or table.schema.field(column).type)
    world.parcels.table = table.set_column(table.column_names.index(column), column, typed)
    return first


def caught(world: World, **options: int) -> dict[str, quarantine.RuleCatch]:
    ingest.run(world.use_case, world.day(DAY), world.ports, "test")
    validate.run(world.use_case, world.day(DAY), world.ports, "test")
    return {each.rule: each for each in quarantine.run(world.use_case, [world.day(DAY)], world.ports, **options)}


@pytest.fixture
def two_unread(world: World) -> list[int]:
    return put(world, "weight", [TOO_LONG, TOO_LONG], pa.decimal128(38, 2))


def test_unread_cells_are_listed_with_text_and_what_was_expected(world: World, two_unread: list[int]) -> None:
    (found,) = caught(world).values()
    (cell,) = found.cells
    assert (found.rule, found.rows, list(found.entities)) == ("readable(weight)", 2, [str(key) for key in two_unread])
    assert (cell.column, cell.text, cell.expected, cell.rows) == ("weight", str(TOO_LONG), "numeric", 2)
    assert str(cell.why).startswith("would lose digits")


def test_the_rows_themselves_are_there_with_their_values_and_every_reason(world: World, two_unread: list[int]) -> None:
    (found,) = caught(world).values()
    row = found.examples[0]
    assert (row.entity, row.rules) == (str(two_unread[0]), ("readable(weight)",))
    assert row.values.keys() == {"sent_at", "weight", "service"}
    assert row.values["weight"] is None
    assert str(row.values["sent_at"]).startswith("2024-01-04T")
    assert [(cell.column, cell.text) for cell in row.unread] == [("weight", str(TOO_LONG))]


def test_a_value_that_breaks_an_expectation_is_listed_with_its_bounds(world: World) -> None:
    put(world, "weight", [-60.0, -70.0, -60.0, float("inf")])
    found = caught(world)
    assert found[BETWEEN].cells == (
        CaughtCell("weight", "-60.0", "min_value -50", 2),
        CaughtCell("weight", "-70.0", "min_value -50", 1),
    )
    assert found["finite(weight)"].cells == (CaughtCell("weight", "inf", "a finite number", 1),)


def test_of_many_rows_only_so_many_are_given_and_all_are_counted(world: World) -> None:
    keys = put(world, "weight", [-51.0 - number for number in range(8)])
    found = caught(world, most=3)[BETWEEN]
    assert found.rows == 8
    assert list(found.entities) == [row.entity for row in found.examples] == [str(key) for key in keys[:3]]
    assert [cell.text for cell in found.cells] == ["-51.0", "-52.0", "-53.0"]


def test_the_text_of_a_key_is_counted_and_not_shown(world: World) -> None:
    put(world, "parcel", [Decimal("540.25"), Decimal("541.25")], pa.decimal128(38, 2))
    found = caught(world)
    (cell,) = found["readable(parcel)"].cells
    assert cell == CaughtCell("parcel", WITHHELD, "integer", 2, "is not a whole number")
    assert found["required(parcel)"].cells == (CaughtCell("parcel", WITHHELD, "a value", 2),)
    assert found["readable(parcel)"].examples[0].unread == (UnreadCell("parcel", WITHHELD, "is not a whole number"),)
    assert "540.25" not in repr(found)


def test_bounds_that_have_changed_since_are_not_taken_for_those_of_then(world: World) -> None:
    put(world, "weight", [-60.0])
    caught(world)
    looser = world.use_case.expectations[0].model_copy(update={"kwargs": {"column": "weight", "min_value": -80}})
    now = replace(world.use_case, expectations=(looser, *world.use_case.expectations[1:]))
    (found,) = quarantine.run(now, [world.day(DAY)], world.ports)
    assert [cell.expected for cell in found.cells] == [CHANGED_RULE]


def test_what_was_set_aside_of_an_older_snapshot_is_not_listed(world: World) -> None:
    put(world, "weight", [-60.0])
    caught(world)
    put(world, "weight", [10.0])
    ingest.run(world.use_case, world.day(DAY), world.ports, "test")
    assert quarantine.run(world.use_case, [world.day(DAY), world.day(DAY + 1)], world.ports) == []


def test_the_list_says_why_for_people_and_for_scripts(world: World, two_unread: list[int], perennial: Call) -> None:
    caught(world)
    arguments = ("quarantine", "list", "parcels", "--window", "2024-01-04")
    code, out, _ = perennial(*arguments)
    heading, line = out.splitlines()
    assert (code, heading) == (0, "window\trule\trows\tfirst keys\twhat was found")
    assert line.startswith(
        f"2024-01-04T00:00Z\treadable(weight)\t2\t{two_unread[0]}, {two_unread[1]}\tweight '3051840804"
    )
    assert line.endswith("; expected numeric (2 rows)")
    found = json.loads(perennial(*arguments, "--json")[1])
    assert (found["rows"], found["cells"][0]["text"], found["cells"][0]["expected"]) == (2, str(TOO_LONG), "numeric")
    assert found["examples"][0]["values"]["service"] in ("road", "air", "rail")
    assert "expected numeric (2 rows)" in perennial("validation", "parcels", "--window", "2024-01-04")[1]


def test_an_empty_quarantine_says_so(world: World, perennial: Call) -> None:
    caught(world)
    out = perennial("quarantine", "list", "parcels", "--window", "2024-01-04")[1]
    assert out == "No rows are in quarantine in these windows.\n"
