"""Measure: how good the batches were, by the labels that had arrived, and whether that calls for retraining."""

import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.drift.assess import assess_profile
from perennial.features.build import feature_frame
from perennial.lake.port import labels_table, raw_table, window_partition
from perennial.ledger.entries import Batch, DecisionKind, Performance, RecordedDecision
from perennial.modeling.artifact import load
from perennial.modeling.estimation import estimate
from perennial.modeling.reference import ModelReference
from perennial.performance.delay import shares_by_age
from perennial.performance.interval import intervals
from perennial.performance.labels import join_labels, truth_of
from perennial.performance.maturity import Maturity, maturity_of
from perennial.performance.metrics import metrics_of
from perennial.ports import Ports
from perennial.records.labels import known_labels, pending_batches
from perennial.records.retraining import decide_retraining
from perennial.records.training_set import label_rows
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """How many windows were measured and how many became final; `outcome` says it in words."""

    as_of: datetime
    windows: int
    final: int
    outcome: str
    decision: RecordedDecision


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str) -> Measured:
    """Measure every window that waits for the truth, as it was known at `as_of`, and decide about retraining.

    Errors: `StoreUnavailable`.
    """
    waiting = pending_batches(use_case.spec, as_of, ports.ledger)
    recorded = [_record(use_case, batch, as_of, ports, run_id) for batch in waiting]
    final = sum(entry.maturity is Maturity.FINAL for entry in recorded)
    outcome = (
        f"{len(recorded)} windows measured, {final} of them finally"
        if recorded
        else "no scored window waits for labels"
    )
    log.info("%s as of %s: %s", use_case.name, as_of, outcome)
    decision = decide_retraining(use_case, DecisionKind.RETRAIN_ON_PERFORMANCE, as_of.isoformat(), as_of, ports, run_id)
    return Measured(as_of, len(recorded), final, outcome, decision)


def _record(use_case: LoadedUseCase, batch: Batch, as_of: datetime, ports: Ports, run_id: str) -> Performance:
    spec = use_case.spec
    labels_version = ports.lake.version(labels_table(spec.name))
    found = measure_batch(use_case, batch, as_of, ports, labels_version)
    completeness = found.labelled / found.rows
    maturity = maturity_of(batch.window.end, as_of, spec.labels.mature_after, completeness)
    final = maturity is Maturity.FINAL
    reference = ModelReference.from_json(ports.registry.reference(spec.name, batch.model_version, batch.model_digest))
    return ports.ledger.record_performance(
        Performance(
            use_case=spec.name,
            window=batch.window,
            revision=batch.revision,
            model_version=batch.model_version,
            model_digest=batch.model_digest,
            as_of=as_of,
            maturity=maturity,
            rows=found.rows,
            labelled=found.labelled,
            completeness=completeness,
            verdict=Verdict.PASS if spec.training.metric in found.metrics else Verdict.INSUFFICIENT,
            metrics=found.metrics,
            intervals=found.intervals,
            estimates=estimate_batch(use_case, batch, reference, ports),
            arrivals=found.arrivals if final else (),
            label_drift=label_drift(use_case, found.labels, reference) if final else {},
            labels_version=labels_version,
            run_id=run_id,
        )
    )


@dataclass(frozen=True)
class BatchMeasurement:
    """A batch against the labels: how many of its rows have one, how good they are, and when labels came.

    `labels` are the labels of the batch's rows, as `label_rows` has them.
    """

    rows: int
    labelled: int
    metrics: dict[str, float]
    intervals: Json
    arrivals: tuple[float, ...]
    labels: pa.Table


def measure_batch(
    use_case: LoadedUseCase, batch: Batch, as_of: datetime, ports: Ports, labels_version: int | None
) -> BatchMeasurement:
    """Measure a batch by the labels that had arrived by `as_of` and been collected by that version of their table."""
    spec = use_case.spec
    predictions = ports.lake.read(batch.table, window_partition(batch.window), version=batch.version)
    labels = known_labels(use_case, batch.window, as_of, ports, version=labels_version)
    labelled = join_labels(predictions, labels, spec.key)
    truth = truth_of(spec.task, labelled.column(spec.labels.column))
    values = labelled.column("prediction").to_numpy()
    found = intervals(spec.task, truth, values)
    after = _seconds_after(batch.window, labelled.column(spec.labels.arrival_time))
    return BatchMeasurement(
        rows=predictions.num_rows,
        labelled=labelled.num_rows,
        metrics=metrics_of(spec.task, truth, values),
        intervals={name: _interval(each) for name, each in found.items()},
        arrivals=shares_by_age(after, predictions.num_rows, spec.labels.mature_after),
        labels=label_rows(spec, labelled),
    )


def estimate_batch(use_case: LoadedUseCase, batch: Batch, reference: ModelReference, ports: Ports) -> Json:
    """The metrics to expect of the batch, estimated from its predictions alone; empty where the model can't say."""
    spec, how = use_case.spec, reference.estimation
    if how is None:
        return {}
    predictions = ports.lake.read(batch.table, window_partition(batch.window), version=batch.version)
    values = predictions.column("prediction").to_numpy()
    if how.loss_models:
        models = {name: load(ports.artifacts.get(digest), digest) for name, digest in how.loss_models.items()}
        found = estimate(how, values, feature_frame(spec, _scored_rows(spec, batch, predictions, ports)), models)
    else:
        found = estimate(how, values)
    return {
        name: {
            "value": each.value,
            **_interval(each),
            "bias_correction": how.bias[name].correction,
            "error_sd": how.bias[name].sd,
        }
        for name, each in found.items()
        if name in how.bias
    }


def label_drift(use_case: LoadedUseCase, labels: pa.Table, reference: ModelReference) -> Json:
    """How unusual the labels of a window are among those that the model was trained on; empty when it doesn't know."""
    if reference.labels is None:
        return {}
    level = use_case.spec.monitoring.false_alarms.level(use_case.spec.schedule.every)
    found = assess_profile(reference.labels, reference.labels.profile(labels), level)
    column = found.columns[0]
    return {
        "verdict": str(found.verdict),
        "p_value": found.p_value,
        "reasons": list(found.reasons),
        "distance": column.distance,
        "usual": column.usual,
        "unit": column.unit,
    }


def _scored_rows(spec: UseCase, batch: Batch, predictions: pa.Table, ports: Ports) -> pa.Table:
    """The rows that the batch was predicted from, in the order of its predictions."""
    snapshot = next(s for s in ports.ledger.snapshots(spec.name, batch.window) if s.digest == batch.snapshot_digest)
    rows = ports.lake.read(raw_table(spec.name), window_partition(batch.window), version=snapshot.version)
    keys = rows.column(spec.key).combine_chunks()
    return rows.take(pc.index_in(predictions.column(spec.key).cast(keys.type), value_set=keys))


def _seconds_after(window: Window, arrivals: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """When labels arrived, in seconds after the window's end; negative before it."""
    end = (window.end - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    since = arrivals.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())
    return np.asarray(since.to_numpy(), dtype=np.float64) / 1e6 - end


def _interval(each: Any) -> Json:
    return {name: value for name, value in asdict(each).items() if name != "value"}
