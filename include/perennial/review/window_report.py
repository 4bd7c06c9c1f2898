"""The report on a window: what came in, what was checked, how it was scored, whether it drifted, and what followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from perennial.drift.assess import Assessment
from perennial.errors import NotIngested, NotScored, NotValidated, UntrustedModel
from perennial.ledger.entries import DecisionKind, DriftReport, LateRows, Performance, RecordedDecision, Snapshot
from perennial.ports import Ports
from perennial.records.retained import removed_texts
from perennial.review import drift_history, handled, history, timeline, validation
from perennial.review.drift import recorded_assessment
from perennial.review.drift_history import DriftHistory
from perennial.review.handled import Handled
from perennial.review.history import Revision
from perennial.review.prediction_spread import PredictionSpread, spread
from perennial.review.timeline import WindowState
from perennial.review.validation import ValidationReport
from perennial.review.window_changes import Look, WindowChanges, changes
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window
from perennial.wording import counted


@dataclass(frozen=True)
class DriftFound:
    """The last drift report on the window, and the model that it was measured against."""

    assessment: Assessment
    model_digest: str
    recorded_at: datetime | None
    run_id: str


@dataclass(frozen=True)
class WindowReport:
    """All that is on record about a window. What was not done yet is None or empty; `sentence` says it in one line.

    `before` and `after` are the windows next to it on the grid. `late` is what later looks at the source found.
    `performance` are its measurements of `metric` and all others, oldest first. `changes` is None where one of the two
    windows has no rows. `drift_unreadable` says why a report on its drift can't be shown. `handled` is what people did
    about rows that were set aside: which they accepted, and which replays they asked for.
    """

    use_case: str
    title: str
    window: Window
    before: Window
    after: Window
    verdict: Verdict | None
    sentence: str
    metric: str
    state: WindowState
    snapshot: Snapshot | None
    changes: WindowChanges | None
    late: tuple[LateRows, ...]
    validation: ValidationReport | None
    revisions: tuple[Revision, ...]
    drift: DriftFound | None
    drift_unreadable: str | None
    drift_history: DriftHistory
    predictions: PredictionSpread | None
    performance: tuple[Performance, ...]
    decisions: tuple[RecordedDecision, ...]
    model_address: str | None
    handled: tuple[Handled, ...] = ()
    removed: tuple[str, ...] = ()
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, window: Window, now: datetime, ports: Ports) -> WindowReport:
    """What is on record about the window. Errors: `StoreUnavailable`."""
    spec, ledger = use_case.spec, ports.ledger
    (state,) = timeline.run(spec, [window], now, ledger).windows
    before, after = spec.grid.containing(spec.grid.back(window.start, 1)), spec.grid.containing(window.end)
    snapshot = ledger.latest_snapshot(spec.name, window)
    revisions = _revisions(use_case, window, ports)
    verdict, sentence = _sentence(state, revisions)
    report, report_before = _last_drift(use_case, window, ports), _last_drift(use_case, before, ports)
    found, unreadable = _drift(report)
    return WindowReport(
        use_case=spec.name,
        title=spec.title,
        window=window,
        before=before,
        after=after,
        verdict=verdict,
        sentence=sentence,
        metric=spec.training.metric,
        state=state,
        snapshot=snapshot,
        changes=_changes(use_case, snapshot, before, (report, report_before), ports),
        late=tuple(ledger.late_rows_between(spec.name, window.start, window.end)),
        validation=_validation(use_case, window, ports),
        revisions=revisions,
        drift=found,
        drift_unreadable=unreadable,
        drift_history=drift_history.run(spec, window, ledger),
        predictions=spread(report, report_before),
        performance=tuple(ledger.performance_of(spec.name, window)),
        decisions=_decisions(use_case, window, ports),
        model_address=ports.registry.address(spec.name, state.model_version) if state.model_version else None,
        handled=handled.run(spec.name, window, ports),
        removed=_removed(spec.name, window, snapshot, ports),
    )


def _removed(use_case: str, window: Window, snapshot: Snapshot | None, ports: Ports) -> tuple[str, ...]:
    """What went by age of the window as it was ingested last."""
    return removed_texts(use_case, window, snapshot.recorded_at, ports.ledger) if snapshot else ()


def _validation(use_case: LoadedUseCase, window: Window, ports: Ports) -> ValidationReport | None:
    try:
        return validation.run(use_case, window, ports)
    except (NotIngested, NotValidated):
        return None


def _revisions(use_case: LoadedUseCase, window: Window, ports: Ports) -> tuple[Revision, ...]:
    try:
        return tuple(history.run(use_case, window, ports))
    except NotScored:
        return ()


def _last_drift(use_case: LoadedUseCase, window: Window, ports: Ports) -> DriftReport | None:
    reports = ports.ledger.drift_of(use_case.name, window)
    return reports[-1] if reports else None


def _drift(report: DriftReport | None) -> tuple[DriftFound | None, str | None]:
    if report is None:
        return None, None
    try:
        assessment = recorded_assessment(report)
    except UntrustedModel as error:
        return None, str(error)
    return DriftFound(assessment, report.model_digest, report.recorded_at, report.run_id), None


def _decisions(use_case: LoadedUseCase, window: Window, ports: Ports) -> tuple[RecordedDecision, ...]:
    asked = (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)
    found = (each for kind in asked for each in ports.ledger.decisions(use_case.name, kind, window.end, window.end))
    return tuple(found)


def _changes(
    use_case: LoadedUseCase,
    snapshot: Snapshot | None,
    before: Window,
    drift: tuple[DriftReport | None, DriftReport | None],
    ports: Ports,
) -> WindowChanges | None:
    earlier = ports.ledger.latest_snapshot(use_case.name, before)
    if snapshot is None or earlier is None:
        return None
    return changes(use_case.spec, Look(snapshot, drift[0]), Look(earlier, drift[1]), ports)


def _sentence(state: WindowState, revisions: Sequence[Revision]) -> tuple[Verdict | None, str]:
    """The verdict on the window in one line; the most serious thing first."""
    if state.validation is None:
        return _nothing(state)
    rows = counted(state.rows or 0, "row")
    if not state.scored:
        if state.validation is Verdict.FAIL:
            return Verdict.FAIL, f"Validation refused the {rows}, so nothing was scored."
        return state.validation, f"{rows} passed validation{_set_aside(state)}; they are not scored yet."
    if state.validation is Verdict.FAIL:
        return Verdict.FAIL, (
            f"Validation refused the {rows} that came last, so what was published before stays: revision "
            f"{revisions[-1].revision}, {counted(revisions[-1].rows, 'row')} scored by {revisions[-1].predicted_by}."
        )
    scored = f"{counted(revisions[-1].rows, 'row')} scored by {revisions[-1].predicted_by}{_set_aside(state)}"
    if state.drift is Verdict.FAIL:
        return Verdict.FAIL, f"Drift: the window is unlike what its model considers normal. {scored}."
    return Verdict.worst([state.validation, state.drift or Verdict.PASS]), f"{scored}; {_DRIFT[state.drift]}."


def _nothing(state: WindowState) -> tuple[Verdict | None, str]:
    if state.empty:
        return None, "The source has no rows for this window, and the spec allows that."
    if state.missing:
        return Verdict.FAIL, "This window should have been scored by now; nothing is on record about it."
    return None, "Nothing is on record about this window yet."


def _set_aside(state: WindowState) -> str:
    return f", {counted(state.rows_quarantined, 'row')} set aside" if state.rows_quarantined else ""


_DRIFT = {
    None: "drift is not measured yet",
    Verdict.PASS: "no drift",
    Verdict.WARN: "drift to look at",
    Verdict.INSUFFICIENT: "too little to tell whether it drifted",
}
