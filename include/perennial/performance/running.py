"""The mean of values that come in pieces, and how certain it is."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perennial.arrays import Floats


@dataclass
class RunningMean:
    """The mean of `count` values, and the sum of their squared deviations from it (Chan, Golub and LeVeque, 1983, The
    American Statistician 37): no large sums are subtracted from each other.
    """

    count: int = 0
    value: float = 0.0
    squares: float = 0.0

    def add(self, values: Floats, times: npt.NDArray[np.int64] | None = None) -> None:
        """Count these in, shape (rows,); `times` says how often each."""
        count = len(values) if times is None else int(times.sum())
        if not count:
            return
        mean = float(values.mean() if times is None else (values * times).sum() / count)
        deviations = (values - mean) ** 2
        step, before = mean - self.value, self.count
        self.count += count
        share = count / self.count
        self.squares += float((deviations if times is None else deviations * times).sum()) + step**2 * before * share
        self.value += step * share

    @property
    def variance(self) -> float:
        """The variance of the values, with one degree of freedom less; infinite where there are fewer than two."""
        return self.squares / (self.count - 1) if self.count > 1 else math.inf

    @property
    def standard_error(self) -> float:
        """That of the mean."""
        return math.sqrt(self.variance) / math.sqrt(self.count) if self.count > 1 else math.inf
