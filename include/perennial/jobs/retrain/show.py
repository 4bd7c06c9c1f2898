"""Show: the retraining and each of its candidates as runs in the registry, with pictures, for people.

Nothing is decided by it, and nothing waits for it: a registry that is down costs no retraining.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from sklearn.exceptions import ConvergenceWarning

from perennial.features.build import feature_frame
from perennial.jobs.retrain.judge import Judged
from perennial.jobs.retrain.train import Outcome, Refused, Trained, candidate_of
from perennial.jobs.retrain.trying import pictures
from perennial.modeling.artifact import load
from perennial.modeling.holdout import split
from perennial.modeling.importance import metric_of_predictions, permutation_importance
from perennial.modeling.predict import predict
from perennial.modeling.train import fit
from perennial.performance.metrics import metric_of
from perennial.ports import Ports
from perennial.records.candidates import ARTEFACT, MEMORY, SECONDS, TRAINED
from perennial.records.training_set import WINDOW_COLUMN, outcomes, read_manifest, read_rows
from perennial.registry.retraining import DIGEST, CandidateRun, RetrainingRun
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.training import NO_SKILL, Candidate

log = logging.getLogger(__name__)

PARTS = (0.25, 0.5)  # of the training windows, the newest, that a point of the learning curve is fitted on


@dataclass(frozen=True)
class Shown:
    """How many candidates of the retraining are in the registry."""

    training_id: str
    candidates: int


def run(use_case: LoadedUseCase, judged: Judged, tried: Sequence[Outcome], ports: Ports, run_id: str) -> Shown:
    """Record the runs. Done again, what is there already is left. Errors: `UntrustedModel`, `StoreUnavailable`."""
    spec = use_case.spec
    manifest = read_manifest(judged.training_id, ports)
    training, holdout = split(spec, read_rows(manifest, ports), manifest.until)
    ports.registry.record_retraining(
        RetrainingRun(
            use_case=spec.name,
            training_id=judged.training_id,
            run_id=run_id,
            as_of=manifest.as_of,
            metrics={f"{NO_SKILL}.{name}": value for name, value in judged.scores.get(NO_SKILL, {}).items()},
            tags={
                "use_case": spec.name,
                "training_id": judged.training_id,
                "run_id": run_id,
                "action": judged.action,
                "reason": judged.reasons[0] if judged.reasons else "",
            },
            candidates=tuple(_run_of(spec, each, judged, training, holdout, ports) for each in tried),
        )
    )
    log.info("%s: %d candidates are in the registry (%s)", spec.name, len(tried), run_id)
    return Shown(judged.training_id, len(tried))


def _run_of(
    spec: UseCase, tried: Outcome, judged: Judged, training: pa.Table, holdout: pa.Table, ports: Ports
) -> CandidateRun:
    costs = tried.costs
    measured = {SECONDS: costs.seconds_per_1k_rows, ARTEFACT: costs.artefact, MEMORY: costs.memory} if costs else {}
    metrics = {**tried.metrics, **{name: float(value) for name, value in measured.items() if value is not None}}
    # A candidate may have left the spec since it was tried: what it was made with is not known any more.
    named = next((each for each in spec.training.candidates if each.name == tried.candidate), None)
    if named is not None and isinstance(tried, Trained):
        named = candidate_of(spec, tried)
    parameters = {} if named is None else {"estimator": named.estimator, **named.parameters}
    if isinstance(tried, Refused):
        return CandidateRun(tried.candidate, parameters, metrics, {"outcome": tried.failure.value, "why": tried.reason})
    drawn = {} if named is None else _pictures(spec, tried, named, training, holdout, ports)
    won = judged.winner is not None and judged.winner.candidate == tried.candidate
    return CandidateRun(
        name=tried.candidate,
        parameters=parameters,
        metrics={**metrics, **{f"earlier.{name}": value for name, value in tried.earlier.items()}},
        tags={"outcome": "promoted" if won else TRAINED, DIGEST: tried.digest, "remarks": "; ".join(tried.remarks)},
        files={f"plots/{name}": content for name, content in drawn.items()},
    )


def _pictures(
    spec: UseCase, tried: Trained, candidate: Candidate, training: pa.Table, holdout: pa.Table, ports: Ports
) -> dict[str, bytes]:
    pipeline = load(ports.artifacts.get(tried.digest), tried.digest)
    frame, truth = feature_frame(spec, holdout), outcomes(spec, holdout)
    predictions = predict(pipeline, spec.task, frame)
    classifies = spec.task is Task.BINARY_CLASSIFICATION
    found = (pictures.of_classification if classifies else pictures.of_regression)(truth, predictions)
    if metric_of_predictions(spec) not in tried.metrics:  # it is undefined on the holdout's outcomes
        return found
    found["importance.png"] = pictures.of_importance(permutation_importance(spec, pipeline, frame, truth))
    found["learning_curve.png"] = pictures.of_learning(
        metric_of_predictions(spec), _curve(spec, tried, candidate, training, holdout)
    )
    return found


def _curve(
    spec: UseCase, tried: Trained, candidate: Candidate, training: pa.Table, holdout: pa.Table
) -> list[tuple[int, float]]:
    """The metric on the holdout, of models of ever more training windows; the last is that of all of them."""
    metric = metric_of_predictions(spec)
    names = sorted(pc.unique(training.column(WINDOW_COLUMN)).to_pylist())
    frame, truth = feature_frame(spec, holdout), outcomes(spec, holdout)
    points = []
    for part in PARTS:
        newest = pa.array(names[len(names) - max(1, round(part * len(names))) :], pa.string())
        rows = training.filter(pc.is_in(training.column(WINDOW_COLUMN), value_set=newest))
        known = outcomes(spec, rows)
        if spec.task is Task.BINARY_CLASSIFICATION and known.min() == known.max():
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # of a model that is only drawn
                pipeline = fit(spec, candidate, feature_frame(spec, rows), known)
        except Exception as error:  # noqa: BLE001 - few rows may be too few for it, and all of them are not
            log.info("%s: %s is not drawn for %d rows: %s", spec.name, tried.candidate, rows.num_rows, error)
            continue
        value = metric_of(metric, spec.task, truth, predict(pipeline, spec.task, frame))
        if value is not None:
            points.append((rows.num_rows, value))
    return [*points, (training.num_rows, tried.metrics[metric])]
