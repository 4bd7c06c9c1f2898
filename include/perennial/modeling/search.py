"""Searching a candidate's parameters: scikit-learn's successive halving, on folds in the order of time.

Jamieson & Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization (AISTATS 2016): all
settings are tried on few rows, the best third on three times as many, until one is left that was tried on all.
"""

import logging
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the next line possible
from sklearn.model_selection import HalvingGridSearchCV, ParameterGrid, ParameterSampler
from sklearn.pipeline import Pipeline

from perennial.arrays import Floats
from perennial.errors import InvalidSpec, NotEnoughData
from perennial.features.build import feature_frame
from perennial.modeling.importance import metric_of_predictions
from perennial.modeling.predict import predict
from perennial.modeling.time_splits import Fold, time_folds
from perennial.modeling.train import fit
from perennial.performance.gain import metric_named
from perennial.performance.labels import truth_of
from perennial.performance.metrics import metric_of
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.search import Search, SearchRange
from perennial.spec.training import Candidate
from perennial.wording import counted

log = logging.getLogger(__name__)

MOST_SETTINGS = 27  # what a grid may have to be tried as a whole; of more, so many are drawn
FACTOR = 3  # of the settings of a round the best of three go on, on so many times the rows
LEAST_ROWS = 300  # of a round

Watch = Callable[[], float]


@dataclass(frozen=True)
class Found:
    """The best setting: the values of the parameters that were searched for.

    `rounds` were completed; `fits` counts models that were fitted for it. `stopped` says that the budget ended it.
    """

    parameters: dict[str, Any]
    settings: int
    rounds: int
    fits: int
    stopped: bool

    def __str__(self) -> str:
        found = ", ".join(f"{name} {value!r}" for name, value in self.parameters.items())
        end = "; training.budget ended it" if self.stopped else ""
        return (
            f"found {found}, of {counted(self.settings, 'setting')} in {counted(self.rounds, 'round')} and "
            f"{counted(self.fits, 'fit')}{end}"
        )


