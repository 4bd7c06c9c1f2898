"""How late rows come, by the record."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from perennial.ledger.entries import LateRows, Snapshot
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.review.lateness import Age, run
from perennial.spec.models import Schedule
from perennial.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
DELAY = timedelta(hours=2)


def day(number: int) -> Window:
    return Window(START + timedelta(days=number), START + timedelta(days=number + 1))


def closed(window: Window) -> datetime:
    return window.end + DELAY + timedelta(days=3)


@pytest.fixture
def use_case() -> Any:
    schedule = Schedule(every="day", start=START.date(), delay=DELAY)
    return SimpleNamespace(
        spec=SimpleNamespace(name="parcels", schedule=schedule, grid=schedule.grid, start=START, closed=closed)
    )


class Clock:
    at = START

    def __call__(self) -> datetime:
        return self.at


def read(ledger: InMemoryLedger, clock: Clock, number: int, rows: int, after_end: timedelta = DELAY) -> None:
    clock.at = day(number).end + after_end
    ledger.record_snapshot(Snapshot("parcels", day(number), "raw/parcels", number, f"d{number}", rows, {}, "q", "r"))


def looked(ledger: InMemoryLedger, number: int, later: int, **found: int) -> None:
    counts = {"new": 0, "gone": 0, "changed": 0} | found
    ledger.record_late_rows(
        LateRows(
            "parcels", day(number), 100 + 10 * number + later, number, day(number + later).end + DELAY, 90, 100,
            revision=2, predictions_changed=1, run_id="r", **counts,
        )
    )  # fmt: skip


def test_the_share_that_was_there_by_the_number_of_windows_later(use_case: Any) -> None:
    clock = Clock()
    ledger = InMemoryLedger(clock)
    for number in range(10):
        read(ledger, clock, number, rows=90)
    for number in range(5):
        looked(ledger, number, 1, new=10, changed=2)
    looked(ledger, 5, 3, new=50, gone=3)
    found = run(use_case, ledger)
    assert found.ages == (
        Age(0, 0.9, 0, 0, 0),
        Age(1, 0.95, 50, 0, 10),
        Age(2, 0.95, 0, 0, 0),
        Age(3, 1.0, 50, 3, 0),
    )
    assert (found.windows, found.windows_late, found.windows_left_out, found.rows) == (10, 6, 0, 1000)
    assert str(found) == (
        "parcels: 90.00% of 1,000 rows were there when their window was scored; rows came late, went or changed in "
        "6 of 10 windows"
    )


def test_windows_that_a_backfill_read_first_can_tell_nothing(use_case: Any) -> None:
    clock = Clock()
    ledger = InMemoryLedger(clock)
    read(ledger, clock, 0, rows=90)
    read(ledger, clock, 1, rows=90, after_end=timedelta(days=30))
    looked(ledger, 1, 1, new=10)
    found = run(use_case, ledger)
    assert (found.windows, found.windows_left_out, found.rows, found.ages) == (1, 1, 90, (Age(0, 1.0, 0, 0, 0),))


def test_an_interval_can_be_asked_for(use_case: Any) -> None:
    clock = Clock()
    ledger = InMemoryLedger(clock)
    for number in range(4):
        read(ledger, clock, number, rows=10 * number + 10)
    assert run(use_case, ledger, day(1).start, day(2).end).rows == 50


def test_nothing_on_record_is_said(use_case: Any) -> None:
    found = run(use_case, InMemoryLedger(Clock()))
    assert (found.windows, str(found)) == (
        0,
        "parcels: no window was read while it was open, so nothing is known about late rows",
    )
