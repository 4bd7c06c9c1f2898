"""The difference of any metric of two models on the same rows, by resampling windows."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perennial.arrays import Floats
from perennial.errors import NotEnoughData
from perennial.judgement.comparison import Comparison, comparison_of
from perennial.judgement.precision import resampled_precision
from perennial.judgement.resampling import RESAMPLES, resamples
from perennial.judgement.rows import Scored, Units
from perennial.performance.gain import METRIC_TITLES
from perennial.performance.interval import log_losses, squared


@dataclass(frozen=True)
class _Sums:
    """A metric that follows from sums over rows.

    `of_rows` gives what is summed, shape (rows, sums), from the outcomes and one model's predictions; `value` the
    metric from such sums, shape (resamples, sums) to (resamples,).
    """

    of_rows: Callable[[Floats, Floats], Floats]
    value: Callable[[Floats], Floats]
    higher_is_better: bool = False


def compare_resampled(metric: str, scored: Scored) -> Comparison:
    """The difference in a metric other than ROC AUC, or in `accuracy`, where predictions are the decisions, 0 or 1.

    Paired bootstrap: both models are measured on the same resample, in which each window is there with all its rows
    or not at all, any number of times (Efron and Tibshirani, 1993, An Introduction to the Bootstrap; for clusters
    Davison and Hinkley, 1997, Bootstrap Methods and their Application, section 3.8), with a fixed seed. The standard
    error is the scatter of the gain, times the square root of K / (K - 1) for K windows, because a resample's scatter
    is that of the windows at hand about their own mean. The interval is Student's; percentiles of a bootstrap of
    twelve windows would be too narrow. Where windows are too few, rows are resampled in their place.

    Errors: `NotEnoughData` when most resamples leave the metric undefined.
    """
    units = scored.units(_classes(metric, scored))
    if metric == "pr_auc":
        values, gains = resampled_precision(scored, units)
    else:
        values, gains = _of_sums(_SUMS[metric], scored, units)
    known = gains[np.isfinite(gains)]
    if len(known) < RESAMPLES / 2:
        title = METRIC_TITLES.get(metric, metric)
        raise NotEnoughData(
            f"{title} of two models was compared on {len(scored):,} rows, but most resamples of them leave it "
            "undefined, because outcomes vary too little; lengthen training.holdout."
        )
    error = float(np.std(known, ddof=1)) * math.sqrt(units.count / (units.count - 1))
    gain = float(values[1] - values[0]) if _higher(metric) else float(values[0] - values[1])
    return comparison_of(metric, values, gain, error, units, len(scored), f"paired bootstrap of {units.unit}s")


def value_from_sums(metric: str, truth: Floats, prediction: Floats) -> float:
    """One model's metric, for those that follow from sums over rows: not ROC AUC and PR AUC."""
    sums = _SUMS[metric]
    return float(sums.value(sums.of_rows(truth, prediction).sum(axis=0, keepdims=True))[0])


def _of_sums(sums: _Sums, scored: Scored, units: Units) -> tuple[tuple[float, float], Floats]:
    parts = [units.sums(sums.of_rows(scored.truth, each)) for each in (scored.champion, scored.challenger)]
    champion, challenger = (float(sums.value(part.sum(axis=0, keepdims=True))[0]) for part in parts)
    found = [[sums.value(counts @ part) for part in parts] for counts in resamples(units)]
    sign = 1 if sums.higher_is_better else -1
    return (champion, challenger), np.concatenate([sign * (other - one) for one, other in found])


def _classes(metric: str, scored: Scored) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Whose rows count: of a rare class's metric, the rows of that class."""
    return [scored.truth == 1] if metric == "pr_auc" else []


def _higher(metric: str) -> bool:
    return metric == "pr_auc" or _SUMS[metric].higher_is_better


def _mean_of(losses: Callable[[Floats, Floats], Floats], higher_is_better: bool = False) -> _Sums:
    def of_rows(truth: Floats, prediction: Floats) -> Floats:
        return np.column_stack([losses(truth, prediction), np.ones(len(truth))])

    return _Sums(of_rows, lambda sums: np.asarray(sums[:, 0] / sums[:, 1]), higher_is_better)


def _with_spread(truth: Floats, prediction: Floats) -> Floats:
    centred = truth - truth.mean()
    return np.column_stack([squared(truth, prediction), centred, centred**2, np.ones(len(truth))])


def _r_squared(sums: Floats) -> Floats:
    spread = sums[:, 2] - sums[:, 1] ** 2 / sums[:, 3]
    return np.asarray(1 - np.divide(sums[:, 0], spread, out=np.full(len(sums), np.nan), where=spread > 0))


_MEAN_SQUARE = _mean_of(squared)

_SUMS: dict[str, _Sums] = {
    "log_loss": _mean_of(log_losses),
    "brier": _MEAN_SQUARE,
    "cost": _mean_of(lambda _, cost: cost),  # what each row costs stands in the place of predictions
    "mae": _mean_of(lambda truth, prediction: np.asarray(np.abs(truth - prediction))),
    "rmse": _Sums(_MEAN_SQUARE.of_rows, lambda sums: np.asarray(np.sqrt(_MEAN_SQUARE.value(sums)))),
    "r2": _Sums(_with_spread, _r_squared, higher_is_better=True),
    "accuracy": _mean_of(lambda truth, decision: np.asarray((truth == decision).astype(np.float64)), True),
}
