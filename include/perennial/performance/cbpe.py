"""Performance of a classifier from its probabilities alone, while nobody knows the outcomes.

Confidence-based performance estimation (Białek, Kuberski, Perrakis and Bifet, 2024, arXiv 2407.08649): if probabilities
mean what they say, they say how often they are wrong. It holds while the outcome depends on the inputs as it did in
training (covariate shift), and not when that changes (concept drift), which `perennial.performance.audit` finds out.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pyarrow as pa
from sklearn.isotonic import IsotonicRegression

from perennial.arrays import Floats
from perennial.ordered import OrderedRows, ordered
from perennial.performance.interval import Interval, Z, log_losses, loss_interval, midranks
from perennial.performance.running import RunningMean
from perennial.performance.thresholds import FEW, GROUPS, SCORE, counted_scores

FOLDS = 3
DRAWS = 200
DRAWN_AT_ONCE = 2_000_000


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


def estimate_of_pieces(calibration: Calibration, pieces: Iterable[Floats]) -> Mapping[str, Interval]:
    """`estimate` of predictions that come in pieces, each of shape (rows,).

    More than `FEW` are sorted outside of memory for ROC AUC, and truth is drawn for `GROUPS` groups of neighbouring
    predictions, by the mean probability of each. Errors: as `perennial.ordered.ordered`.
    """
    coming = iter(pieces)
    few: list[Floats] = []
    for prediction in coming:
        few.append(prediction)
        if sum(map(len, few)) > FEW:
            return _estimate_of_many(calibration, chain(few, coming))
    prediction = np.concatenate(few) if few else np.empty(0)
    return estimate(prediction, calibration.apply(prediction))


def _estimate_of_many(calibration: Calibration, pieces: Iterable[Floats]) -> Mapping[str, Interval]:
    losses = {"log_loss": _ExpectedLoss(), "brier": _ExpectedLoss()}

    def scores() -> Iterator[pa.Table]:
        for prediction in pieces:
            calibrated = calibration.apply(prediction)
            for name, ones, zeros in (
                ("log_loss", log_losses(np.ones_like(prediction), prediction), _negative(prediction)),
                ("brier", (1 - prediction) ** 2, prediction**2),
            ):
                losses[name].add(ones, zeros, calibrated)
            yield pa.table({SCORE: -prediction})

    with ordered(scores()) as rows:
        area = _area_of(calibration, rows)
    found = {name: each.interval for name, each in losses.items()}
    return found if area is None else {"roc_auc": area, **found}


@dataclass
class _ExpectedLoss:
    """A mean loss of rows whose truth nobody knows, and its error when each row's truth is drawn by itself."""

    mean: RunningMean = field(default_factory=RunningMean)
    variance: float = 0.0

    def add(self, if_one: Floats, if_zero: Floats, probability: Floats) -> None:
        self.mean.add(probability * if_one + (1 - probability) * if_zero)
        self.variance += float((probability * (1 - probability) * (if_one - if_zero) ** 2).sum())

    @property
    def interval(self) -> Interval:
        return loss_interval(self.mean.value, math.sqrt(self.variance) / self.mean.count)


def _area_of(calibration: Calibration, rows: OrderedRows) -> Interval | None:
    """As `_expected_area`, of rows that are sorted by their scores."""
    hits = misses = 0.0
    area: list[float] = []
    taken, group_rows, group_hits = 0, np.zeros(GROUPS), np.zeros(GROUPS)
    for scores, counts in counted_scores(rows):
        probability = calibration.apply(-scores)
        hits_so_far, misses_so_far = (
            before + np.cumsum(counts * each) for before, each in ((hits, probability), (misses, 1 - probability))
        )
        both = (np.append(hits, hits_so_far[:-1]) + hits_so_far) / 2
        area.append(float((both * np.diff(misses_so_far, prepend=misses)).sum()))
        hits, misses = float(hits_so_far[-1]), float(misses_so_far[-1])
        taken_so_far = taken + np.cumsum(counts)
        group = (taken_so_far - 1) * GROUPS // rows.num_rows
        group_rows += np.bincount(group, counts, GROUPS)
        group_hits += np.bincount(group, counts * probability, GROUPS)
        taken = int(taken_so_far[-1])
    if hits <= 0 or misses <= 0:
        return None
    value = math.fsum(area) / hits / misses
    error = _error_of_groups(group_rows, group_hits)
    return Interval(value, max(0.0, value - Z * error), min(1.0, value + Z * error), error)


def _error_of_groups(rows: Floats, hits: Floats) -> float:
    """As `_error_of_area`: rows of a group tie, and are drawn by its mean probability."""
    number = rows.astype(np.int64)
    share = np.clip(np.divide(hits, rows, out=np.zeros(GROUPS), where=rows > 0), 0, 1)
    below = number.sum() - np.cumsum(number)
    drawn = np.random.default_rng(0).binomial(number, share, (DRAWS, GROUPS))
    positive = drawn.sum(axis=1)
    above = drawn @ (below + (rows + 1) / 2) - positive * (positive + 1) / 2
    pairs = positive * (number.sum() - positive)
    return _spread(np.divide(above, pairs, out=np.full(DRAWS, np.nan), where=pairs > 0))


def _spread(areas: Floats) -> float:
    known = areas[np.isfinite(areas)]
    return float(known.std(ddof=1)) if len(known) > DRAWS / 2 else math.inf


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
    return loss_interval(value, math.sqrt(float(variance.sum())) / len(probability))


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
    return _spread(np.concatenate(areas))
