"""Train: one candidate is fitted on the older part of the training set and measured on the holdout."""

import logging
import time
from dataclasses import dataclass, field

from perennial.errors import InvalidSpec
from perennial.features.build import feature_frame
from perennial.modeling.artifact import dump
from perennial.modeling.earlier import earlier_metrics
from perennial.modeling.holdout import split
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.metrics import metrics_of
from perennial.policy.promotion import text_of
from perennial.ports import Ports
from perennial.records.training_set import WINDOW_COLUMN, outcomes, read_manifest, read_rows
from perennial.spec.load import LoadedUseCase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A fitted candidate, kept as an artefact under its digest, with its metrics on the holdout.

    `earlier` are its metrics on rows before the holdout, by a model of those before them: what candidates are chosen
    by. Empty where there is one candidate, or too little to learn from.
    """

    candidate: str
    digest: str
    metrics: dict[str, float]
    rows: int
    holdout_rows: int
    seconds: float
    earlier: dict[str, float] = field(default_factory=dict)


def run(use_case: LoadedUseCase, training_id: str, candidate_name: str, ports: Ports, run_id: str) -> Trained:
    """Fit the candidate of that name. Errors: `InvalidSpec`, `NotEnoughData`, `UntrustedModel`, `StoreUnavailable`."""
    spec = use_case.spec
    candidate = next((each for each in spec.training.candidates if each.name == candidate_name), None)
    if candidate is None:
        known = ", ".join(each.name for each in spec.training.candidates)
        raise InvalidSpec(f"{spec.name} has no candidate {candidate_name!r}; the spec has {known}.")
    manifest = read_manifest(training_id, ports)
    training, holdout = split(spec, read_rows(manifest, ports), manifest.until)
    started = time.perf_counter()
    pipeline = fit(spec, candidate, feature_frame(spec, training), outcomes(spec, training))
    seconds = time.perf_counter() - started
    rivals = len(spec.training.candidates) > 1
    earlier = earlier_metrics(spec, candidate, training, WINDOW_COLUMN) if rivals else {}
    metrics = metrics_of(spec.task, outcomes(spec, holdout), predict(pipeline, spec.task, feature_frame(spec, holdout)))
    digest = ports.artifacts.put(dump(pipeline))
    told = ", ".join(f"{name} {text_of(value)}" for name, value in metrics.items())
    log.info("%s %s: %s in %.1f s (%s)", spec.name, candidate.name, told, seconds, run_id)
    return Trained(candidate.name, digest, metrics, training.num_rows, holdout.num_rows, round(seconds, 2), earlier)
