"""Gaps: windows that should have been scored and were not, because nothing ran, or what ran failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.ledger.entries import DeployedRole
from perennial.ledger.port import Ledger
from perennial.spec.models import UseCase
from perennial.window import Window

NAMED = 5
STILL_RUNNING = timedelta(minutes=15)  # a window that was due less long ago is at work


@dataclass(frozen=True)
class Gaps:
    """How many windows should have been scored between two moments, how many were not, and the first of those."""

    use_case: str
    since: datetime | None
    until: datetime | None
    expected: int
    missing: int
    first: tuple[str, ...]

    def __str__(self) -> str:
        if not self.missing:
            return f"{self.use_case}: no window is missing"
        more = f" and {self.missing - len(self.first)} more" if self.missing > len(self.first) else ""
        return f"{self.use_case}: {self.missing} of {self.expected} windows are missing: {', '.join(self.first)}{more}"


def find(spec: UseCase, now: datetime, ledger: Ledger) -> tuple[Gaps, list[Window]]:
    """The windows that are missing in short, and all of them, oldest first.

    A window is expected from the first champion's effective time on, once it was due, and any deadline has passed.
    Only the last ones are looked at, as far back as the use case's `retention`. Errors: `StoreUnavailable`.
    """
    expected = _expected(spec, now, ledger)
    if not expected:
        return Gaps(spec.name, None, None, 0, 0, ()), []
    done = ledger.windows_done(spec.name, expected[0].start, expected[-1].end)
    missing = [window for window in expected if window not in done]
    first = tuple(window.key for window in missing[:NAMED])
    found = Gaps(spec.name, expected[0].start, expected[-1].end, len(expected), len(missing), first)
    return found, missing


def _expected(spec: UseCase, now: datetime, ledger: Ledger) -> list[Window]:
    champions = [entry for entry in ledger.deployments(spec.name) if entry.role is DeployedRole.CHAMPION]
    if not champions:
        return []
    grid = spec.grid
    waited = spec.schedule.deadline or spec.schedule.delay
    until = grid.containing(now - waited - STILL_RUNNING).start
    if spec.end is not None:
        until = min(until, spec.end)
    since = max(spec.start, champions[0].effective_from, until - spec.retention)
    first = grid.containing(since)
    start = first.start if first.start == since else first.end
    return list(grid.between(start, until)) if start < until else []
