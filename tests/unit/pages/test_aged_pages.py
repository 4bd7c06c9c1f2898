"""The pages of a window whose rows went by age: what the ledger says is shown, and what went is said above it."""

from datetime import timedelta

import pytest
from tests.unit.jobs.aged_world import ALL, FIRST, LAST, live, night, with_ages
from tests.unit.jobs.world import START, World, make_world
from tests.unit.pages.asking import ask, of_day, page

from perennial.jobs.predict import monitor
from perennial.jobs.upkeep import aged

GONE, ASIDE = 42, 38
NOW = START + timedelta(days=LAST + 3)
WENT = r"removed by retention on 2030-01-01 (retention.{}: 30d)"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = with_ages(make_world(tmp_path_factory.mktemp("old")), *ALL)
    live(world)
    for day in range(FIRST, LAST + 1):
        monitor.run(world.use_case, world.day(day), world.ports, "test")
    aged.run(world.use_case, night(world, GONE), world.ports, "night", actor="maintenance")
    return world


def test_the_page_of_an_old_window_says_what_went_and_shows_what_is_on_record(old: World) -> None:
    said = page(old, "window", **of_day(old, FIRST))
    for rows, words in (("published", "The published rows were"), ("raw", "Its snapshots were")):
        assert f"{words} {WENT.format(rows)}." in said
    assert "180 rows scored by" in said
    assert "by retention on" not in page(old, "window", **of_day(old, GONE))


def test_the_quarantine_of_an_old_window_says_that_its_rows_went_and_how_to_see_them_again(old: World) -> None:
    said = page(old, "quarantine", **of_day(old, ASIDE))
    assert f"the rows in quarantine were {WENT.format('quarantine')}" in said
    assert "validating it again sets them aside again" in said
    assert "by retention on" not in page(old, "quarantine", **of_day(old, FIRST)), "nothing was set aside there"


@pytest.mark.parametrize(
    ("view", "arguments"),
    [
        ("use_case", {}),
        ("preview", {"from": "2024-02-06", "to": "2024-02-07"}),
        ("suggestions", {}),
        ("home", {}),
        ("interval", {"start": "2024-02-06T00:00Z", "end": "2024-02-20T00:00Z"}),
    ],
)
def test_pages_about_many_windows_are_shown_though_some_of_their_rows_went(
    old: World, view: str, arguments: dict[str, str]
) -> None:
    assert page(old, view, use_case="parcels", **arguments)


def test_windows_are_compared_by_what_is_on_record(old: World) -> None:
    window, other = old.day(FIRST), old.day(LAST)
    assert page(old, "compare", use_case="parcels", window=window.key, **{"with": other.key})


@pytest.mark.parametrize(
    ("view", "rows", "day"), [("evidence", "predictions", FIRST), ("quarantined", "quarantine", ASIDE)]
)
def test_the_page_of_one_row_that_went_says_when_and_what_is_left(old: World, view: str, rows: str, day: int) -> None:
    entity = str(old.rows_of(day)[0])
    found = ask(old, view, entity=entity, **of_day(old, day))
    said = found.body.decode()
    assert found.status == 410, said
    assert "These rows were removed by retention" in said
    assert WENT.format(rows) in said


def test_a_row_that_is_looked_for_in_all_windows_is_not_found_and_the_search_says_where_it_ended(old: World) -> None:
    found = ask(old, "evidence", use_case="parcels", entity="-1")
    said = found.body.decode()
    assert found.status == 404
    assert "Earlier windows can&#39;t be searched" in said
    assert WENT.format("predictions") in said
