"""Expectations that past windows suggest, each with how often it would have failed in them.

Thresholds come from the earlier windows, and failures are counted in all of them: those of the windows that were held
out say how the suite would have done had it been written then. Failures are counted on the rows that today's row rules
let through, which is what expectations see.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate
from typing import Any, Literal
from zoneinfo import ZoneInfo

from perennial.errors import NotIngested, RowsRemoved
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import Snapshot
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.quality.proposals.kept import GATES, SEEN, seen_in, with_seen
from perennial.quality.proposals.proposal import Looked, Proposal, Series, held_out
from perennial.quality.proposals.propose import STRUCTURAL, SURE, propose
from perennial.quality.proposals.seen import WindowSeen
from perennial.quality.proposals.unmet import unmet
from perennial.quality.unread import BAD_CELLS
from perennial.quality.validate import validate
from perennial.review.suggestions.alike import alike
from perennial.spec.expectations import Severity
from perennial.spec.load import LoadedUseCase
from perennial.window import Every, Window
from perennial.wording import counted

WINDOWS = 30  # looked at where nobody says how many
MOST_WINDOWS = 100
MOST_ROWS = 5_000_000  # of all windows that are read together
AT_ONCE = 4  # windows that are read at the same time
MOST_NAMED = 20  # failed windows of one expectation


@dataclass(frozen=True)
class Suggestion:
    """An expectation as `expectations.yaml` takes it, and what speaks for it.

    `derived_from` says so in words, `series` by window. It would have failed in `failed` windows, `failed_held_out` of
    them held out; `failed_windows` are the last `MOST_NAMED` of those. `already` is the type of an expectation of the
    present suite that checks the same, None where there is none.
    """

    type: str
    kwargs: dict[str, Any]
    severity: Severity
    derived_from: str
    series: tuple[Series, ...]
    failed: int
    failed_held_out: int
    failed_windows: tuple[Window, ...]
    already: str | None

    @property
    def column(self) -> str | None:
        """The column that it is about; None when it is about the window as a whole."""
        return self.kwargs.get("column")


@dataclass(frozen=True)
class Unused:
    """A window that was asked for and not looked at, or a column for which something was not proposed, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Suggestions:
    """A suite for a use case, told from `windows`, of which the last `held_out` were not learnt from.

    The rows of `windows_read` of them were read for it; of the others validation had kept what their rows were like.
    `left_alone` are columns (or the window as a whole) for which something was not proposed; `not_looked_at` windows
    that were asked for; `limits` says which bounds on the work were reached.
    """

    use_case: str
    windows: tuple[Window, ...]
    held_out: int
    rows: int
    windows_read: int
    suggestions: tuple[Suggestion, ...]
    left_alone: tuple[Unused, ...]
    not_looked_at: tuple[Unused, ...]
    limits: tuple[str, ...]
    format: Literal[1] = 1


def last_windows(use_case: LoadedUseCase, ports: Ports, count: int = WINDOWS) -> list[Window]:
    """The `count` windows up to the last one that was ingested, not before the first of the use case.

    Errors: `NotIngested` when there is none; `StoreUnavailable`.
    """
    spec = use_case.spec
    last = ports.ledger.last_ingested(spec.name)
    if last is None:
        raise NotIngested(
            f"No window of {spec.name} was ingested yet, so there is nothing to look at. "
            f"Run `perennial ingest {spec.name} --from … --to …` over some weeks first."
        )
    newest = spec.grid.containing(last.end - timedelta(microseconds=1))  # an earlier schedule's may end elsewhere
    first = max(spec.grid.back(newest.end, count), spec.grid.containing(spec.start).start)
    return list(spec.grid.between(min(first, newest.start), newest.end))


def run(
    use_case: LoadedUseCase,
    windows: Sequence[Window],
    ports: Ports,
    *,
    most_rows: int = MOST_ROWS,
    on_window: OnWindow = nobody,
) -> Suggestions:
    """What the windows, oldest first, suggest.

    Of more than `MOST_WINDOWS` windows the last are looked at. What validation kept of a window takes no row of it; of
    windows that must be read and have more than `most_rows` rows together, the last are, one window at least. Nothing
    is written. Errors: `NotIngested` when not one of the windows can be looked at; `StoreUnavailable`.
    """
    spec = use_case.spec
    asked, limits = list(windows)[-MOST_WINDOWS:], []
    if len(asked) < len(windows):
        limits.append(f"Only the last {MOST_WINDOWS} of {len(windows):,} windows were looked at.")
    snapshots, unused = _snapshots(use_case, asked, ports)
    stores = _Seen(use_case, ports)
    found = stores.kept(snapshots)
    unread = [each for each in snapshots if each.window not in found]
    chosen = _last(unread, most_rows, at_least=0 if found else 1)
    if len(chosen) < len(unread):
        of_which = " that validation kept no summary of" if found else ""
        limits.append(
            f"Only the last {counted(len(chosen), 'window')} of {len(unread)}{of_which} were looked at: together they "
            f"have {sum(each.rows for each in unread):,} rows, and {most_rows:,} is the limit."
        )
    done = WindowsDone(len(found), len(found) + len(chosen), sum(_rows(each) for each in found.values()))
    on_window(done)
    for window, told in stores.read(chosen):
        found[window] = told
        done = replace(done, done=done.done + 1, rows=done.rows + _rows(told))
        on_window(done)
    seen = []
    for window in (each.window for each in snapshots if each.window in found):
        match found[window]:
            case WindowSeen() as told:
                seen.append(told)
            case why:
                unused.append(Unused(spec.grid.name_of(window), why))
    if not seen:
        why = f"{unused[0].name}: {unused[0].why}" if unused else "no window was named"
        raise NotIngested(f"Not one window of {spec.name} can be looked at ({why}). Ingest some, or name others.")
    last = held_out(len(seen))
    looked = Looked(seen, len(seen) - last, _seasons(use_case, [each.window for each in seen]))
    proposals, left_alone = propose(spec, looked)
    read = {each.window for each in chosen}
    return Suggestions(
        use_case=spec.name,
        windows=tuple(each.window for each in seen),
        held_out=last,
        rows=sum(each.rows for each in seen),
        windows_read=sum(each.window in read for each in seen),
        suggestions=tuple(
            _suggestion(use_case, proposal, [each for each in seen if unmet(proposal, each)], looked)
            for proposal in proposals
        ),
        left_alone=tuple(Unused(each.column or "the window as a whole", each.why) for each in left_alone),
        not_looked_at=tuple(unused),
        limits=tuple(limits),
    )


