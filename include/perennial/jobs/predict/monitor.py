"""Monitor: how far a scored window lies from what its model considers normal, and whether that calls for retraining."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa

from perennial.drift.assess import Assessment, assess_profile
from perennial.drift.profiles.profile import WindowProfile
from perennial.drift.profiles.withheld import disguised, without_values
from perennial.drift.reference import PREDICTION
from perennial.drift.seasonal import of_season
from perennial.encoding import json_digest
from perennial.errors import NotScored
from perennial.joining import joined
from perennial.ledger.entries import Batch, DecisionKind, DriftReport, RecordedDecision
from perennial.log_context import also
from perennial.modeling.reference import ModelReference
from perennial.ports import Ports
from perennial.records.batch import ordered_live_rows
from perennial.records.gate import gated, ordered_snapshot
from perennial.records.retained import saying_what_expired
from perennial.records.retirement import refuse_ended
from perennial.records.retraining import decide_retraining
from perennial.records.scorers import champions_rows
from perennial.spec.columns import Kind, Role
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window

log = logging.getLogger(__name__)

_LEVELS = {Verdict.FAIL: logging.WARNING}  # an alarm is seen by who looks for warnings only


@dataclass(frozen=True)
class Monitored:
    """The window's drift verdict, and what was decided. `drifted` names the columns and joint measures that did."""

    window: Window
    verdict: Verdict
    p_value: float | None
    reasons: tuple[str, ...]
    decision: RecordedDecision
    drifted: tuple[str, ...] = ()


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> Monitored:
    """Profile the window and compare it with its model's reference.

    Errors: `NotScored`, `NotValidated`, `UntrustedModel`, `StoreUnavailable`, `UseCaseEnded`.
    """
    spec = use_case.spec
    refuse_ended(spec.name, ports.ledger)
    batch = ports.ledger.latest_batch(spec.name, window)
    if batch is None:
        raise NotScored(
            f"{spec.name} {window} has no predictions yet. Run `perennial score {spec.name} "
            f"--window {window.start:%Y-%m-%dT%H:%MZ}` first."
        )
    also(model=batch.model_version)
    assessment = measure_drift(use_case, batch, ports, run_id)
    for reason in assessment.reasons:
        log.log(_LEVELS.get(assessment.verdict, logging.INFO), "%s %s: %s", spec.name, window, reason)
    decision = decide_retraining(use_case, DecisionKind.RETRAIN_ON_DRIFT, window.key, window.end, ports, run_id)
    drifted = tuple(each.name for each in (*assessment.columns, *assessment.joint) if each.drifted)
    return Monitored(window, assessment.verdict, assessment.p_value, assessment.reasons, decision, drifted)


def monitored_columns(spec: UseCase) -> dict[str, Kind]:
    """The columns whose drift is measured: features by value, and those that are only watched."""
    return {
        name: column.kind
        for name, column in spec.columns.items()
        if column.role in (Role.FEATURE, Role.MONITOR) and column.kind is not Kind.TIMESTAMP
    }


def measure_drift(use_case: LoadedUseCase, batch: Batch, ports: Ports, run_id: str) -> Assessment:
    """Compare a batch's rows with its model's reference; what differs from the last measurement goes on record.

    Of a batch by two models, the rows are those that the champion predicted.
    Errors: `NotScored`, `NotValidated`, `UntrustedModel`, `StoreUnavailable`.
    """
    spec = use_case.spec
    gate = gated(use_case, batch.window, ports)
    with saying_what_expired(gate.snapshot, ports.ledger):
        rows = ordered_snapshot(gate.snapshot, ports.lake)
    if gate.snapshot.digest != batch.snapshot_digest:
        raise NotScored(
            f"{spec.name} {batch.window} was ingested again after it was scored (snapshot {gate.snapshot.digest[:12]}, "
            f"revision {batch.revision} is of {batch.snapshot_digest[:12]}). Score it again, then monitor."
        )
    predictions = ordered_live_rows(batch, ports)
    stored = ports.registry.reference(spec.name, batch.model_version, batch.model_digest)
    personal = spec.personal_columns
    reference = ModelReference.from_json(stored).inputs.withholding(personal)
    known, watched = [each.name for each in reference.columns if each.name != PREDICTION], monitored_columns(spec)
    left_out = [name for name in known if name not in watched or name not in rows.schema.names]
    own = {spec.key, *known}
    chunks = (gate.clean(chunk, spec.key) for chunk in rows.chunks([n for n in rows.schema.names if n in own]))
    said = ["prediction", *(["model_digest"] if batch.parts else [])]
    profiles = (
        reference.profile(_read(scored, known, personal), scored.column("prediction").to_numpy())
        for scored in (champions_rows(batch, each) for each in joined(chunks, predictions, spec.key, said))
    )
    profile = without_values(reduce(WindowProfile.merge, profiles), personal)
    if spec.monitoring.season is not None:
        reference = of_season(reference, batch.window, spec.monitoring.season, spec.schedule.timezone)
    level = spec.monitoring.false_alarms.level(spec.schedule.every)
    assessment = assess_profile(reference, profile, level, left_out, [name for name in watched if name not in known])
    season = spec.monitoring.season
    basis = json_digest(
        {
            "rules": gate.validation.suite_digest,
            "predictions": batch.digest,
            "reference": stored,
            "season": str(season) if season else None,
            "level": level,
            "left_out": left_out,
        }
    )
    last = _last_report(batch, ports)
    if last is not None and _measured_from(last) == (batch.snapshot_digest, batch.model_digest, basis):
        return assessment
    ports.ledger.record_drift(
        DriftReport(
            use_case=spec.name,
            window=batch.window,
            snapshot_digest=batch.snapshot_digest,
            model_digest=batch.model_digest,
            verdict=assessment.verdict,
            p_value=assessment.p_value,
            reference_windows=assessment.reference_windows,
            missing=assessment.missing,
            columns=assessment.own_evidence,
            reasons=assessment.reasons,
            report=assessment.to_json(),
            profile=profile.to_json(),
            run_id=run_id,
            basis_digest=basis,
            number=last.number + 1 if last else 0,
        )
    )
    return assessment


def _read(scored: pa.Table, known: Sequence[str], personal: Collection[str]) -> pa.Table:
    """The rows with the columns that the reference knows, those that they lack as nulls."""
    for name in known:
        if name not in scored.column_names:
            scored = scored.append_column(name, pa.nulls(scored.num_rows))
    return disguised(scored, personal)


def _last_report(batch: Batch, ports: Ports) -> DriftReport | None:
    reports = ports.ledger.drift_between(batch.use_case, batch.window.start, batch.window.end)
    return next((report for report in reports if report.window == batch.window), None)


def _measured_from(report: DriftReport) -> tuple[str, str, str]:
    return (report.snapshot_digest, report.model_digest, report.basis_digest)
