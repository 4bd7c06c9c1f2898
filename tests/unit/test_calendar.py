"""Windows over the days on which clocks change, and decisions by clocks that are wrong."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.unit.jobs.world import RECORDED, make_world

from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.jobs.retrain import chain as retrain
from perennial.ledger.entries import DecisionKind
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.records.candidates import MEMORY, SECONDS
from perennial.records.model_choice import ModelChoice
from perennial.window import Every, Grid

# Forward and back in 2024, the leap year: by an hour in the north and the south, by half an hour, and a zone at :45.
CHANGES = {
    "America/New_York": (datetime(2024, 3, 10, tzinfo=UTC), datetime(2024, 11, 3, tzinfo=UTC)),
    "Europe/Berlin": (datetime(2024, 3, 31, tzinfo=UTC), datetime(2024, 10, 27, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2024, 10, 5, tzinfo=UTC), datetime(2024, 4, 6, tzinfo=UTC)),
    "Asia/Kathmandu": (datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC)),
}
LEAP_DAY = datetime(2024, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize("every", Every)
@pytest.mark.parametrize("zone", CHANGES)
def test_windows_have_no_gap_and_no_overlap_where_clocks_change(zone: str, every: Every) -> None:
    grid = Grid(every, zone)
    for day in (*CHANGES[zone], LEAP_DAY):
        first, last = grid.containing(day - timedelta(days=3)), grid.containing(day + timedelta(days=3))
        windows = list(grid.between(first.start, last.end))
        assert (windows[0], windows[-1]) == (first, last)
        assert all(before.end == after.start for before, after in pairwise(windows))
        moment = first.start
        while moment < last.end:
            holding = [window for window in windows if window.start <= moment < window.end]
            assert holding == [grid.containing(moment)], moment
            moment += timedelta(minutes=15)


@pytest.mark.parametrize("zone", CHANGES)
def test_every_local_day_is_one_window_however_long(zone: str) -> None:
    grid, tz = Grid(Every.DAY, zone), ZoneInfo(zone)
    start = datetime(2024, 1, 1, tzinfo=tz)
    days = list(grid.between(start, datetime(2025, 1, 1, tzinfo=tz)))
    assert len(days) == 366
    assert [day.start.astimezone(tz).hour for day in days] == [0] * 366
    lengths = {day.end - day.start for day in days}
    shift = timedelta(minutes=30) if zone == "Australia/Lord_Howe" else timedelta(hours=1)
    ordinary = timedelta(days=1)
    assert lengths == ({ordinary} if zone == "Asia/Kathmandu" else {ordinary - shift, ordinary, ordinary + shift})


Clock = Callable[[], datetime]


MEASURED = (SECONDS, MEMORY)  # what a candidate costs is measured anew by each training


def told(folder: Path, clock: Clock) -> list[object]:
    """What days of work come to: windows, revisions, verdicts and decisions, without when it was written down."""
    folder.mkdir()
    world = make_world(folder)
    ledger = InMemoryLedger(clock)
    ports = replace(world.ports, ledger=ledger)
    retrain.run(world.use_case, world.day(30).start, ports, "first", actor="a", reason="first")
    for number in range(38, 44):
        window = world.day(number)
        ingest.run(world.use_case, window, ports, "run")
        validate.run(world.use_case, window, ports, "run")
        score.run(world.use_case, window, ports, "run", model=ModelChoice())
        monitor.run(world.use_case, window, ports, "run")
        collect_labels.run(world.use_case, window.end + timedelta(days=1), ports, "run")
        measure.run(world.use_case, window.end + timedelta(days=1), ports, "run")
    span = world.day(0).start, world.day(60).end
    decisions = [
        replace(each, numbers={name: value for name, value in each.numbers.items() if not name.endswith(MEASURED)})
        for kind in DecisionKind
        for each in ledger.decisions("parcels", kind)
    ]
    # A profile's sketches are drawn at random.
    drift = [replace(report, profile={}) for report in ledger.drift_between("parcels", *span)]
    kept = [*ledger.batches_between("parcels", *span), *drift, *ledger.performance_between("parcels", *span)]
    return [replace(entry, recorded_at=None) for entry in (*kept, *decisions, *ledger.deployments("parcels"))]


def wrong_by(minutes: int) -> Clock:
    return lambda: RECORDED + timedelta(minutes=minutes)


def jumping() -> Clock:
    ticks = count()
    return lambda: RECORDED + timedelta(minutes=random.Random(next(ticks)).uniform(-10, 10))


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    return told(tmp_path_factory.mktemp("clock") / "right", wrong_by(0))


@pytest.mark.parametrize("clock", [wrong_by(-10), wrong_by(10), jumping()], ids=["behind", "ahead", "jumping"])
def test_a_clock_that_is_ten_minutes_wrong_changes_no_window_and_no_decision(
    right: list[object], tmp_path: Path, clock: Clock
) -> None:
    assert len(right) > 25
    assert told(tmp_path / "wrong", clock) == right
