"""Keys that are longer numbers than a float holds: whoever reads JSON in floats, as jq does, gets them as they are."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import ask, of_day, page

from perennial.jobs.upkeep import quarantine
from perennial.jobs.upkeep import replay as replay_job
from perennial.review import history

DAY = 31
ASIDE, SCORED = "9007199254740993", "9007199254740995"  # as floats both would be other keys
RULE = "expect_column_values_to_be_between(weight)"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two such keys on one day: one was set aside at first, and let in for the second revision."""
    return lived(tmp_path_factory.mktemp("long"))


def lived(folder: Path) -> World:
    world = make_world(folder)
    first_model(world)
    first, second = world.rows_of(DAY)[:2]
    world.put("parcel", {first: int(ASIDE), second: int(SCORED)})
    world.put("weight", {first: -60.0})
    predict(world, DAY)
    quarantine.accept(world.use_case, world.day(DAY), RULE, world.ports, "page__1", actor="ada", reason="a new kind")
    return world


def as_floats(world: World, view: str, **arguments: str) -> Any:
    """The page's JSON as JavaScript reads it."""
    found = ask(world, view, as_json=True, **{**of_day(world, DAY), **arguments})
    assert found.status == 200, found.body
    return json.loads(found.body, parse_int=float)


def test_the_quarantine_names_them_and_links_to_them(world: World) -> None:
    (caught,) = as_floats(world, "quarantine")["rules"]
    assert (caught["entities"], caught["examples"][0]["entity"]) == ([ASIDE], ASIDE)
    said = page(world, "quarantine", **of_day(world, DAY))
    assert f'entity={ASIDE}">{ASIDE}</a>' in said
    row = as_floats(world, "quarantined", entity=ASIDE)
    assert (row["entity"], row["rows"][0]["entity"]) == (ASIDE, ASIDE)
    assert f"parcel {ASIDE}" in page(world, "quarantined", **of_day(world, DAY), entity=ASIDE)


def test_the_evidence_names_them_as_key_and_in_the_row(world: World) -> None:
    found = as_floats(world, "evidence", entity=SCORED)
    assert (found["entity"], found["row"]["parcel"]) == (SCORED, SCORED)
    assert f"Evidence on {SCORED}" in page(world, "evidence", **of_day(world, DAY), entity=SCORED)
    assert ask(world, "evidence", **of_day(world, DAY), entity=str(int(float(SCORED)))).status == 404


def test_revisions_that_differ_name_them_and_link_to_them(tmp_path: Path) -> None:
    world = lived(tmp_path)
    replay_job.run(world.use_case, world.day(DAY), world.ports, "test")
    assert [row.entity for row in history.diff(world.use_case, world.day(DAY), 1, 2, world.ports).rows] == [ASIDE]
    found = as_floats(world, "compare", revision="1", **{"with": "2"})
    assert ASIDE in json.dumps(found)
    assert f"evidence?entity={ASIDE}&amp;window=" in page(
        world, "compare", **of_day(world, DAY), revision="1", **{"with": "2"}
    )
