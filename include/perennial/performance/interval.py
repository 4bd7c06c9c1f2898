"""How certain a metric is: confidence intervals, because it is measured on a sample of rows only."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from perennial.arrays import Floats
from perennial.performance.metrics import metrics_of
from perennial.performance.running import RunningMean
from perennial.spec.names import METRICS, Task

CONFIDENCE = 0.95  # of every interval here
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
RESAMPLES = 400
RESAMPLED_AT_ONCE = 2_000_000  # weights in memory
PIECE_ROWS = 131_072  # of one resample that are looked at together, where it has more
CHANCE_OF_ROW = 1.0


@dataclass(frozen=True)
class Interval:
    """A metric's value with a confidence interval, and the standard error of the value.

    Where a sample can't tell (one row has no spread), the standard error is infinite and the interval as wide as the
    metric's range.
    """

    value: float
    low: float
    high: float
    standard_error: float


def intervals(task: Task, truth: Floats, prediction: Floats) -> dict[str, Interval]:
    """Each metric that `measure` gives for these rows, with its interval. Shapes as there.

    ROC AUC: DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44), by midranks (Sun and Xu, 2014, IEEE Signal
    Processing Letters 21), on the logit scale (Pepe, 2003, The Statistical Evaluation of Medical Tests). Log loss,
    Brier score and MAE are means of rows: normal, by the central limit theorem; RMSE by the delta method. PR AUC and
    R²: percentiles of a bootstrap (Efron and Tibshirani, 1993), with Poisson weights (Hanley and MacGibbon, 2006,
    Computer Methods and Programs in Biomedicine 83) and a fixed seed.
    """
    values = metrics_of(task, truth, prediction)
    return {name: _FUNCTIONS[name](value, truth, prediction) for name, value in values.items()}


def trailing(metric: str, windows: Sequence[tuple[Interval, int]]) -> Interval:
    """The mean over windows, weighted by their labelled rows. Windows are separate samples and are not mixed.

    `windows` are intervals with their numbers of rows, at least one of them above 0. The interval stays inside the
    metric's range.
    """
    rows = sum(count for _, count in windows)
    value = sum(each.value * count for each, count in windows) / rows
    error = math.sqrt(sum((each.standard_error * count) ** 2 for each, count in windows)) / rows
    lowest, highest = METRICS[metric].range
    return Interval(value, max(lowest, value - Z * error), min(highest, value + Z * error), error)


def mean_interval(mean: RunningMean) -> Interval:
    """The mean of at least one row, with its interval: normal, by the central limit theorem."""
    reach = Z * mean.standard_error
    return Interval(mean.value, mean.value - reach, mean.value + reach, mean.standard_error)


def auc_variance(truth: Floats, prediction: Floats) -> float:
    """DeLong's variance of the ROC AUC; infinite with fewer than two rows of either class."""
    positive, negative = prediction[truth == 1], prediction[truth != 1]
    m, n = len(positive), len(negative)
    if min(m, n) <= 1:
        return math.inf
    together = midranks(np.concatenate([positive, negative]))
    beaten = (together[:m] - midranks(positive)) / n
    unbeaten = 1 - (together[m:] - midranks(negative)) / m
    return float(beaten.var(ddof=1) / m + unbeaten.var(ddof=1) / n)


def _roc_auc(value: float, truth: Floats, prediction: Floats) -> Interval:
    smaller = min(int((truth == 1).sum()), int((truth != 1).sum()))
    return area_interval(value, auc_variance(truth, prediction), smaller)


def area_interval(value: float, variance: float, smaller: int) -> Interval:
    """That of a ROC AUC, by DeLong's variance and the number of rows of the class that has fewer."""
    if not math.isfinite(variance):
        return Interval(value, 0.0, 1.0, math.inf)
    if variance == 0 or not 0 < value < 1:
        # All pairs agree, so their spread tells nothing: as for a binomial share of the smaller class's rows that is
        # 0 or 1 (Clopper and Pearson, 1934, Biometrika 26).
        room = 1 - NormalDist().cdf(-Z) ** (1 / smaller)
        low, high = (max(0.0, value - room), min(1.0, value + room))
        return Interval(value, low, high, (high - low) / (2 * Z))
    error = math.sqrt(variance)
    logit = math.log(value / (1 - value))
    reach = Z * error / (value * (1 - value))
    return Interval(value, expit(logit - reach), expit(logit + reach), error)


def _mean_of(losses: Callable[[Floats, Floats], Floats]) -> Callable[[float, Floats, Floats], Interval]:
    def interval(value: float, truth: Floats, prediction: Floats) -> Interval:
        return loss_interval(value, _standard_error(losses(truth, prediction)))

    return interval


def loss_interval(value: float, error: float) -> Interval:
    """That of a mean loss with this standard error."""
    return Interval(value, max(0.0, value - Z * error), value + Z * error, error)


def _rmse(value: float, truth: Floats, prediction: Floats) -> Interval:
    return root_interval(value, _standard_error((truth - prediction) ** 2))


def root_interval(value: float, error: float) -> Interval:
    """That of the root of a mean square whose standard error this is."""
    if value == 0:  # every row was right: nothing is known of its spread but for that
        return Interval(0.0, 0.0, 0.0 if math.isfinite(error) else math.inf, error)
    low, high = max(0.0, value**2 - Z * error), value**2 + Z * error
    return Interval(value, math.sqrt(low), math.sqrt(high), error / (2 * value))