class _Setting(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """One setting as an estimator of scikit-learn. `learn` gives None for what can't be fitted, or not in time."""

    def __init__(self, learn: Callable[..., Pipeline | None], parameters: dict[str, Any] | None = None) -> None:
        self.learn = learn
        self.parameters = parameters

    def fit(self, X: pd.DataFrame, y: Floats) -> "_Setting":  # noqa: N803 - scikit-learn's names
        self.model_ = self.learn(self.parameters, X, y)
        return self


class _Learner:
    """Fits settings until the budget is spent, and keeps count."""

    def __init__(self, spec: UseCase, candidate: Candidate, at_least: int, watch: Watch) -> None:
        self.spec, self.candidate, self.at_least, self.watch = spec, candidate, at_least, watch
        self.until = watch() + spec.training.budget.total_seconds()
        self.fits = 0
        self.stopped = False
        self.error: Exception | None = None

    def learn(self, parameters: dict[str, Any], frame: pd.DataFrame, truth: Floats) -> Pipeline | None:
        """The setting's pipeline; None when the time is over, or when it can't be fitted."""
        if self.stopped or (self.fits >= self.at_least and self.watch() >= self.until):
            self.stopped = True
            return None
        self.fits += 1
        try:
            return fit(self.spec, found_candidate(self.candidate, parameters), frame, truth)
        except Exception as error:  # noqa: BLE001 - one setting of many; told where none could be fitted
            self.error = error
            return None


def search(
    spec: UseCase, candidate: Candidate, training: pa.Table, window_column: str, watch: Watch = time.monotonic
) -> Found:
    """Find the best values for what `candidate.search` names, by the deciding metric, on the training rows alone.

    Where cost decides, by the log loss: the threshold that cost depends on is chosen later.

    When `training.budget` is over, no further model is fitted, and the last complete round decides; of the first
    setting each fold is tried, however long that takes. The same rows, seed and number of fits find the same.
    `watch` tells the time in seconds. Errors: `NotEnoughData` without a fold that can be measured, `InvalidSpec` when
    no setting can be fitted.
    """
    frame, truth = feature_frame(spec, training), truth_of(spec.task, training.column(spec.labels.column))
    folds = [each for each in time_folds(training.column(window_column).to_pylist()) if _measurable(spec, truth, each)]
    if not folds:
        raise NotEnoughData(
            f"{spec.name}: {candidate.name} can't be searched for: no stretch of training windows can be learnt from "
            "and measured on a later one. Lengthen training.history, or leave `search` out."
        )
    tried = settings(candidate.search, spec.training.seed)
    learner = _Learner(spec, candidate, len(folds), watch)

    def learn(*told: Any) -> Pipeline | None:  # scikit-learn copies the object of a method, and no function
        return learner.learn(*told)

    needed = 1 + math.floor(math.log(len(tried), FACTOR) + 1e-9)
    halving = HalvingGridSearchCV(
        _Setting(learn),
        {"parameters": tried},
        factor=FACTOR,
        min_resources=min(max(len(frame) // FACTOR ** (needed - 1), LEAST_ROWS), len(frame)),
        cv=folds,
        scoring=_scorer(spec),
        refit=False,
        random_state=spec.training.seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*scores are non-finite", UserWarning)  # of what was not fitted
        halving.fit(frame, truth)
    rounds = np.asarray(halving.cv_results_["iter"])
    scores = np.asarray(halving.cv_results_["mean_test_score"], dtype=np.float64)
    complete = _complete(halving.n_candidates_, len(folds), learner)
    best = _best(rounds, scores, complete)
    if best is None:
        raise InvalidSpec(
            f"{spec.name}, training.candidates.{candidate.name}: none of the {len(tried)} settings that were searched "
            f"could be fitted and measured; the last error was: {learner.error}"
        )
    found = Found(
        dict(halving.cv_results_["params"][best]["parameters"]), len(tried), complete, learner.fits, learner.stopped
    )
    log.info("%s %s: %s", spec.name, candidate.name, found)
    return found


def settings(searched: Search, seed: int) -> list[dict[str, Any]]:
    """What is tried: the whole grid where it is small, else settings drawn with the seed."""
    values = {name: _Drawn(each) if isinstance(each, SearchRange) else list(each) for name, each in searched.items()}
    grid = None if any(isinstance(each, _Drawn) for each in values.values()) else ParameterGrid(values)
    if grid is not None and len(grid) <= MOST_SETTINGS:
        return list(grid)
    return list(ParameterSampler(values, MOST_SETTINGS, random_state=seed))


@dataclass(frozen=True)
class _Drawn:
    """A range, as scikit-learn draws from it."""

    range: SearchRange

    def rvs(self, random_state: np.random.RandomState) -> float | int:
        low, high = float(self.range.low), float(self.range.high)
        if self.range.whole:
            high += 1  # so that each whole number has its part, the highest too
        drawn = math.exp(random_state.uniform(math.log(low), math.log(high))) if self.range.log else None
        value = random_state.uniform(low, high) if drawn is None else drawn
        if self.range.whole:
            return int(min(math.floor(value), self.range.high))
        return float(min(max(value, low), high))


def found_candidate(candidate: Candidate, parameters: dict[str, Any]) -> Candidate:
    """The candidate with what was found for it, and nothing left to search for."""
    return candidate.model_copy(update={"parameters": {**candidate.parameters, **parameters}, "search": {}})


def _measurable(spec: UseCase, truth: Floats, fold: Fold) -> bool:
    if spec.task is not Task.BINARY_CLASSIFICATION:
        return True
    return all(np.ptp(truth[part]) > 0 for part in fold)


def _scorer(spec: UseCase) -> Callable[[_Setting, pd.DataFrame, Floats], float]:
    metric = metric_of_predictions(spec)
    sign = 1 if metric_named(metric).higher_is_better else -1

    def score(setting: _Setting, frame: pd.DataFrame, truth: Floats) -> float:
        if setting.model_ is None:
            return math.nan
        predictions = predict(setting.model_, spec.task, frame)
        if not np.isfinite(predictions).all():
            return math.nan
        found = metric_of(metric, spec.task, truth, predictions)
        return math.nan if found is None else sign * found

    return score


def _complete(candidates: Sequence[int], folds: int, learner: _Learner) -> int:
    """How many rounds were fitted as a whole before the budget was spent."""
    if not learner.stopped:
        return len(candidates)
    ends = np.cumsum([count * folds for count in candidates])
    return int((ends <= learner.fits).sum())


def _best(rounds: Any, scores: Floats, complete: int) -> int | None:
    """The best of the last complete round; of what was measured at all where there is none, or none in it could be."""
    known = np.flatnonzero(np.isfinite(scores))
    last = known[rounds[known] == complete - 1]
    among = last if len(last) else known
    return int(among[np.argmax(scores[among])]) if len(among) else None
