"""Performance of a classifier from its probabilities alone, while nobody knows the outcomes.

Confidence-based performance estimation (Białek, Kuberski, Perrakis and Bifet, 2024, arXiv 2407.08649): if probabilities
mean what they say, they say how often they are wrong. It holds while the outcome depends on the inputs as it did in
training (covariate shift), and not when that changes (concept drift), which `perennial.performance.audit` finds out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from sklearn.isotonic import IsotonicRegression

from perennial.arrays import Floats
from perennial.performance.interval import Interval, log_losses, midranks

FOLDS = 3
DRAWS = 200
DRAWN_AT_ONCE = 2_000_000
Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Calibration:
    """From a model's probabilities to calibrated ones: straight lines between the points (`raw`, `calibrated`). Without
    points, probabilities stay as they are.
    """

    raw: tuple[float, ...] = ()
    calibrated: tuple[float, ...] = ()

    def apply(self, prediction: Floats) -> Floats:
        """The calibrated probabilities, shape (rows,)."""
        if not self.raw:
            return prediction
        return np.asarray(np.interp(prediction, self.raw, self.calibrated), dtype=np.float64)


def fit_calibration(truth: Floats, prediction: Floats, groups: Floats) -> Calibration:
    """Isotonic calibration (Zadrozny and Elkan, 2002, KDD), if it lowers the log loss of rows it was not fitted on.

    Shapes (rows,); `groups` numbers the rows' windows, which are cut into three stretches: each is calibrated by what
    the two others say. Predictions must be of rows that the model was not trained on. Where calibrating does not help,
    or there is too little to tell, probabilities stay as they are.
    """
    names = np.unique(groups)
    if len(names) < FOLDS:
        return Calibration()
    calibrated = np.empty_like(prediction)
    for fold in np.array_split(names, FOLDS):
        own = np.isin(groups, fold)
        if len(np.unique(truth[~own])) < len((0, 1)):
            return Calibration()
        calibrated[own] = _isotonic(truth[~own], prediction[~own]).apply(prediction[own])
    if log_losses(truth, calibrated).mean() >= log_losses(truth, prediction).mean():
        return Calibration()
    return _isotonic(truth, prediction)


def estimate(prediction: Floats, calibrated: Floats) -> Mapping[str, Interval]:
    """ROC AUC, log loss and Brier score to expect of predictions whose calibrated probabilities are these.

    The standard error is that of truth drawn from the calibrated probabilities: by sums of variances, for ROC AUC by
    `DRAWS` draws with a fixed seed. PR AUC is not estimated. Without rows, nothing is estimated.
    """
    if not len(prediction):
        return {}
    found = {
        "log_loss": _expected(log_losses(np.ones_like(prediction), prediction), _negative(prediction), calibrated),
        "brier": _expected((1 - prediction) ** 2, prediction**2, calibrated),
    }
    area = _expected_area(prediction, calibrated)
    return found if area is None else {"roc_auc": area, **found}


def _isotonic(truth: Floats, prediction: Floats) -> Calibration:
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(prediction, truth)
    # A stretch without a single positive row is rare there, not impossible.
    least = 1 / (2 * len(truth))
    calibrated = np.clip(fitted.y_thresholds_, least, 1 - least)
    return Calibration(tuple(fitted.X_thresholds_.tolist()), tuple(calibrated.tolist()))


def _negative(prediction: Floats) -> Floats:
    return log_losses(np.zeros_like(prediction), prediction)


def _expected(if_one: Floats, if_zero: Floats, probability: Floats) -> Interval:
    """The mean loss, and its error when each row's truth is drawn by itself."""
    value = float(np.mean(probability * if_one + (1 - probability) * if_zero))
    variance = probability * (1 - probability) * (if_one - if_zero) ** 2
    error = math.sqrt(float(variance.sum())) / len(probability)
    return Interval(value, max(0.0, value - Z * error), value + Z * error, error)


def _expected_area(prediction: Floats, probability: Floats) -> Interval | None:
    """The area under the curve of expected true and false positives; rows of equal prediction are one threshold."""
    order = np.argsort(-prediction, kind="stable")
    ordered = prediction[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    hits = np.append(0.0, np.cumsum(probability[order])[ends])
    misses = np.append(0.0, np.cumsum(1 - probability[order])[ends])
    if hits[-1] <= 0 or misses[-1] <= 0:
        return None
    value = float(np.trapezoid(hits / hits[-1], misses / misses[-1]))
    error = _error_of_area(prediction, probability)
    return Interval(value, max(0.0, value - Z * error), min(1.0, value + Z * error), error)


def _error_of_area(prediction: Floats, probability: Floats) -> float:
    random, ranks, areas = np.random.default_rng(0), midranks(prediction), []
    at_once = max(1, DRAWN_AT_ONCE // len(prediction))
    for begin in range(0, DRAWS, at_once):
        draws = min(at_once, DRAWS - begin)
        positive, summed = np.zeros(draws), np.zeros(draws)
        piece = len(prediction) if draws > 1 else DRAWN_AT_ONCE  # many rows are drawn one piece after the other
        for first in range(0, len(prediction), piece):
            own = slice(first, first + piece)
            truth = random.random((draws, len(prediction[own]))) < probability[own]
            positive += truth.sum(axis=1)
            summed += truth @ ranks[own]  # halves of whole numbers, so that sums of sums are the same
        pairs = positive * (len(prediction) - positive)
        above = summed - positive * (positive + 1) / 2
        areas.append(np.divide(above, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))
    drawn = np.concatenate(areas)
    known = drawn[np.isfinite(drawn)]
    return float(known.std(ddof=1)) if len(known) > DRAWS / 2 else math.inf
