"""How good predictions are by a sample of rows with known inclusion probabilities: design-based estimates.

People are asked about doubtful rows more often than about others, so what their answers say unweighted is biased. Each
row's weight, the inverse of the probability with which it was to be chosen, takes that away (Horvitz and Thompson,
1952, Journal of the American Statistical Association 47).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from perennial.arrays import Floats
from perennial.performance.interval import Interval, Z, expit, log_losses, squared
from perennial.spec.names import METRICS, Task

_Losses = Callable[[Floats, Floats], Floats]
_Expected = Callable[[Floats], Floats]
FEWEST = 100  # effective rows: with fewer, fewer than 92 of 100 intervals hold the value (the tests simulate it)


@dataclass(frozen=True)
class Sampled:
    """The rows of one window: `predictions` of all of them, shape (rows,), and what is known of the sample.

    `truth`, `prediction` and `weight` are those of the sampled rows whose outcome is known, shape (sampled,).
    """

    predictions: Floats
    truth: Floats
    prediction: Floats
    weight: Floats


def design_based(task: Task, windows: Sequence[Sampled]) -> dict[str, Interval]:
    """The metrics of all rows of the windows, estimated from the sample, with their intervals.

    The target is that of `perennial.performance.interval`: what the model is worth on rows like these, so that both
    can stand side by side. Windows are separate samples: ROC AUC compares rows of one window only.

    Log loss and Brier score: the mean of what the model's own probabilities let expect of every row, corrected by the
    weighted differences on the sample (Zrnic and Candès, 2024, Active statistical inference, arXiv 2403.03208, with the
    weights normalised as in Hájek, 1971). However wrong those probabilities are, it is unbiased, but for a term that
    shrinks with the number of sampled rows. MAE and RMSE:
    weighted means. ROC AUC: pairs weighted by the product of their weights, because rows are chosen
    independently, with the variance of DeLong's (1988) components of the weighted rows. All intervals are normal, by
    the delta method. PR AUC and R² have no estimate. Metrics that the outcomes leave undefined are left out, and all
    are where `effective_rows` are fewer than `FEWEST`.
    """
    if effective_rows(windows) < FEWEST:
        return {}
    if task is Task.REGRESSION:
        return _of_numbers(windows)
    found = {
        "log_loss": _corrected(windows, log_losses, _entropy, "log_loss"),
        "brier": _corrected(windows, squared, _spread, "brier"),
    }
    area = _area(windows)
    return found if area is None else {"roc_auc": area, **found}


def effective_rows(windows: Sequence[Sampled]) -> float:
    """How many rows, chosen uniformly, would tell a mean as exactly as the weighted sample (Kish, 1965, 11.7)."""
    weight = np.concatenate([each.weight for each in windows]) if windows else np.array([])
    return _effective(weight) if len(weight) else 0.0


def weighted_share(hits: Floats, weight: Floats) -> Interval:
    """The share of all rows that are hits (1, others 0), from a weighted sample of at least one row.

    The interval is Wilson's (1927, Journal of the American Statistical Association 22) with the effective number of
    rows (Kish, 1965, Survey Sampling, 11.7), so that it has a width also where all sampled rows agree.
    """
    share = float(np.average(hits, weights=weight))
    rows = _effective(weight)
    middle = (share + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    reach = Z / (1 + Z**2 / rows) * math.sqrt(share * (1 - share) / rows + Z**2 / (4 * rows**2))
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach), math.sqrt(share * (1 - share) / rows))


def _effective(weight: Floats) -> float:
    return float(weight.sum() ** 2 / (weight**2).sum())


def _corrected(windows: Sequence[Sampled], losses: _Losses, expected: _Expected, metric: str) -> Interval:
    guessed = np.concatenate([expected(each.predictions) for each in windows])
    of_sample = np.concatenate([expected(each.prediction) for each in windows])
    truth, prediction, weight = _joined(windows)
    rows, mean = len(guessed), float(guessed.mean())
    differences = losses(truth, prediction) - of_sample
    correction = float(np.average(differences, weights=weight))
    # What each row takes part with: its guess, and for a row of the sample its difference beside it.
    guesses, parts = of_sample - mean, weight * (differences - correction) * rows / weight.sum()
    squares = float(((guessed - mean) ** 2).sum() + ((guesses + parts) ** 2 - guesses**2).sum())
    return _interval(mean + correction, math.sqrt(max(0.0, squares)) / rows, metric)


def _of_numbers(windows: Sequence[Sampled]) -> dict[str, Interval]:
    truth, prediction, weight = _joined(windows)
    errors = np.abs(truth - prediction)
    squared, error = _weighted_mean(errors**2, weight)
    root = math.sqrt(squared)
    return {
        "mae": _interval(*_weighted_mean(errors, weight), "mae"),
        "rmse": _interval(root, error / (2 * root) if root else error, "rmse"),
    }


def _weighted_mean(values: Floats, weight: Floats) -> tuple[float, float]:
    """The mean and its standard error."""
    mean = float(np.average(values, weights=weight))
    return mean, math.sqrt(float((weight**2 * (values - mean) ** 2).sum())) / float(weight.sum())


def _area(windows: Sequence[Sampled]) -> Interval | None:
    """Over the windows, the weighted pairs in the right order (half where they are equal) by all weighted pairs."""
    parts = [part for each in windows if (part := _pairs(each)) is not None]
    pairs = sum(part.pairs for part in parts)
    if not pairs:
        return None
    value = sum(part.right for part in parts) / pairs
    rows = [sum(counts) for counts in zip(*(part.rows for part in parts), strict=True)]
    if min(rows) <= 1:
        return Interval(value, 0.0, 1.0, math.inf)
    squares = sum(float(((part.parts_right - value * part.parts_all) ** 2).sum()) for part in parts)
    error = math.sqrt(squares) / pairs
    if error == 0 or not 0 < value < 1:  # all pairs agree, so that their spread tells nothing
        room = 1 - NormalDist().cdf(-Z) ** (1 / min(rows))
        return Interval(value, max(0.0, value - room), min(1.0, value + room), room / Z)
    logit, reach = math.log(value / (1 - value)), Z * error / (value * (1 - value))
    return Interval(value, expit(logit - reach), expit(logit + reach), error)


@dataclass(frozen=True)
class _Pairs:
    """The weighted pairs of a window that are in the `right` order, and all, with what each row takes part in."""

    right: float
    pairs: float
    parts_right: Floats
    parts_all: Floats
    rows: tuple[int, int]


def _pairs(window: Sampled) -> _Pairs | None:
    yes = window.truth == 1
    if yes.all() or not yes.any():
        return None
    of_yes, of_no = window.weight[yes], window.weight[~yes]
    above = _weight_below(window.prediction[~yes], of_no, window.prediction[yes])
    below = of_yes.sum() - _weight_below(window.prediction[yes], of_yes, window.prediction[~yes])
    return _Pairs(
        right=float((of_yes * above).sum()),
        pairs=float(of_yes.sum() * of_no.sum()),
        parts_right=np.concatenate([of_yes * above, of_no * below]),
        parts_all=np.concatenate([of_yes * of_no.sum(), of_no * of_yes.sum()]),
        rows=(len(of_yes), len(of_no)),
    )


def _weight_below(values: Floats, weight: Floats, at: Floats) -> Floats:
    """The weight of the values below each of `at`, and half of that of equal ones."""
    order = np.argsort(values, kind="stable")
    ordered, sums = values[order], np.concatenate([[0.0], np.cumsum(weight[order])])
    first, last = np.searchsorted(ordered, at, side="left"), np.searchsorted(ordered, at, side="right")
    return np.asarray((sums[first] + sums[last]) / 2)


def _joined(windows: Sequence[Sampled]) -> tuple[Floats, Floats, Floats]:
    truth = np.concatenate([each.truth for each in windows])
    prediction = np.concatenate([each.prediction for each in windows])
    return truth, prediction, np.concatenate([each.weight for each in windows])


def _interval(value: float, error: float, metric: str) -> Interval:
    lowest, highest = METRICS[metric].range
    return Interval(value, max(lowest, value - Z * error), min(highest, value + Z * error), error)


def _spread(prediction: Floats) -> Floats:
    return prediction * (1 - prediction)


def _entropy(prediction: Floats) -> Floats:
    eps = np.finfo(np.float64).eps
    p = np.clip(prediction, eps, 1 - eps)
    return np.asarray(-(p * np.log(p) + (1 - p) * np.log1p(-p)), dtype=np.float64)
