"""The timeline of a use case: what became of each of its windows, and what happened to its model on the way."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from perennial.jobs.upkeep.gaps import expected_between
from perennial.ledger.entries import (
    Batch,
    DeployedRole,
    DriftReport,
    LateRows,
    LedgerEntry,
    Performance,
    ValidationResult,
)
from perennial.ledger.entries.rollout import challengers_share
from perennial.ledger.port import Ledger
from perennial.performance.maturity import Maturity
from perennial.performance.standing import Standing, standing_of
from perennial.review.events import Event, events_between
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window

Entry = TypeVar("Entry", ValidationResult, Batch, DriftReport, Performance)


@dataclass(frozen=True)
class WindowState:
    """What became of a window. A verdict is None while the step has not been done.

    `missing`: it should have been scored by now, and nothing was validated. `empty`: it is on record as without rows.
    `rows` were read, `rows_quarantined` of them set aside, `rows_late` came, went or changed after the first look.
    Of those that were scored, a `challenger` in roll-out predicted `challenger_share`, if one did, and `model_version`
    the others.
    `value` is the deciding metric with its interval (`low`, `high`), by the labels that have come (`maturity`).
    `expected` is what the window's model had on its holdout, `standing` how the value compares to that. `estimate` is
    what the metric was estimated to be from the predictions alone, with its interval. `run_id` is the run that worked
    on the window last.
    """

    window: Window
    validation: Verdict | None
    drift: Verdict | None
    drift_p_value: float | None
    performance: Verdict | None
    maturity: Maturity | None
    value: float | None
    low: float | None
    high: float | None
    completeness: float | None
    rows: int | None
    rows_quarantined: int | None
    rows_late: int
    model_version: str | None
    revision: int | None
    run_id: str | None
    recorded_at: datetime | None
    missing: bool
    empty: bool
    expected: float | None = None
    standing: Standing | None = None
    estimate: float | None = None
    estimate_low: float | None = None
    estimate_high: float | None = None
    challenger: str | None = None
    challenger_share: float | None = None

    @property
    def scored(self) -> bool:
        """Whether the window has predictions."""
        return self.revision is not None


@dataclass(frozen=True)
class Timeline:
    """The windows of an interval, oldest first, all of the grid whether anything was done or not, and the events."""

    use_case: str
    metric: str
    windows: tuple[WindowState, ...]
    events: tuple[Event, ...]
    format: Literal[1] = 1


def run(spec: UseCase, windows: Sequence[Window], now: datetime, ledger: Ledger, *, newest: bool = False) -> Timeline:
    """What the ledger knows of these windows, which follow each other, and which of them are missing now.

    With `newest`, what happened after them is told, too: a new model waits for a window that is not there yet. The
    number of questions to the ledger does not depend on the number of windows. Errors: `StoreUnavailable`.
    """
    if not windows:
        return Timeline(spec.name, spec.training.metric, (), ())
    name, ends = spec.name, (windows[0].start, windows[-1].end)
    deployments = ledger.deployments(name)
    champions = [entry for entry in deployments if entry.role is DeployedRole.CHAMPION]
    found = _Found(
        validations=_by_window(ledger.validations_between(name, *ends)),
        batches=_by_window(ledger.batches_between(name, *ends)),
        drift=_by_window(ledger.drift_between(name, *ends)),
        performance=_by_window(ledger.performance_between(name, *ends)),
        late=_late(ledger.late_rows_between(name, *ends)),
        empty=ledger.windows_noted_empty(name, *ends),
        expected=expected_between(spec, now, champions),
        holdout={each.model_digest: each.expected(spec.training.metric) for each in champions},
    )
    return Timeline(
        use_case=name,
        metric=spec.training.metric,
        windows=tuple(_state(window, found, spec) for window in windows),
        events=events_between(name, deployments, ends[0], None if newest else ends[1], ledger),
    )


def last_windows(spec: UseCase, now: datetime, count: int) -> list[Window]:
    """The last windows that had ended by the moment, at most so many, oldest first; none before the first one."""
    end = spec.grid.containing(now).start
    if spec.end is not None:
        end = min(end, spec.end)
    if end <= spec.start:
        return []
    start = max(spec.start, spec.grid.back(end, count))
    return list(spec.grid.between(start, end))


@dataclass(frozen=True)
class _Found:
    validations: Mapping[Window, ValidationResult]
    batches: Mapping[Window, Batch]
    drift: Mapping[Window, DriftReport]
    performance: Mapping[Window, Performance]
    late: Mapping[Window, int]
    empty: frozenset[Window]
    expected: tuple[datetime, datetime] | None
    holdout: Mapping[str, float | None]

    def is_expected(self, window: Window) -> bool:
        """Whether the window should have been scored by now."""
        return self.expected is not None and self.expected[0] <= window.start and window.end <= self.expected[1]


def _by_window(entries: Iterable[Entry]) -> dict[Window, Entry]:
    return {entry.window: entry for entry in entries}


def _late(entries: Iterable[LateRows]) -> dict[Window, int]:
    counts: dict[Window, int] = {}
    for entry in entries:
        counts[entry.window] = counts.get(entry.window, 0) + entry.new + entry.gone + entry.changed
    return counts


def _state(window: Window, found: _Found, spec: UseCase) -> WindowState:
    metric = spec.training.metric
    verdict, batch = found.validations.get(window), found.batches.get(window)
    report, measured = found.drift.get(window), found.performance.get(window)
    interval = measured.intervals.get(metric, {}) if measured else {}
    value, low, high = (measured.metrics.get(metric) if measured else None, interval.get("low"), interval.get("high"))
    expected = found.holdout.get(measured.model_digest) if measured else None
    estimate = measured.estimates.get(metric, {}) if measured else {}
    challenger, share = challengers_share(batch.parts, batch.rows) if batch else (None, None)
    last = _last(entry for entry in (verdict, batch, report) if entry is not None)
    return WindowState(
        window=window,
        validation=verdict.verdict if verdict else None,
        drift=report.verdict if report else None,
        drift_p_value=report.p_value if report else None,
        performance=measured.verdict if measured else None,
        maturity=measured.maturity if measured else None,
        value=value,
        low=low,
        high=high,
        completeness=measured.completeness if measured else None,
        rows=verdict.rows if verdict else None,
        rows_quarantined=verdict.rows_quarantined if verdict else None,
        rows_late=found.late.get(window, 0),
        model_version=batch.model_version if batch else None,
        revision=batch.revision if batch else None,
        run_id=last.run_id if last else None,
        recorded_at=last.recorded_at if last else None,
        missing=verdict is None and batch is None and window not in found.empty and found.is_expected(window),
        empty=window in found.empty and batch is None,
        expected=expected,
        standing=standing_of(metric, expected, (value, low, high), spec.monitoring.max_metric_loss),
        estimate=estimate.get("value"),
        estimate_low=estimate.get("low"),
        estimate_high=estimate.get("high"),
        challenger=challenger,
        challenger_share=share,
    )


def _last(entries: Iterable[LedgerEntry]) -> LedgerEntry | None:
    known = [(entry.recorded_at, entry) for entry in entries if entry.recorded_at is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None
