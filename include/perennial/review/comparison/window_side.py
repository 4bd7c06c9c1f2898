"""One of two windows that are compared: what is on record about it."""

from dataclasses import dataclass
from datetime import datetime

from perennial.ledger.entries import Batch, DecisionKind, DriftReport, Performance, RecordedDecision, Snapshot
from perennial.ports import Ports
from perennial.review import timeline
from perennial.review.comparison.profiles import Recorded
from perennial.review.timeline import WindowState
from perennial.review.validation import ValidationReport
from perennial.review.window_changes import source_columns
from perennial.spec.load import LoadedUseCase
from perennial.window import Window


@dataclass(frozen=True)
class WindowSide:
    """One of the windows. `name` is what `--window` finds it by; what was not done yet is None or empty."""

    window: Window
    name: str
    state: WindowState
    snapshot: Snapshot | None
    batch: Batch | None
    validation_reasons: tuple[str, ...]
    drift_reasons: tuple[str, ...]
    performance: Performance | None
    decisions: tuple[RecordedDecision, ...]
    model_address: str | None


@dataclass(frozen=True)
class SchemaChange:
    """The columns of the later snapshot that are new, those that are gone, and those of another kind, in words."""

    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]


def recorded_of(use_case: LoadedUseCase, window: Window, ports: Ports) -> Recorded:
    """The window's live snapshot and batch, and the last drift report if it is on these. Errors: `StoreUnavailable`."""
    name, ledger = use_case.name, ports.ledger
    batch, reports = ledger.latest_batch(name, window), ledger.drift_of(name, window)
    return Recorded(ledger.latest_snapshot(name, window), batch, _on(batch, reports[-1] if reports else None))


def _on(batch: Batch | None, report: DriftReport | None) -> DriftReport | None:
    """The report, if it is on this batch: on its rows, and by its model."""
    if batch is None or report is None:
        return None
    same = (report.snapshot_digest, report.model_digest) == (batch.snapshot_digest, batch.model_digest)
    return report if same else None


def side_of(
    use_case: LoadedUseCase,
    window: Window,
    recorded: Recorded,
    report: ValidationReport | None,
    now: datetime,
    ports: Ports,
) -> WindowSide:
    """What is on record about the window. Errors: `StoreUnavailable`."""
    spec, ledger = use_case.spec, ports.ledger
    (state,) = timeline.run(spec, [window], now, ledger).windows
    measured = ledger.performance_of(spec.name, window)
    asked = (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)
    return WindowSide(
        window=window,
        name=spec.grid.name_of(window),
        state=state,
        snapshot=recorded.snapshot,
        batch=recorded.batch,
        validation_reasons=report.reasons if report else (),
        drift_reasons=recorded.report.reasons if recorded.report else (),
        performance=measured[-1] if measured else None,
        decisions=tuple(each for kind in asked for each in ledger.decisions(spec.name, kind, window.end, window.end)),
        model_address=ports.registry.address(spec.name, recorded.batch.model_version) if recorded.batch else None,
    )


def schema_change(before: Snapshot | None, after: Snapshot | None) -> SchemaChange | None:
    """What became of the columns; None where a window has no snapshot."""
    if before is None or after is None:
        return None
    old, new = source_columns(before), source_columns(after)
    return SchemaChange(
        new=tuple(name for name in new if name not in old),
        gone=tuple(name for name in old if name not in new),
        changed=tuple(
            f"{name}: {old[name]}, then {new[name]}" for name in new if name in old and old[name] != new[name]
        ),
    )
