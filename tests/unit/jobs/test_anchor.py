"""The nightly look at the ledger costs what the last day was, not what all years were."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from perennial.anchors.memory import InMemoryAnchors
from perennial.jobs.upkeep import anchor
from perennial.ledger.chain import ChainedEntry, Link
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.memory.ledger import InMemoryLedger

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Counting(InMemoryLedger):
    """It counts the entries that it was asked for."""

    def __init__(self) -> None:
        super().__init__(lambda: NOON)
        self.read = 0

    def linked(self, use_case: str, after: int, limit: int) -> Sequence[tuple[Link, ChainedEntry | None]]:
        found = super().linked(use_case, after, limit)
        self.read += len(found)
        return found

    def intervene(self, use_case: str, subject: str) -> None:
        self.record_intervention(
            Intervention(use_case, InterventionKind.WINDOW_EMPTY, subject, "ada", "no rows", {}, "run")
        )


def test_only_what_was_recorded_since_the_last_anchor_is_read() -> None:
    ledger, anchors = Counting(), InMemoryAnchors()
    for number in range(40):
        ledger.intervene("flights", str(number))
    assert anchor.run(ledger, anchors, NOON).entries == 40
    for day in range(1, 4):
        ledger.read = 0
        ledger.intervene("flights", f"day {day}")
        if day == 2:
            ledger.intervene("trains", "the first of another use case")
        assert anchor.run(ledger, anchors, NOON + timedelta(days=day)).entries == ledger.read == (2 if day == 2 else 1)
    newest = anchors.newest()
    assert newest is not None
    assert {end.use_case: end.position for end in newest.chains} == {"flights": 43, "trains": 1}


@pytest.mark.parametrize("count", [1, 7])
def test_the_error_names_the_first_findings_and_says_how_many_more(count: int) -> None:
    ledger, anchors = Counting(), InMemoryAnchors()
    for number in range(count):
        ledger.intervene("flights", str(number))
    ledger._by_kind[Intervention].clear()
    with pytest.raises(anchor.LedgerAltered) as told:
        anchor.run(ledger, anchors, NOON)
    assert str(told.value).count("The entry is gone") == min(count, 5)
    assert ("And 2 more" in str(told.value)) == (count == 7)
    assert anchors.newest() is None


def test_a_ledger_in_which_nothing_was_recorded_is_anchored_too() -> None:
    anchors = InMemoryAnchors()
    done = anchor.run(Counting(), anchors, NOON)
    assert (done.chains, done.entries) == (0, 0)
    assert anchors.newest() is not None


def test_a_copy_of_a_ledger_in_memory_has_its_chain() -> None:
    ledger = Counting()
    ledger.intervene("flights", "one")
    other = ledger.copy()
    other.record_intervention(
        Intervention("flights", InterventionKind.WINDOW_EMPTY, "two", "ada", "no rows", {}, "run")
    )
    assert [len(each.linked("flights", 0, 9)) for each in (ledger, other)] == [1, 2]
    assert anchor.run(other, InMemoryAnchors(), NOON).entries == 2
