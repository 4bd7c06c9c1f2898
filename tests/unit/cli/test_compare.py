"""`perennial compare`: what is different, in sentences or as the page's JSON."""

import json

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import World

from perennial.jobs.predict import monitor


@pytest.fixture
def scored(world: World) -> World:
    first_model(world)
    for day in (30, 45):
        predict(world, day)
        monitor.run(world.use_case, world.day(day), world.ports, "test")
    world.change(30, "weight", 11.0)
    predict(world, 30)
    return world


@pytest.mark.usefixtures("scored")
def test_windows_and_revisions_are_told_in_order_of_importance(perennial: Call) -> None:
    code, out, _ = perennial("compare", "parcels", "--windows", "2024-01-31", "2024-02-15")
    assert code == 0
    first, *others = out.splitlines()
    assert first.startswith("2024-02-15 drifted from what its model considers normal; 2024-01-31 did not.")
    assert others[0] == "  1. 2024-02-15 drifted from what its model considers normal; 2024-01-31 did not."
    code, out, _ = perennial("compare", "parcels", "--window", "2024-01-31", "--revisions", "1", "2")
    assert code == 0
    assert "Rows that were ingested: " in out


@pytest.mark.usefixtures("scored")
def test_json_is_what_the_page_has(perennial: Call) -> None:
    code, out, _ = perennial("compare", "parcels", "--models", "1", "1", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["sentence"] == "Versions 1 and 1 are alike in all that is on record."
    assert found["format"] == 1


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--window", "2024-01-31"),
        ("--revisions", "1", "2"),
        ("--models", "1", "2", "--windows", "2024-01-31", "2024-02-01"),
        ("--models", "1", "2", "--window", "2024-01-31", "--revisions", "1", "2"),
    ],
)
def test_it_must_be_clear_what_is_compared(perennial: Call, options: tuple[str, ...]) -> None:
    code, _, told = perennial("compare", "parcels", *options)
    assert code == 2
    assert "--windows A B" in told


@pytest.mark.usefixtures("scored")
def test_what_is_not_there_is_told(perennial: Call) -> None:
    code, _, told = perennial("compare", "parcels", "--models", "1", "9")
    assert code == 3
    assert "has no deployed version '9'; it has: 1" in told
