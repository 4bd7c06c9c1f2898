"""Gaps: windows that should have been scored and were not, because nothing ran, or what ran failed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.ledger.entries import DeployedRole, Deployment
from perennial.ledger.port import Ledger
from perennial.spec.models import UseCase
from perennial.window import Grid, Window
from perennial.wording import counted

NAMED = 10  # ranges, in the sentence for people
INSTANT = timedelta(microseconds=1)
STILL_RUNNING = timedelta(minutes=15)  # a window that was due less long ago is at work


@dataclass(frozen=True)
class MissingRange:
    """Windows that are missing one after the other: from `start` to `end`, which is not included.

    `named` says it by the first and the last window, each by its start.
    """

    start: datetime
    end: datetime
    windows: int
    named: str

    def __str__(self) -> str:
        return self.named if self.windows == 1 else f"{self.named} ({self.windows:,} windows)"


@dataclass(frozen=True)
class Gaps:
    """How many windows should have been scored between two moments, how many were not, and all of those in ranges."""

    use_case: str
    since: datetime | None
    until: datetime | None
    expected: int
    missing: int
    ranges: tuple[MissingRange, ...]

    def __str__(self) -> str:
        if not self.missing:
            return f"{self.use_case}: no window is missing"
        shown = self.ranges[:NAMED]
        rest = self.missing - sum(each.windows for each in shown)
        more = f" and {rest:,} more in {counted(len(self.ranges) - NAMED, 'range')}" if rest else ""
        named = ", ".join(str(each) for each in shown)
        verb = "is" if self.missing == 1 else "are"
        return f"{self.use_case}: {self.missing:,} of {self.expected:,} windows {verb} missing: {named}{more}"


def find(spec: UseCase, now: datetime, ledger: Ledger) -> tuple[Gaps, list[Window]]:
    """The windows that are missing in short, and all of them, oldest first.

    A window is expected from the first champion's effective time on, once it was due, and any deadline has passed.
    Only the last ones are looked at, as far back as the use case's `retention` keeps what is live and what is replaced.
    Errors: `StoreUnavailable`.
    """
    ends = expected_between(spec, now, ledger.deployments(spec.name))
    if ends is None:
        return Gaps(spec.name, None, None, 0, 0, ()), []
    expected = sum(1 for _ in spec.grid.between(*ends))
    missing = missing_between(spec, *ends, ledger)
    ranges = tuple(ranges_of(spec.grid, missing))
    return Gaps(spec.name, *ends, expected, len(missing), ranges), missing


def missing_between(spec: UseCase, start: datetime, end: datetime, ledger: Ledger) -> list[Window]:
    """The windows from `start` to `end` that were not scored and are not known to be empty.

    Errors: `StoreUnavailable`.
    """
    empty = ledger.windows_noted_empty(spec.name, start, end)
    return windows_in(spec.grid, ledger.unscored_between(spec.name, start, end), empty)


def windows_in(grid: Grid, intervals: Iterable[tuple[datetime, datetime]], empty: frozenset[Window]) -> list[Window]:
    """The windows that have a part in any of the intervals, but for those that are known to be empty."""
    windows = (
        window
        for begun, ended in intervals
        for window in grid.between(grid.containing(begun).start, grid.containing(ended - INSTANT).end)
    )
    return [window for window in dict.fromkeys(windows) if window not in empty]


def ranges_of(grid: Grid, windows: Iterable[Window]) -> Iterator[MissingRange]:
    """The windows, oldest first, in as few ranges as hold all of them and nothing else."""
    run: list[Window] = []
    for window in windows:
        if run and run[-1].end != window.start:
            yield _range(grid, run)
            run = []
        run.append(window)
    if run:
        yield _range(grid, run)


def _range(grid: Grid, run: Sequence[Window]) -> MissingRange:
    first, last = grid.name_of(run[0]), grid.name_of(run[-1])
    named = first if len(run) == 1 else f"{first} to {last}"
    return MissingRange(run[0].start, run[-1].end, len(run), named)


def expected_between(
    spec: UseCase, now: datetime, deployments: Sequence[Deployment]
) -> tuple[datetime, datetime] | None:
    """From when to when every window should have been scored by now; None without a model, or before its first window.

    `deployments` are all of the use case. It begins with the first champion, or as far back as `retention` reaches.
    """
    champions = [entry for entry in deployments if entry.role is DeployedRole.CHAMPION]
    return expected_since(spec, now, champions[0].effective_from) if champions else None


def expected_since(spec: UseCase, now: datetime, first_champion: datetime) -> tuple[datetime, datetime] | None:
    """The same, with the first champion in force from that moment on."""
    grid = spec.grid
    waited = spec.schedule.deadline or spec.schedule.delay
    until = grid.containing(now - waited - STILL_RUNNING).start
    if spec.end is not None:
        until = min(until, spec.end)
    kept = min([spec.retention.replaced, *spec.retention.ages.values()])
    since = max(spec.start, first_champion, until - kept)
    first = grid.containing(since)
    start = first.start if first.start == since else first.end
    return (start, until) if start < until else None
