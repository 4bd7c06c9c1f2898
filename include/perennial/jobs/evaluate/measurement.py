"""One batch against the truth: how good its predictions were, when labels came, and what to expect without them."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.pipeline import Pipeline

from perennial.arrays import Floats
from perennial.drift.assess import assess_profile
from perennial.drift.profiles.profile import WindowProfile
from perennial.drift.reference import Reference
from perennial.errors import LibrariesChanged
from perennial.joining import joined
from perennial.ledger.entries import Batch
from perennial.modeling.decision import DECIDED
from perennial.modeling.estimation import PREDICTION, Estimation, estimate_of_pieces
from perennial.modeling.inputs import model_inputs
from perennial.modeling.libraries import load_as_trained, load_by_its_file
from perennial.modeling.reference import ModelReference
from perennial.modeling.trial import from_file
from perennial.ordered import OrderedRows
from perennial.performance.delay import GRID, settled_by_age, shares_by_age
from perennial.performance.interval import mean_interval
from perennial.performance.labels import truth_of, with_outcome
from perennial.performance.many_rows import intervals_of_pieces
from perennial.performance.running import RunningMean
from perennial.ports import Ports
from perennial.records.batch import published_costs
from perennial.records.retained import ordered_snapshot
from perennial.records.scorers import champions_rows
from perennial.records.training_set import label_rows
from perennial.spec.decision import COST
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window

log = logging.getLogger(__name__)

Json = dict[str, Any]
_SAID = "\x01said"  # a column's name that no use case has


@dataclass(frozen=True)
class BatchMeasurement:
    """A batch against the labels: how many of its rows have one, how good they are, and when labels came.

    Of `without_outcome` rows it is known that no outcome will come. `labels` is the profile of the labels of the
    batch's rows, None where its model does not know what is usual. Metrics leave out the `not_finite` predictions,
    infinite or NaN, that 0.1.0 could publish, and rows that a challenger in roll-out predicted: how good that one is,
    its paired gains say.
    """

    rows: int
    labelled: int
    without_outcome: int
    metrics: dict[str, float]
    intervals: Json
    arrivals: tuple[float, ...]
    labels: WindowProfile | None
    not_finite: int = 0

    @property
    def settled(self) -> int:
        """How many rows have a label, or will never have one."""
        return self.labelled + self.without_outcome


def measure_batch(
    spec: UseCase,
    batch: Batch,
    predictions: OrderedRows,
    labels: OrderedRows,
    usual: Reference | None = None,
) -> BatchMeasurement:
    """Measure a batch, of which these are the live rows, by its window's `ordered_settled_labels`.

    `usual` are the labels that its model was trained on. Neither rows nor labels are in memory as a whole.
    Errors: `SchemaMismatch` for labels that can't be judged by; as `perennial.ordered.ordered`.
    """
    tally = _Tally(spec, batch, usual)
    if usual is not None:
        tally.profile = usual.profile(label_rows(spec, labels.schema.empty_table()))
    chunks = predictions.chunks(_looked_at(spec, batch, predictions))
    settled = joined(chunks, labels, spec.key, [spec.labels.column, spec.labels.arrival_time])
    found = intervals_of_pieces(spec.task, (tally.judged(rows) for rows in settled))
    if tally.costs.count:
        found[COST] = mean_interval(tally.costs)
    return BatchMeasurement(
        rows=predictions.num_rows,
        labelled=tally.labelled,
        without_outcome=tally.settled - tally.labelled,
        metrics={name: each.value for name, each in found.items()},
        intervals={name: _interval(each) for name, each in found.items()},
        arrivals=shares_by_age(tally.came, predictions.num_rows),
        labels=tally.profile,
        not_finite=sum(_not_finite(chunk) for chunk in predictions.chunks(["prediction"])),
    )


@dataclass
class _Tally:
    """What is counted while the rows of a batch that have a label, or never will, are gone through."""

    spec: UseCase
    batch: Batch
    usual: Reference | None
    settled: int = 0
    labelled: int = 0
    came: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(GRID), dtype=np.int64))
    costs: RunningMean = field(default_factory=RunningMean)
    profile: WindowProfile | None = None

    def judged(self, settled: pa.Table) -> tuple[Floats, Floats]:
        """Count these rows in; outcomes and predictions of those by which the champion is judged."""
        names = self.spec.labels
        after = _seconds_after(self.batch.window, settled.column(names.arrival_time))
        labelled = with_outcome(settled.drop_columns([self.spec.key, names.arrival_time]), names.column)
        self.settled += settled.num_rows
        self.came += settled_by_age(after, names.mature_after)
        self.labelled += labelled.num_rows
        if self.usual is not None and labelled.num_rows:
            profile = self.usual.profile(label_rows(self.spec, labelled))
            self.profile = self.profile.merge(profile) if self.profile and self.profile.rows else profile
        own = _champions(self.batch, labelled)
        truth = truth_of(self.spec.task, own.column(names.column))
        costs = published_costs(self.batch, own, truth)
        if costs is not None:
            self.costs.add(costs)
        return truth, own.column("prediction").to_numpy()


def _looked_at(spec: UseCase, batch: Batch, predictions: OrderedRows) -> list[str]:
    """The columns of predictions that matter here: most of the bytes are in others."""
    wanted = (spec.key, "prediction", DECIDED, *(["model_digest"] if batch.parts else []))
    return [name for name in wanted if name in predictions.schema.names]


def _not_finite(predictions: pa.Table) -> int:
    return int(np.count_nonzero(~np.isfinite(predictions.column("prediction").to_numpy())))


def estimate_batch(
    spec: UseCase, batch: Batch, predictions: OrderedRows, reference: ModelReference, ports: Ports
) -> Json:
    """The metrics to expect of the batch, estimated from its live rows alone; empty where the model can't say,
    or where its models of losses are not proven under today's libraries, which is a warning.
    """
    how = reference.estimation
    if how is None:
        return {}
    try:
        models = {metric: _loss_model(metric, spec, batch, how, ports) for metric in how.loss_models}
    except LibrariesChanged as error:
        log.warning("%s %s: performance is not estimated: %s", spec.name, batch.window, error)
        return {}
    found = estimate_of_pieces(how, _expected_of(spec, batch, predictions, models, ports), models)
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


def _expected_of(
    spec: UseCase, batch: Batch, predictions: OrderedRows, models: Mapping[str, Pipeline], ports: Ports
) -> Iterator[tuple[Floats, pd.DataFrame | None]]:
    """What the champion said, a chunk at a time, with the features that models of losses need."""
    chunks = (_champions(batch, chunk) for chunk in predictions.chunks(_looked_at(spec, batch, predictions)))
    if not models:
        yield from ((chunk.column("prediction").to_numpy(), None) for chunk in chunks)
        return
    needed = model_inputs(next(iter(models.values()))).without(PREDICTION)
    snapshot = next(s for s in ports.ledger.snapshots(spec.name, batch.window) if s.digest == batch.snapshot_digest)
    rows = ordered_snapshot(snapshot, ports)
    said = (chunk.select([spec.key, "prediction"]).rename_columns([spec.key, _SAID]) for chunk in chunks)
    columns = [name for name in rows.schema.names if name != spec.key]
    for chunk in joined(said, rows, spec.key, columns):
        yield chunk.column(_SAID).to_numpy(), needed.frame(chunk.drop_columns([_SAID]))


def _champions(batch: Batch, predictions: pa.Table) -> pa.Table:
    """The predictions of the batch's champion that are numbers."""
    return champions_rows(batch, predictions.filter(pc.is_finite(predictions.column("prediction"))))


def label_drift(use_case: LoadedUseCase, labels: WindowProfile | None, reference: ModelReference) -> Json:
    """How unusual the labels of a window are among those that the model was trained on; empty when it doesn't know."""
    if reference.labels is None or labels is None:
        return {}
    level = use_case.spec.monitoring.false_alarms.level(use_case.spec.schedule.every)
    found = assess_profile(reference.labels, labels, level)
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


def _seconds_after(window: Window, arrivals: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """When labels arrived, in seconds after the window's end; negative before it."""
    end = (window.end - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    since = arrivals.cast(pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())
    return np.asarray(since.to_numpy(), dtype=np.float64) / 1e6 - end


def _interval(each: Any) -> Json:
    return {name: value for name, value in asdict(each).items() if name != "value"}
