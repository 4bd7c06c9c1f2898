"""The report on a window: what came in, what was checked, how it was scored, whether it drifted, and what followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from perennial.drift.assess import Assessment
from perennial.errors import NotIngested, NotScored, NotValidated
from perennial.ledger.entries import DecisionKind, Performance, RecordedDecision, Snapshot
from perennial.ports import Ports
from perennial.review import history, timeline, validation
from perennial.review.drift import recorded_assessment
from perennial.review.history import Revision
from perennial.review.timeline import WindowState
from perennial.review.validation import ValidationReport
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window
from perennial.wording import counted


@dataclass(frozen=True)
class Neighbour:
    """The snapshot of the window before, and what is different from it: columns that came, went or changed kind."""

    window: Window
    rows: int
    columns_new: tuple[str, ...]
    columns_gone: tuple[str, ...]
    columns_changed: tuple[str, ...]


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

    `before` and `after` are the windows next to it on the grid. `performance` are its measurements, oldest first.
    """

    use_case: str
    title: str
    window: Window
    before: Window
    after: Window
    verdict: Verdict | None
    sentence: str
    state: WindowState
    snapshot: Snapshot | None
    previous: Neighbour | None
    validation: ValidationReport | None
    revisions: tuple[Revision, ...]
    drift: DriftFound | None
    performance: tuple[Performance, ...]
    decisions: tuple[RecordedDecision, ...]
    model_address: str | None
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, window: Window, now: datetime, ports: Ports) -> WindowReport:
    """What is on record about the window.

    Errors: `StoreUnavailable`; `UntrustedModel` when an earlier version wrote its drift report.
    """
    spec, ledger = use_case.spec, ports.ledger
    (state,) = timeline.run(spec, [window], now, ledger).windows
    before, after = spec.grid.containing(spec.grid.back(window.start, 1)), spec.grid.containing(window.end)
    snapshot = ledger.latest_snapshot(spec.name, window)
    revisions = _revisions(use_case, window, ports)
    verdict, sentence = _sentence(state, revisions)
    return WindowReport(
        use_case=spec.name,
        title=spec.title,
        window=window,
        before=before,
        after=after,
        verdict=verdict,
        sentence=sentence,
        state=state,
        snapshot=snapshot,
        previous=_previous(snapshot, ledger.latest_snapshot(spec.name, before)),
        validation=_validation(use_case, window, ports),
        revisions=revisions,
        drift=_drift(use_case, window, ports),
        performance=tuple(ledger.performance_of(spec.name, window)),
        decisions=_decisions(use_case, window, ports),
        model_address=ports.registry.address(spec.name, state.model_version) if state.model_version else None,
    )


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


def _drift(use_case: LoadedUseCase, window: Window, ports: Ports) -> DriftFound | None:
    reports = ports.ledger.drift_of(use_case.name, window)
    if not reports:
        return None
    last = reports[-1]
    return DriftFound(recorded_assessment(last), last.model_digest, last.recorded_at, last.run_id)


def _decisions(use_case: LoadedUseCase, window: Window, ports: Ports) -> tuple[RecordedDecision, ...]:
    asked = (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)
    found = (each for kind in asked for each in ports.ledger.decisions(use_case.name, kind, window.end, window.end))
    return tuple(found)


def _previous(snapshot: Snapshot | None, before: Snapshot | None) -> Neighbour | None:
    if snapshot is None or before is None:
        return None
    new, old = snapshot.columns, before.columns
    return Neighbour(
        window=before.window,
        rows=before.rows,
        columns_new=tuple(name for name in new if name not in old),
        columns_gone=tuple(name for name in old if name not in new),
        columns_changed=tuple(f"{name}: {old[name]}, now {new[name]}" for name in new if _changed(name, old, new)),
    )


def _changed(name: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    return name in old and old[name] != new[name]


def _sentence(state: WindowState, revisions: Sequence[Revision]) -> tuple[Verdict | None, str]:
    """The verdict on the window in one line; the most serious thing first."""
    if state.validation is None:
        return _nothing(state)
    rows = counted(state.rows or 0, "row")
    if not state.scored:
        if state.validation is Verdict.FAIL:
            return Verdict.FAIL, f"Validation refused the {rows}, so nothing was scored."
        return state.validation, f"{rows} passed validation{_set_aside(state)}; they are not scored yet."
    scored = f"{counted(revisions[-1].rows, 'row')} scored by version {state.model_version}{_set_aside(state)}"
    if state.drift is Verdict.FAIL:
        return Verdict.FAIL, f"Drift: the window is unlike what its model considers normal. {scored}."
    return Verdict.worst([state.validation, state.drift or Verdict.PASS]), f"{scored}; {_DRIFT[state.drift]}."


def _nothing(state: WindowState) -> tuple[Verdict | None, str]:
    if state.empty:
        return None, "The source has no rows for this window, and need not have any."
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
