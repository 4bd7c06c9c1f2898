"""The lake or the model registry is away: what the ledger knows is shown, and the page says what is not."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.jobs.world import World
from tests.unit.pages.asking import ask, of_day, page

from perennial.errors import StoreUnavailable


class Away:
    """A store that does not answer; what needs no answer is that of the store."""

    def __init__(self, store: Any) -> None:
        self.address = getattr(store, "address", None)

    def __getattr__(self, name: str) -> Any:
        def asked(*_: Any, **__: Any) -> Any:
            raise StoreUnavailable(f"Asked to {name}, /srv/lake did not answer.")

        return asked


@pytest.fixture
def no_lake(lived: World) -> World:
    return replace(lived, ports=replace(lived.ports, lake=Away(lived.ports.lake)))


@pytest.fixture
def no_registry(lived: World) -> World:
    return replace(lived, ports=replace(lived.ports, registry=Away(lived.ports.registry)))


@pytest.mark.parametrize("day", [30, 31, 32, 45])
def test_without_the_lake_a_window_has_its_report_but_not_its_rows(no_lake: World, lived: World, day: int) -> None:
    said = page(no_lake, "window", **of_day(no_lake, day))
    assert "The lake can&#39;t be read right now" in said
    assert "/srv/lake" not in said
    whole = page(lived, "window", **of_day(lived, day))
    assert "The lake can&#39;t be read" not in whole
    sentence = whole.partition('<p class="sentence">')[2].partition("</p>")[0]
    assert sentence
    assert sentence in said


def test_without_the_lake_two_windows_are_compared_by_what_is_on_record(no_lake: World) -> None:
    for day, other in ((30, 45), (30, 32)):
        said = page(no_lake, "compare", **of_day(no_lake, day), **{"with": no_lake.day(other).key})
        assert "/srv/lake" not in said
        assert ("the lake can&#39;t be read" in said) == (other == 32)  # which has no profile on record


def test_without_the_registry_windows_and_models_are_compared_by_what_is_on_record(no_registry: World) -> None:
    windows = page(no_registry, "compare", **of_day(no_registry, 30), **{"with": no_registry.day(45).key})
    models = page(no_registry, "compare", use_case="parcels", model="1", **{"with": "1"})
    for said in (windows, models):
        assert "The reference of version 1 can&#39;t be read right now: the model registry does not answer." in said


def test_pages_that_are_made_of_rows_say_that_the_lake_is_away(no_lake: World) -> None:
    for view in ("quarantine", "evidence"):
        found = ask(no_lake, view, **of_day(no_lake, 31), entity="1")
        assert found.status == 503
        assert b"The records can&#39;t be read right now" in found.body
