"""Count, mean, spread and extremes of numbers, in a form that merges."""

import math
from dataclasses import dataclass

import numpy as np

from perennial.arrays import Floats


@dataclass(frozen=True)
class Moments:
    """`count` numbers: their mean, the sum of their squared distances from it, and their extremes.

    Without numbers the mean and the sum are 0 and the extremes None; these are None, too, where they are withheld.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float | None = None
    maximum: float | None = None

    @classmethod
    def of(cls, ordered: Floats) -> "Moments":
        """The moments of finite numbers in ascending order; the order makes them the same for any order of rows.

        Two passes: the second one, about the mean, keeps the digits that a sum of squares would lose.
        """
        if not ordered.size:
            return cls()
        mean = float(ordered.mean())
        centred = ordered - mean
        squares = float(np.square(centred, out=centred).sum())
        return cls(ordered.size, mean, squares, float(ordered[0]), float(ordered[-1]))

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of numbers together; the order of merging matters in the last digits only.

        Chan, Golub and LeVeque (1983, The American Statistician 37(3)), the pairwise form of Welford's update
        (1962, Technometrics 4(3)).
        """
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        mean = (self.count * self.mean + other.count * other.mean) / count
        apart = self.mean - other.mean
        squares = self.squares + other.squares + apart * apart * (self.count * other.count / count)
        low = min((each.minimum for each in (self, other) if each.minimum is not None), default=None)
        high = max((each.maximum for each in (self, other) if each.maximum is not None), default=None)
        return Moments(count, mean, squares, low, high)

    @property
    def sd(self) -> float | None:
        """The sample standard deviation (n - 1); None below two numbers."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else None
