"""Refit: the winner is fitted again on everything mature, the holdout included, after it was judged without it."""

import logging
import time
import warnings
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from sklearn.exceptions import ConvergenceWarning

from perennial.arrays import Floats
from perennial.features.build import feature_frame
from perennial.jobs.retrain.train import Trained, candidate_of
from perennial.modeling.artifact import dump, load
from perennial.modeling.holdout import split
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.metrics import metric_of
from perennial.ports import Ports
from perennial.records.training_set import TrainingManifest, outcomes, read_rows, read_weighted_rows
from perennial.spec.models import UseCase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Agreement:
    """How alike the refitted model is to the one that was judged, on the `rows` that both were fitted on.

    `correlation` is that of their predictions, None where one of them says the same of every row;
    `mean_absolute_difference` is in the unit of a prediction. `judged` and `refitted` are the deciding metric of each,
    None where it is not defined; both know these rows, so that neither says how good the model is on new ones.
    """

    rows: int
    correlation: float | None
    mean_absolute_difference: float
    judged: float | None
    refitted: float | None


@dataclass(frozen=True)
class Refitted:
    """The refitted winner, kept as an artefact under its digest. It is what is deployed.

    It holds nothing that differs when the same rows are fitted again, so that a deployment tried again is the same.
    """

    digest: str
    rows: int
    agreement: Agreement


def refit(spec: UseCase, winner: Trained, manifest: TrainingManifest, ports: Ports) -> Refitted | None:
    """Fit the winner's recipe on the whole training set, and compare the two on what it was fitted on before (`split`).

    Rows of immature windows take part with the weight of each; all others have the weight 1.
    A model after a shift may differ from the one before it, so that the comparison is recorded and decides nothing.
    None where the fit does not converge on these rows: then what was judged is what is deployed.
    Errors: `NotEnoughData`, `UntrustedModel`, `StoreUnavailable`.
    """
    candidate = candidate_of(spec, winner)
    started = time.perf_counter()
    rows, weights = _all_rows(spec, manifest, ports)
    count, fitted_on, features = rows.num_rows, outcomes(spec, rows), [feature_frame(spec, rows)]
    del rows  # they are read again afterwards: while a model is fitted, they would be in memory with its copies of them
    pa.default_memory_pool().release_unused()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            pipeline = fit(spec, candidate, features.pop(), fitted_on, weights)
    except ConvergenceWarning as told:
        log.warning(
            "%s %s: the refit did not converge, so it is deployed as judged: %s", spec.name, candidate.name, told
        )
        return None
    seconds = time.perf_counter() - started
    training, _ = split(spec, read_rows(manifest, ports), manifest.until)
    pa.default_memory_pool().release_unused()
    frame, truth = feature_frame(spec, training), outcomes(spec, training)
    judged = predict(load(ports.artifacts.get(winner.digest), winner.digest), spec.task, frame)
    refitted = predict(pipeline, spec.task, frame)
    metric = spec.training.metric
    agreement = Agreement(
        rows=training.num_rows,
        correlation=_correlation(judged, refitted),
        mean_absolute_difference=float(np.abs(judged - refitted).mean()),
        judged=metric_of(metric, spec.task, truth, judged),
        refitted=metric_of(metric, spec.task, truth, refitted),
    )
    digest = ports.artifacts.put(dump(pipeline))
    log.info("%s %s: refitted on %d rows in %.1f s: %s", spec.name, candidate.name, count, seconds, agreement)
    return Refitted(digest, count, agreement)


def _all_rows(spec: UseCase, manifest: TrainingManifest, ports: Ports) -> tuple[pa.Table, Floats | None]:
    """The mature rows and after them those with weights, and the weight of each; None where all count the same."""
    rows, weighted = read_rows(manifest, ports), read_weighted_rows(spec, manifest, ports)
    if weighted is None:
        return rows, None
    weights = np.concatenate([np.ones(rows.num_rows), weighted[1]])
    return pa.concat_tables([rows, weighted[0].select(rows.column_names)]), weights


def _correlation(one: Floats, other: Floats) -> float | None:
    if one.std() == 0 or other.std() == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])
