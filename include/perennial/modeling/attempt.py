"""One candidate's attempt: it is fitted and measured, or there is a reason why it can't be used.

Whatever an estimator does here, the other candidates go on: nothing that it raises leaves this module.
"""

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from perennial.arrays import Floats
from perennial.errors import PerennialError
from perennial.features.build import feature_frame
from perennial.modeling.artifact import dump
from perennial.modeling.calibration import calibrated_where_it_helps
from perennial.modeling.earlier import earlier_metrics
from perennial.modeling.predict import predict
from perennial.modeling.recipe import build_pipeline
from perennial.modeling.search import found_candidate, search
from perennial.modeling.train import fit
from perennial.performance.labels import truth_of
from perennial.performance.metrics import metrics_of
from perennial.policy.candidate_costs import Costs, Failure, beyond
from perennial.spec.models import UseCase
from perennial.spec.training import Candidate
from perennial.spec.training_limits import size_text
from perennial.wording import counted

log = logging.getLogger(__name__)

TIMED_ROWS, TIMES = 10_000, 3  # how many rows are predicted how often to time it; the shortest time counts
MOST_TOLD = 500  # characters of what an estimator raised
MEANT_TO_BE_CONSTANT = "dummy"


@dataclass(frozen=True)
class Attempt:
    """What is tried: the candidate, the rows that it learns from and those that it is measured on.

    Both have the use case's columns, the label, and the key of their window in `window_column`.
    """

    spec: UseCase
    candidate: Candidate
    training: pa.Table
    holdout: pa.Table
    window_column: str


@dataclass(frozen=True)
class Fitted:
    """A candidate that can be used: the model's bytes, its metrics on the holdout, and on the last training windows.

    `seconds` are those of the fit. `found` are the parameters that were searched for.
    """

    content: bytes
    metrics: dict[str, float]
    earlier: dict[str, float]
    seconds: float
    costs: Costs
    found: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    calibrated: bool = False


@dataclass(frozen=True)
class Unusable:
    """Why a candidate can't be used, as a sentence without its name, and what was measured before that was known."""

    failure: Failure
    reason: str
    metrics: dict[str, float] = field(default_factory=dict)
    costs: Costs | None = None


Attempted = Fitted | Unusable
Peak = Callable[[], int | None]


def attempted_here(attempt: Attempt, peak: Peak = lambda: None) -> Attempted:
    """Fit and measure the candidate in this process; `peak` tells the most memory that it held, in bytes.

    A model whose fit did not converge is not used: where it stopped is an accident, and a refit on a few more rows may
    stop at quite another one. Nor is one that predicts the same of every row, unless that is what it is for (`dummy`).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            return _attempted(attempt, peak)
    except ConvergenceWarning as told:
        hint = "Give it more iterations (parameters: {max_iter: …}), or other features."
        return Unusable(Failure.NOT_CONVERGED, f"did not converge: {_short(told)} {hint}")
    except MemoryError:
        limit = attempt.spec.training.limits.memory
        allowed = f"; training.limits.memory allows {size_text(limit)}" if limit else ""
        return Unusable(Failure.TOO_MUCH_MEMORY, f"needs more memory than there is{allowed}")
    except PerennialError as error:
        return Unusable(Failure.FAILED, f"could not be trained: {error}")
    except Exception as error:  # an estimator may raise anything; the log has where
        log.exception("%s %s failed", attempt.spec.name, attempt.candidate.name)
        return Unusable(Failure.FAILED, f"failed with {type(error).__name__}: {_short(error)}")


def _attempted(attempt: Attempt, peak: Peak) -> Attempted:
    spec, candidate = attempt.spec, attempt.candidate
    build_pipeline(spec, candidate)  # what is wrong with a parameter is told before a search begins
    found, remarks = {}, []
    if candidate.search:
        searched = search(spec, candidate, attempt.training, attempt.window_column)
        found, remarks = searched.parameters, [f"the search {searched}"]
        candidate = found_candidate(candidate, found)
    if candidate.calibrate == "auto":
        with _thrown_away():
            candidate, told = calibrated_where_it_helps(spec, candidate, attempt.training, attempt.window_column)
        remarks.append(told)
    frame, truth = _examples(spec, attempt.training)
    started = time.perf_counter()
    pipeline = fit(spec, candidate, frame, truth)
    seconds = time.perf_counter() - started
    rows, outcomes = _examples(spec, attempt.holdout)
    predictions = predict(pipeline, spec.task, rows)
    if broken := int((~np.isfinite(predictions)).sum()):
        told = f"predicts infinity or NaN for {broken:,} of {counted(len(predictions), 'holdout row')}"
        return Unusable(Failure.NOT_FINITE, told)
    metrics = metrics_of(spec.task, outcomes, predictions)
    content = dump(pipeline)
    costs = Costs(_seconds_per_1k_rows(spec, pipeline, rows), len(content), peak())
    if candidate.estimator != MEANT_TO_BE_CONSTANT and np.ptp(predictions) == 0:
        told = f"predicts {predictions[0]:.4g} for each of {counted(len(predictions), 'holdout row')}"
        return Unusable(Failure.CONSTANT, f"{told}: it has learnt nothing from the features", metrics, costs)
    if crossed := beyond(spec.training.limits, costs):
        return Unusable(crossed.failure, crossed.reason, metrics, costs)
    earlier = _earlier(attempt, candidate)
    return Fitted(
        content, metrics, earlier, round(seconds, 2), costs, found, tuple(remarks), candidate.calibrate == "always"
    )


def _earlier(attempt: Attempt, candidate: Candidate) -> dict[str, float]:
    """How it did on the last training windows, where several candidates have to be told apart by that."""
    if len(attempt.spec.training.candidates) < 2:  # noqa: PLR2004
        return {}
    with _thrown_away():
        return earlier_metrics(attempt.spec, candidate, attempt.training, attempt.window_column)


@contextmanager
def _thrown_away() -> Iterator[None]:
    """Models of some of the rows need not converge: they are thrown away, and that of all rows has to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _examples(spec: UseCase, rows: pa.Table) -> tuple[pd.DataFrame, Floats]:
    return feature_frame(spec, rows), truth_of(spec.task, rows.column(spec.labels.column))


def _seconds_per_1k_rows(spec: UseCase, pipeline: Pipeline, frame: pd.DataFrame) -> float:
    some = frame[:TIMED_ROWS]
    shortest = float("inf")
    for _ in range(TIMES):
        started = time.perf_counter()
        predict(pipeline, spec.task, some)
        shortest = min(shortest, time.perf_counter() - started)
    return shortest / len(some) * 1_000


def _short(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return said if len(said) <= MOST_TOLD else said[:MOST_TOLD] + " …"
