"""Performance of a regression from its inputs alone, while nobody knows the outcomes.

Direct loss estimation (NannyML's name; the idea is that of error models, as in Shrestha and Solomatine, 2006, Neural
Networks 19(2)): a second model learns how large the first one's errors are, and is asked about new rows.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from perennial.arrays import Floats
from perennial.performance.interval import Interval, loss_interval
from perennial.performance.running import RunningMean


def losses(truth: Floats, prediction: Floats) -> dict[str, Floats]:
    """Each row's loss. The metric (the square of RMSE) is their mean; R² is no such mean, and is not estimated."""
    error = truth - prediction
    return {"mae": np.abs(error), "rmse": error**2}


def estimate(expected: Mapping[str, Floats], spread: Mapping[str, float]) -> dict[str, Interval]:
    """The metrics to expect of rows with these expected losses, shape (rows,).

    `spread` is the SD of a row's loss around its expectation; over `rows` rows its mean scatters by less. Expected
    losses below 0, which a model may say, count as 0. Without rows nothing is estimated.
    """
    return estimate_of_pieces([expected], spread)


def estimate_of_pieces(pieces: Iterable[Mapping[str, Floats]], spread: Mapping[str, float]) -> dict[str, Interval]:
    """`estimate` of rows whose expected losses come in pieces."""
    means: dict[str, RunningMean] = {}
    for expected in pieces:
        for name, values in expected.items():
            means.setdefault(name, RunningMean()).add(np.maximum(values, 0.0))
    found = {name: _mean(mean, spread[name]) for name, mean in means.items() if mean.count}
    return {name: _root(interval) if name == "rmse" else interval for name, interval in found.items()}


def _mean(mean: RunningMean, spread: float) -> Interval:
    return loss_interval(mean.value, spread / math.sqrt(mean.count))


def _root(square: Interval) -> Interval:
    """The same of the square root, by the delta method."""
    value = math.sqrt(square.value)
    error = square.standard_error / (2 * value) if value else math.inf
    return Interval(value, math.sqrt(square.low), math.sqrt(square.high), error)
