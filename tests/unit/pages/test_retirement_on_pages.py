"""Pages say by word what is archived and what has ended."""

import json

import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import RECORDED, World, make_world
from tests.unit.pages.asking import ATTACK, ask, assert_harmless, page, strictly

from perennial.jobs.upkeep import decommission
from perennial.jobs.upkeep.decommission import DataClass
from perennial.ledger.entries import Intervention, InterventionKind


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A use case that has ended, by hostile words, with a version in the archive."""
    world = make_world(tmp_path_factory.mktemp("ended"))
    first_model(world)
    predict(world, 31)
    archived = InterventionKind.VERSION_ARCHIVED
    world.ports.ledger.record_intervention(Intervention("parcels", archived, "1", "ada", "old", {"files": {}}, "r"))
    decommission.run(
        world.use_case, [DataClass.SNAPSHOTS], RECORDED, world.ports, "r", actor="ada", reason=f"closed {ATTACK}"
    )
    return world


def test_the_page_of_an_ended_use_case_says_so_and_offers_no_backfill(world: World) -> None:
    said = page(world, "use_case", use_case="parcels")
    assert '<span class="mark none">ended</span> ada ended this use case at' in said
    assert "Erased: snapshots; all else is kept." in said
    assert "Backfill windows" not in said
    assert_harmless(said)


def test_its_json_has_the_end_and_the_archived_version(world: World) -> None:
    found = strictly(ask(world, "use_case", use_case="parcels", as_json=True).body)
    assert (found["ended"]["by"], found["ended"]["erased"]) == ("ada", ["snapshots"])
    (version,) = found["family"]["versions"]
    assert version["archived"].startswith("2030-01-01")
    assert '<span class="mark none">archived</span>' in page(world, "use_case", use_case="parcels")


def test_the_first_page_shows_it_last_with_a_word_and_asks_nobody_for_anything(world: World) -> None:
    said = page(world, "home")
    assert '<span class="mark none">ended</span>' in said
    assert "ended on 2030-01-01 by ada: closed" in said
    assert_harmless(said)
    (summary,) = strictly(ask(world, "home", as_json=True).body)["use_cases"]
    assert (summary["urgency"], summary["matters"], summary["missing"]) == ("ended", [], 0)
    (listed,) = strictly(ask(world, "home", as_json=True, sort="name").body)["use_cases"]
    assert json.dumps(listed) == json.dumps(summary)
    assert '<span class="mark none">ended</span>' in page(world, "home", sort="name")


def test_a_use_case_that_goes_on_has_neither(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    going_on = make_world(tmp_path_factory.mktemp("on"))
    assert strictly(ask(going_on, "use_case", use_case="parcels", as_json=True).body)["ended"] is None
    assert "Backfill windows" in page(going_on, "use_case", use_case="parcels")
