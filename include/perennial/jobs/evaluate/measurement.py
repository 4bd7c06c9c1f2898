"""One batch against the truth: how good its predictions were, when labels came, and what to expect without them."""

import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.pipeline import Pipeline

from perennial.arrays import Floats
from perennial.drift.assess import assess_profile
from perennial.errors import LibrariesChanged
from perennial.ledger.entries import Batch
from perennial.modeling.estimation import PREDICTION, Estimation, estimate
from perennial.modeling.inputs import model_inputs
from perennial.modeling.libraries import load_as_trained, load_by_its_file
from perennial.modeling.reference import ModelReference
from perennial.modeling.trial import from_file
from perennial.performance.delay import shares_by_age
from perennial.performance.interval import Interval, intervals, mean_interval
from perennial.performance.labels import join_labels, truth_of, with_outcome
from perennial.ports import Ports
from perennial.records.batch import published_costs
from perennial.records.retained import snapshot_table
from perennial.records.scorers import champions_rows
from perennial.records.training_set import label_rows
from perennial.spec.decision import COST
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True)
class BatchMeasurement:
    """A batch against the labels: how many of its rows have one, how good they are, and when labels came.

    Of `without_outcome` rows it is known that no outcome will come. `labels` are the labels of the batch's rows, as
    `label_rows` has them. Metrics leave out the `not_finite` predictions, infinite or NaN, that 0.1.0 could publish,
    and rows that a challenger in roll-out predicted: how good that one is, its paired gains say.
    """

    rows: int
    labelled: int
    without_outcome: int
    metrics: dict[str, float]
    intervals: Json
    arrivals: tuple[float, ...]
    labels: pa.Table
    not_finite: int = 0

    @property
    def settled(self) -> int:
        """How many rows have a label, or will never have one."""
        return self.labelled + self.without_outcome


def measure_batch(spec: UseCase, batch: Batch, predictions: pa.Table, labels: pa.Table) -> BatchMeasurement:
    """Measure a batch, of which these are the live rows, by its window's `settled_labels`."""
    settled = join_labels(predictions, labels, spec.key)
    number = settled.num_rows
    after = _seconds_after(batch.window, settled.column(spec.labels.arrival_time))
    arrivals = shares_by_age(after, predictions.num_rows, spec.labels.mature_after)
    labelled = with_outcome(settled.drop_columns([spec.key, spec.labels.arrival_time]), spec.labels.column)
    del settled, after  # of many rows no column is kept that the metrics, which take most, don't need
    own = champions_rows(batch, labelled)
    finite = np.isfinite(own.column("prediction").to_numpy())
    truth = truth_of(spec.task, own.column(spec.labels.column))
    if not finite.all():
        own, truth = own.filter(pa.array(finite)), truth[finite]
    values = own.column("prediction").to_numpy()
    pa.default_memory_pool().release_unused()
    found = {**intervals(spec.task, truth, values), **_cost(batch, own, truth)}
    return BatchMeasurement(
        rows=predictions.num_rows,
        labelled=labelled.num_rows,
        without_outcome=number - labelled.num_rows,
        metrics={name: each.value for name, each in found.items()},
        intervals={name: _interval(each) for name, each in found.items()},
        arrivals=arrivals,
        labels=label_rows(spec, labelled),
        not_finite=int(np.count_nonzero(~np.isfinite(predictions.column("prediction").to_numpy()))),
    )


def estimate_batch(spec: UseCase, batch: Batch, predictions: pa.Table, reference: ModelReference, ports: Ports) -> Json:
    """The metrics to expect of the batch, estimated from its live rows alone; empty where the model can't say,
    or where its models of losses are not proven under today's libraries, which is a warning.
    """
    how = reference.estimation
    if how is None:
        return {}
    predictions = champions_rows(batch, predictions.filter(pc.is_finite(predictions.column("prediction"))))
    if predictions.num_rows == 0:
        return {}
    values = predictions.column("prediction").to_numpy()
    if how.loss_models:
        try:
            models = {metric: _loss_model(metric, spec, batch, how, ports) for metric in how.loss_models}
        except LibrariesChanged as error:
            log.warning("%s %s: performance is not estimated: %s", spec.name, batch.window, error)
            return {}
        needed = model_inputs(next(iter(models.values()))).without(PREDICTION)
        found = estimate(how, values, needed.frame(_scored_rows(spec, batch, predictions, ports)), models)
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


def _loss_model(metric: str, spec: UseCase, batch: Batch, how: Estimation, ports: Ports) -> Pipeline:
    """The model of the losses by that metric. Errors: `UntrustedModel`; `LibrariesChanged`, as for any model."""
    digest, name = how.loss_models[metric], f"The model of losses ({metric}) of version {batch.model_version}"
    content, example = ports.artifacts.get(digest), how.loss_examples.get(metric)
    if example is None:
        return load_by_its_file(name, spec.name, content, digest)
    return load_as_trained(
        name, spec.name, content, digest, how.libraries, lambda: from_file(ports.artifacts.get(example))
    )


def _cost(batch: Batch, labelled: pa.Table, truth: Floats) -> dict[str, Interval]:
    """What the published decisions cost, with its interval; nothing where there were no decisions or no costs."""
    costs = published_costs(batch, labelled, truth)
    return {} if costs is None or len(costs) == 0 else {COST: mean_interval(costs)}


def _scored_rows(spec: UseCase, batch: Batch, predictions: pa.Table, ports: Ports) -> pa.Table:
    """The rows that the batch was predicted from, in the order of its predictions."""
    snapshot = next(s for s in ports.ledger.snapshots(spec.name, batch.window) if s.digest == batch.snapshot_digest)
    rows = snapshot_table(snapshot, ports)
    keys = rows.column(spec.key).combine_chunks()
    return rows.take(pc.index_in(predictions.column(spec.key).cast(keys.type), value_set=keys))


def _seconds_after(window: Window, arrivals: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """When labels arrived, in seconds after the window's end; negative before it."""
    end = (window.end - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    since = arrivals.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())
    return np.asarray(since.to_numpy(), dtype=np.float64) / 1e6 - end


def _interval(each: Any) -> Json:
    return {name: value for name, value in asdict(each).items() if name != "value"}