def _bootstrapped(
    resampler: Callable[[Floats, Floats], Callable[[Floats], Floats]], bounds: tuple[float, float]
) -> Callable[[float, Floats, Floats], Interval]:
    def interval(value: float, truth: Floats, prediction: Floats) -> Interval:
        random, resampled = np.random.default_rng(0), resampler(truth, prediction)
        at_once = max(1, RESAMPLED_AT_ONCE // len(truth))
        found: list[float] = []
        for begin in range(0, RESAMPLES, at_once):
            size = (min(at_once, RESAMPLES - begin), len(truth))
            weights = random.poisson(CHANCE_OF_ROW, size).astype(np.float64)
            found += resampled(weights).tolist()
        return resampled_interval(value, found, bounds)

    return interval


def resampled_interval(value: float, resampled: Sequence[float], bounds: tuple[float, float]) -> Interval:
    """The percentiles of a metric's values in `RESAMPLES` resamples; NaN where one leaves it undefined."""
    found = [each for each in resampled if math.isfinite(each)]
    if len(found) < RESAMPLES / 2:
        return Interval(value, *bounds, math.inf)
    tail = NormalDist().cdf(-Z)
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(value, float(low), float(high), float(np.std(found, ddof=1)))


def _average_precisions(truth: Floats, prediction: Floats) -> Callable[[Floats], Floats]:
    """The average precision of each resample (rows of `weights`); equal predictions are one threshold."""
    order = np.argsort(-prediction, kind="stable")
    ordered, hit = prediction[order], truth[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    at_ends = ends if len(ends) < len(ordered) else slice(None)  # where all predictions differ, each row is an end

    def resampled(weights: Floats) -> Floats:
        if weights.shape[0] == 1 and weights.shape[1] > PIECE_ROWS:
            return np.array([_average_precision(weights[0], order, hit, ends)])
        weights = weights[:, order]
        hits = np.cumsum(weights * hit, axis=1)[:, at_ends]
        taken = np.cumsum(weights, axis=1, out=weights)[:, at_ends]
        precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
        precision *= np.diff(hits, axis=1, prepend=0.0)
        sums, positives = precision.sum(axis=1), hits[:, -1]
        both = (positives > 0) & (positives < taken[:, -1])
        return np.asarray(np.divide(sums, positives, out=np.full(len(sums), np.nan), where=both))

    return resampled


def _average_precision(weights: Floats, order: npt.NDArray[np.intp], hit: Floats, ends: npt.NDArray[np.intp]) -> float:
    """The same of one resample of many rows, to the last bit: only the terms of its sum are in memory together."""
    terms = np.empty(len(ends))
    hits = taken = before = 0.0
    for first in range(0, len(order), PIECE_ROWS):
        piece = slice(first, first + PIECE_ROWS)
        drawn = weights[order[piece]]
        hits_so_far, taken_so_far = hits + np.cumsum(drawn * hit[piece]), taken + np.cumsum(drawn)
        hits, taken = hits_so_far[-1], taken_so_far[-1]
        own = slice(*np.searchsorted(ends, [first, first + PIECE_ROWS]))
        at_hits, at_taken = hits_so_far[ends[own] - first], taken_so_far[ends[own] - first]
        precision = np.divide(at_hits, at_taken, out=np.zeros_like(at_hits), where=at_taken > 0)
        terms[own] = precision * np.diff(at_hits, prepend=before)
        before = at_hits[-1] if len(at_hits) else before
    return float(terms.sum() / hits) if 0 < hits < taken else math.nan


def _r_squared(truth: Floats, prediction: Floats) -> Callable[[Floats], Floats]:
    squared, centred = (truth - prediction) ** 2, truth - truth.mean()

    def resampled(weights: Floats) -> Floats:
        rows = weights.sum(axis=1)
        mean = np.divide(weights @ centred, rows, out=np.zeros_like(rows), where=rows > 0)
        total = weights @ centred**2 - rows * mean**2
        return np.asarray(1 - np.divide(weights @ squared, total, out=np.full(len(rows), np.nan), where=total > 0))

    return resampled


def log_losses(truth: Floats, prediction: Floats) -> Floats:
    """Each row's log loss, in nats; probabilities of 0 and 1 count as scikit-learn counts them."""
    eps = np.finfo(np.float64).eps
    p = np.clip(prediction, eps, 1 - eps)
    return np.asarray(-np.where(truth == 1, np.log(p), np.log1p(-p)), dtype=np.float64)


def squared(truth: Floats, prediction: Floats) -> Floats:
    """Each row's squared error."""
    return (truth - prediction) ** 2


def _absolute(truth: Floats, prediction: Floats) -> Floats:
    return np.abs(truth - prediction)


def _standard_error(values: Floats) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf


def midranks(values: Floats) -> Floats:
    """Ranks from 1 on; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def expit(value: float) -> float:
    """The inverse of the logit."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


_FUNCTIONS: dict[str, Callable[[float, Floats, Floats], Interval]] = {
    "roc_auc": _roc_auc,
    "pr_auc": _bootstrapped(_average_precisions, (0.0, 1.0)),
    "log_loss": _mean_of(log_losses),
    "brier": _mean_of(squared),
    "mae": _mean_of(_absolute),
    "rmse": _rmse,
    "r2": _bootstrapped(_r_squared, (-math.inf, 1.0)),
}