def _rows(told: WindowSeen | str) -> int:
    return told.rows if isinstance(told, WindowSeen) else 0


def _snapshots(use_case: LoadedUseCase, windows: Sequence[Window], ports: Ports) -> tuple[list[Snapshot], list[Unused]]:
    """The latest snapshots, and the windows without one."""
    if not windows:
        return [], []
    found = ports.ledger.snapshots_between(use_case.name, windows[0].start, windows[-1].end)
    by_window = {each.window: each for each in found}
    name_of = use_case.spec.grid.name_of
    missing = [Unused(name_of(window), "never ingested") for window in windows if window not in by_window]
    empty = [Unused(name_of(each.window), "has no rows") for each in by_window.values() if each.rows == 0]
    return [by_window[window] for window in windows if window in by_window and by_window[window].rows], missing + empty


def _last(snapshots: Sequence[Snapshot], most_rows: int, at_least: int) -> list[Snapshot]:
    """As many of the last ones as have no more rows together; `at_least` so many."""
    together = accumulate(each.rows for each in reversed(snapshots))
    fitting = max(at_least, sum(rows <= most_rows for rows in together))
    return list(snapshots[max(0, len(snapshots) - fitting) :])


class _Seen:
    """What windows were like: from what validation kept, or else from their rows."""

    def __init__(self, use_case: LoadedUseCase, ports: Ports) -> None:
        rules = tuple(each for each in use_case.expectations if each.quarantine)
        self._use_case = replace(use_case, expectations=rules)
        self._ports = ports

    def kept(self, snapshots: Sequence[Snapshot]) -> dict[Window, WindowSeen | str]:
        """What validation kept of these snapshots under today's columns and row rules."""
        if not snapshots:
            return {}
        start, end = snapshots[0].window.start, snapshots[-1].window.end
        verdicts = self._ports.ledger.validations_between(self._use_case.name, start, end, parts=(GATES, SEEN))
        of_latest = {(each.window, each.digest) for each in snapshots}
        told = {
            verdict.window: seen_in(self._use_case, verdict.window, verdict.result)
            for verdict in verdicts
            if (verdict.window, verdict.snapshot_digest) in of_latest
        }
        return {window: seen for window, seen in told.items() if seen is not None}

    def read(self, snapshots: Sequence[Snapshot]) -> Iterator[tuple[Window, WindowSeen | str]]:
        """What the rows of each are like. A few windows are read at once: a store far away answers slowly."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for start in range(0, len(snapshots), AT_ONCE):
                some = snapshots[start : start + AT_ONCE]
                yield from zip((each.window for each in some), threads.map(self._of, some), strict=True)

    def _of(self, snapshot: Snapshot) -> WindowSeen | str:
        spec, window = self._use_case.spec, snapshot.window
        try:
            rows = self._ports.lake.read(raw_table(spec.name), window_partition(window), version=snapshot.version)
        except RowsRemoved:
            return "its rows were removed by retention"
        rows = rows.select([name for name in rows.column_names if name in spec.columns or name == BAD_CELLS])
        result = with_seen(self._use_case, window, validate(self._use_case, rows, window))
        seen = seen_in(self._use_case, window, result)
        assert seen is not None, "it was told under today's rules"
        return seen


def _suggestion(
    use_case: LoadedUseCase, proposal: Proposal, failed: Sequence[WindowSeen], looked: Looked
) -> Suggestion:
    expectation = proposal.expectation
    sure = not failed and len(looked.windows) >= SURE and expectation.type in STRUCTURAL
    later = {each.window for each in looked.windows[looked.derived :]}
    return Suggestion(
        type=expectation.type,
        kwargs=expectation.kwargs,
        severity=Severity.CRITICAL if sure else expectation.severity,
        derived_from=proposal.derived_from,
        series=proposal.series,
        failed=len(failed),
        failed_held_out=sum(each.window in later for each in failed),
        failed_windows=tuple(each.window for each in failed[-MOST_NAMED:]),
        already=alike(expectation, use_case.expectations),
    )


def _seasons(use_case: LoadedUseCase, windows: Sequence[Window]) -> list[int] | None:
    """The weekday of days, the hour of windows of hours, by the local clock; None for weeks and months."""
    schedule = use_case.spec.schedule
    local = [window.start.astimezone(ZoneInfo(schedule.timezone)) for window in windows]
    if schedule.every is Every.DAY:
        return [each.weekday() for each in local]
    hourly = schedule.every is Every.HOUR or schedule.every.hours is not None
    return [each.hour for each in local] if hourly else None
