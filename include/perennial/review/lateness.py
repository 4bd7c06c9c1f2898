"""Lateness: how late rows come, by what later looks found, so that a delay can be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perennial.ledger.entries import LateRows, Snapshot
from perennial.ledger.port import Ledger
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase

WINDOWS = 100


@dataclass(frozen=True)
class Age:
    """What was there so many windows after a window's end: the share of the rows known today, and what came then.

    `windows_later` 0 is the first look at a window, when it was scored. Counts are of rows, over all windows.
    """

    windows_later: int
    share_there: float
    new: int
    gone: int
    changed: int


@dataclass(frozen=True)
class Lateness:
    """How late rows came in the windows that were first read while they were open, and by which age all were there.

    `windows_left_out` were first read later, by a backfill: what came late in them can't be told.
    """

    use_case: str
    windows: int
    windows_late: int
    windows_left_out: int
    rows: int
    ages: tuple[Age, ...]

    def __str__(self) -> str:
        if not self.windows:
            return f"{self.use_case}: no window was read while it was open, so nothing is known about late rows"
        first = self.ages[0].share_there
        return (
            f"{self.use_case}: {first:.2%} of {self.rows:,} rows were there when their window was scored; rows came "
            f"late, went or changed in {self.windows_late} of {self.windows} windows"
        )


def run(
    use_case: LoadedUseCase, ledger: Ledger, start: datetime | None = None, end: datetime | None = None
) -> Lateness:
    """Look at the windows of an interval, by default the last 100 that were ingested. Errors: `StoreUnavailable`."""
    spec = use_case.spec
    if end is None:
        last = ledger.status(spec.name).last_window
        end = last.end if last else spec.start
    if start is None:
        start = max(spec.start, spec.grid.back(end, WINDOWS))
    first = ledger.first_snapshots_between(spec.name, start, end)
    in_time = [snapshot for snapshot in first if _read_while_open(spec, snapshot)]
    windows = {snapshot.window for snapshot in in_time}
    late = [found for found in ledger.late_rows_between(spec.name, start, end) if found.window in windows]
    known = sum(snapshot.rows for snapshot in in_time)
    total = known + sum(found.new for found in late)
    ages = []
    for age, found_then in sorted(_by_age(spec, late).items()):
        known += sum(found.new for found in found_then)
        ages.append(
            Age(
                windows_later=age,
                share_there=known / total if total else 1.0,
                new=sum(found.new for found in found_then),
                gone=sum(found.gone for found in found_then),
                changed=sum(found.changed for found in found_then),
            )
        )
    return Lateness(
        use_case=spec.name,
        windows=len(windows),
        windows_late=len({found.window for found in late}),
        windows_left_out=len(first) - len(in_time),
        rows=total,
        ages=tuple(ages),
    )


def _read_while_open(spec: UseCase, snapshot: Snapshot) -> bool:
    """Whether it was read first before rows stopped to count, or not more than a window later."""
    window = snapshot.window
    return snapshot.recorded_at is not None and snapshot.recorded_at <= spec.closed(window) + (
        window.end - window.start
    )


def _by_age(spec: UseCase, late: Sequence[LateRows]) -> dict[int, list[LateRows]]:
    """The findings by how many windows later they were made; every age up to the last, and none for the first look."""
    found: dict[int, list[LateRows]] = {0: []}
    for each in late:
        found.setdefault(_windows_later(spec, each), []).append(each)
    return {age: found.get(age, []) for age in range(max(found) + 1)}


def _windows_later(spec: UseCase, late: LateRows) -> int:
    looked_in = late.as_of - spec.schedule.delay
    until = spec.grid.containing(looked_in).start
    return sum(1 for _ in spec.grid.between(late.window.end, max(until, late.window.end)))
