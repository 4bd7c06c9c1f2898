"""Expectations that past windows suggest, each with how often it would have failed in them.

Thresholds come from the earlier windows, and failures are counted in all of them: those of the windows that were held
out say how the suite would have done had it been written then. Failures are counted on the rows that today's row rules
let through, which is what expectations see.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from perennial.errors import NotIngested, RowsRemoved
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import Snapshot
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.quality.proposals.proposal import Looked, Proposal, Series, held_out
from perennial.quality.proposals.propose import STRUCTURAL, SURE, propose
from perennial.quality.proposals.replay import unmet
from perennial.quality.proposals.seen import WindowSeen, look
from perennial.quality.unread import BAD_CELLS
from perennial.quality.validate import validate
from perennial.review.suggestions.alike import alike
from perennial.spec.expectations import Severity
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Every, Window
from perennial.wording import counted

WINDOWS = 30  # looked at where nobody says how many
MOST_WINDOWS = 100
MOST_ROWS = 5_000_000  # of all windows together
MOST_KEPT = 5_000_000  # cells: windows of more are read again for the count of failures
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

    `left_alone` are columns (or the window as a whole) for which something was not proposed; `not_looked_at` windows
    that were asked for; `limits` says which bounds on the work were reached.
    """

    use_case: str
    windows: tuple[Window, ...]
    held_out: int
    rows: int
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

    Of more than `MOST_WINDOWS` windows, or of windows that have more than `most_rows` rows together, the last are
    looked at, one at least. Nothing is written. Errors: `NotIngested` when not one of the windows can be looked at;
    `StoreUnavailable`.
    """
    spec = use_case.spec
    asked, limits = list(windows)[-MOST_WINDOWS:], []
    if len(asked) < len(windows):
        limits.append(f"Only the last {MOST_WINDOWS} of {len(windows):,} windows were looked at.")
    snapshots, unused = _snapshots(use_case, asked, ports)
    kept = _last(snapshots, most_rows)
    if len(kept) < len(snapshots):
        limits.append(
            f"Only the last {counted(len(kept), 'window')} of {len(snapshots)} were looked at: together they have "
            f"{sum(each.rows for each in snapshots):,} rows, and {most_rows:,} is the limit."
        )
    memory = _Rows(use_case, ports)
    seen: list[WindowSeen] = []
    looked_at: list[Snapshot] = []
    for position, (snapshot, rows) in enumerate(memory.first(kept), 1):
        if isinstance(rows, str):
            unused.append(Unused(spec.grid.name_of(snapshot.window), rows))
        else:
            seen.append(look(spec, snapshot.window, rows))
            looked_at.append(snapshot)
        on_window(WindowsDone(position, len(kept), sum(each.rows for each in seen)))
    if not seen:
        why = f"{unused[0].name}: {unused[0].why}" if unused else "no window was named"
        raise NotIngested(f"Not one window of {spec.name} can be looked at ({why}). Ingest some, or name others.")
    last = held_out(len(seen))
    looked = Looked(seen, len(seen) - last, _seasons(use_case, [each.window for each in seen]))
    proposals, left_alone = propose(spec, looked)
    failures = np.hstack(
        [unmet([each.expectation for each in proposals], tables) for tables in memory.again(looked_at)]
    )
    return Suggestions(
        use_case=spec.name,
        windows=tuple(each.window for each in seen),
        held_out=last,
        rows=sum(each.rows for each in seen),
        suggestions=tuple(
            _suggestion(use_case, proposal, [window for window, met in zip(seen, failed, strict=True) if met], looked)
            for proposal, failed in zip(proposals, failures, strict=True)
        ),
        left_alone=tuple(Unused(each.column or "the window as a whole", each.why) for each in left_alone),
        not_looked_at=tuple(unused),
        limits=tuple(limits),
    )


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


def _last(snapshots: Sequence[Snapshot], most_rows: int) -> list[Snapshot]:
    """As many of the last ones as have no more rows together; one at least."""
    together = np.cumsum([each.rows for each in reversed(snapshots)])
    fitting = max(1, int(np.sum(together <= most_rows)))
    return list(snapshots[-fitting:])


class _Rows:
    """The rows of windows that expectations see; those of the first are kept, so that they are read once."""

    def __init__(self, use_case: LoadedUseCase, ports: Ports) -> None:
        rules = tuple(each for each in use_case.expectations if each.quarantine)
        self._use_case = replace(use_case, expectations=rules)
        self._ports = ports
        self._kept: dict[Window, pa.Table] = {}
        self._room = MOST_KEPT

    def first(self, snapshots: Sequence[Snapshot]) -> Iterator[tuple[Snapshot, pa.Table | str]]:
        """The rows of each, or why there are none. A few windows are read at once: a store far away answers slowly."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for start in range(0, len(snapshots), AT_ONCE):
                some = snapshots[start : start + AT_ONCE]
                for snapshot, rows in zip(some, threads.map(self._of, some), strict=True):
                    if isinstance(rows, pa.Table):
                        self._keep(snapshot, rows)
                    yield snapshot, rows

    def again(self, snapshots: Sequence[Snapshot]) -> Iterator[list[pa.Table]]:
        """The same rows once more: those that were kept together, the others window by window."""
        first = [each for each in snapshots if each.window in self._kept]
        if first:
            yield [self._kept[each.window] for each in first]
        for snapshot in snapshots[len(first) :]:
            rows = self._of(snapshot)
            assert isinstance(rows, pa.Table), "it was read before"
            yield [rows]

    def _of(self, snapshot: Snapshot) -> pa.Table | str:
        spec, window = self._use_case.spec, snapshot.window
        try:
            rows = self._ports.lake.read(raw_table(spec.name), window_partition(window), version=snapshot.version)
        except RowsRemoved:
            return "its rows were removed by retention"
        rows = rows.select([name for name in rows.column_names if name in spec.columns or name == BAD_CELLS])
        checked = validate(self._use_case, rows, window)
        if checked.result["gates"][0]["verdict"] == Verdict.FAIL:
            return f"does not fit the columns in use_case.yaml: {_problems(checked.reasons[0])}"
        return checked.clean if checked.clean.num_rows else "every row of it is set aside by row rules"

    def _keep(self, snapshot: Snapshot, rows: pa.Table) -> None:
        cells = rows.num_rows * rows.num_columns
        if cells <= self._room:
            self._room -= cells
            self._kept[snapshot.window] = rows
        else:
            self._room = 0  # only the first ones are kept, so that `again` keeps the order


def _problems(mismatch: str) -> str:
    """What stands between the first and the last line of a `SchemaMismatch`, on one."""
    return "; ".join(line.strip(" -") for line in mismatch.splitlines()[1:-1])


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
