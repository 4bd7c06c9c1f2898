"""One column of many windows, pooled, and the distance of a window from such a pool.

Both kinds of column put a window's distribution in a row of numbers that mixes linearly: the row of several windows
together is the mean of their rows, weighted by their counts. So taking a window out of a pool is exact arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from perennial.drift.distances import jensen_shannon_rows
from perennial.drift.values import Categories, Floats, Numbers

QUANTILES = 512
MAX_CATEGORIES = 200
# A spread this small beside the mean is rounding, not variation.
NEGLIGIBLE_SPREAD = 1e-9
# Smaller than any measurement's unit: dividing by it could leave the range of a float.
SMALLEST_SCALE = 1e-100


@dataclass(frozen=True)
class NumericPool:
    """The pooled values of a numeric column.

    `edges` are its quantiles at `QUANTILES` even steps, the smallest and largest value included, without repetition.
    `areas` are those under its distribution function between the edges, in units of `scale`: the SD or, when the
    column is `constant`, the constant's own size (1 for zero). The first and last area reach to infinity, the last
    one above the function, so that a distance keeps growing beyond everything the reference has seen.
    """

    mean: float
    scale: float
    constant: bool
    edges: tuple[float, ...]
    areas: tuple[float, ...]
    type: Literal["numeric"] = "numeric"

    @classmethod
    def of(cls, windows: Sequence[Numbers]) -> "NumericPool":
        """The pool of windows that hold at least one value together."""
        pooled = np.sort(np.concatenate([window.values for window in windows]))
        mean, sd = float(pooled.mean()), float(pooled.std())
        constant = sd <= max(NEGLIGIBLE_SPREAD * abs(mean), SMALLEST_SCALE)
        size = abs(mean) if abs(mean) > SMALLEST_SCALE else 1.0
        scale = size if constant else sd
        edges = np.unique(pooled[np.linspace(0, len(pooled) - 1, QUANTILES).astype(int)])
        areas = _areas(pooled, edges, mean, scale)
        return cls(mean, scale, constant, tuple(edges.tolist()), tuple(areas.tolist()))

    @property
    def unit(self) -> str:
        """What a distance of 1 is."""
        return "times the reference's constant value" if self.constant else "reference SDs"

    def row(self, column: Numbers) -> Floats:
        """The areas under the window's distribution function, between the pool's edges."""
        return _areas(np.sort(column.values), np.array(self.edges), self.mean, self.scale)

    def distance(self, column: Numbers) -> float:
        """Wasserstein-1 between the window and the pool, in `unit`.

        Exact but where the two distribution functions cross between two neighbouring quantiles.
        """
        return float(area_between(self.row(column)[None, :], np.array(self.areas))[0])


@dataclass(frozen=True)
class CategoricalPool:
    """The pooled values of a categorical column: the shares of its `MAX_CATEGORIES` most frequent values.

    `other` is the share of all further values. When it is 0, what a window holds beside `shares` is `unseen`.
    """

    shares: dict[str, float]
    other: float
    type: Literal["categorical"] = "categorical"

    @classmethod
    def of(cls, windows: Sequence[Categories]) -> "CategoricalPool":
        """The pool of windows that hold at least one value together."""
        counts: dict[str, int] = {}
        for window in windows:
            for category, count in window.counts.items():
                counts[category] = counts.get(category, 0) + count
        total = sum(counts.values())
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_CATEGORIES]
        other = total - sum(count for _, count in ordered)
        return cls({category: count / total for category, count in ordered}, other / total)

    @property
    def unit(self) -> str:
        """What a distance of 1 is."""
        return "Jensen-Shannon distance (base 2)"

    @property
    def whole(self) -> tuple[float, ...]:
        """All shares, that of other values last."""
        return (*self.shares.values(), self.other)

    def row(self, column: Categories) -> Floats:
        """The window's shares of the pool's categories, that of other values last."""
        total = sum(column.counts.values())
        known = [column.counts.get(category, 0) for category in self.shares]
        return np.array([*known, total - sum(known)], dtype=np.float64) / total

    def distance(self, column: Categories) -> float:
        """Jensen-Shannon distance between the window and the pool; all values without a share of their own are one."""
        return float(jensen_shannon_rows(self.row(column)[None, :], np.array(self.whole)[None, :])[0])

    def unseen_share(self, column: Categories) -> float | None:
        """Share of the window's values that the pool never had; None when the pool has too many values to tell."""
        return None if self.other > 0 else float(self.row(column)[-1])


Pool = NumericPool | CategoricalPool


def area_between(rows: Floats, pool: Floats) -> Floats:
    """Distance of each row of areas from the pool's areas."""
    difference = rows - pool
    return np.asarray(np.abs(difference, out=difference).sum(axis=-1))


def areas_from_rest(rows: Floats, contributed: Floats, weighted: Floats, count: float) -> Floats:
    """Distance of each row of areas from what the pool is without it (see `perennial.drift.leave_one_out`).

    A row differs from the rest of a pool as it does from the whole pool, times count / (count - its own count).
    """
    return np.asarray(area_between(rows, weighted / count) * (count / (count - contributed)))


def shares_from_rest(rows: Floats, contributed: Floats, weighted: Floats, count: float) -> Floats:
    """Jensen-Shannon distance of each row of shares from what the pool is without it."""
    own = contributed[:, None]
    # Taking out what was added in another order leaves rounding errors around zero.
    return jensen_shannon_rows(rows, np.maximum((weighted - own * rows) / (count - own), 0))


def _areas(ordered: Floats, edges: Floats, mean: float, scale: float) -> Floats:
    """The area under the empirical distribution function below, between and (to 1) above the edges, per `scale`."""
    values, cuts = (ordered - mean) / scale, (edges - mean) / scale
    sums = np.concatenate([[0.0], np.cumsum(values)])
    below = np.searchsorted(values, cuts, side="right")
    to_the_left = (below * cuts - sums[below]) / len(values)
    above = (sums[-1] - sums[below[-1]]) / len(values) - (1 - below[-1] / len(values)) * cuts[-1]
    return np.concatenate([to_the_left[:1], np.diff(to_the_left), [above]])
