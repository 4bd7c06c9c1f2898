"""The reference's own bins, and exact counts in them.

All that drift is measured by is a window's counts in the reference's bins. They are small, and those of several windows
add up. A null, a value that is not finite and a category that the reference never had are counted apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from perennial.arrays import Floats
from perennial.drift.profiles.values import Categories, Numbers

QUANTILES = 64
MAX_CATEGORIES = 200
# A spread this small beside the mean is rounding, not variation.
NEGLIGIBLE_SPREAD = 1e-9
# Smaller than any measurement's unit: dividing by it could leave the range of a float.
SMALLEST_SCALE = 1e-100


@dataclass(frozen=True)
class NumericCounts:
    """Numbers in `NumericBins`: how many lie in each bin, and their sum there, as `(value - centre) / scale`."""

    counts: tuple[int, ...]
    sums: tuple[float, ...]
    rows: int
    missing: int
    non_finite: int

    @property
    def usable(self) -> int:
        """How many rows have a finite number."""
        return self.rows - self.missing - self.non_finite

    @property
    def mean(self) -> float | None:
        """The mean of the finite numbers, as `(mean - centre) / scale`."""
        return sum(self.sums) / self.usable if self.usable else None

    def merge(self, other: "NumericCounts") -> "NumericCounts":
        """Both together; the bins must be the same."""
        return NumericCounts(
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            sums=tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            non_finite=self.non_finite + other.non_finite,
        )


@dataclass(frozen=True)
class CategoryCounts:
    """Categories in `CategoricalBins`: how often each of these occurs, all others (`elsewhere`), and nulls."""

    counts: tuple[int, ...]
    elsewhere: int
    rows: int
    missing: int

    @property
    def usable(self) -> int:
        """How many rows have a category."""
        return self.rows - self.missing

    def merge(self, other: "CategoryCounts") -> "CategoryCounts":
        """Both together; the bins must be the same."""
        return CategoryCounts(
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            elsewhere=self.elsewhere + other.elsewhere,
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
        )


@dataclass(frozen=True)
class NumericBins:
    """Bins between the quantiles of the reference's pooled values: `(-inf, e0], (e0, e1], ..., (ek, inf)`.

    `edges` are the quantiles at `QUANTILES` even steps, the smallest and largest value included, without repetition.
    `scale` is the unit of distances: the SD or, when the column is `constant`, the constant's own size (1 for zero).
    """

    edges: tuple[float, ...]
    centre: float
    scale: float
    constant: bool
    type: Literal["numeric"] = "numeric"

    @classmethod
    def of(cls, windows: Sequence[Numbers]) -> "NumericBins | None":
        """The bins of all windows' values together; None without a value."""
        pooled = np.sort(np.concatenate([window.values for window in windows])) if windows else np.empty(0)
        if not pooled.size:
            return None
        mean, sd = float(pooled.mean()), float(pooled.std())
        constant = sd <= max(NEGLIGIBLE_SPREAD * abs(mean), SMALLEST_SCALE)
        size = abs(mean) if abs(mean) > SMALLEST_SCALE else 1.0
        edges = np.unique(pooled[np.linspace(0, len(pooled) - 1, QUANTILES + 1).round().astype(int)])
        return cls(tuple(edges.tolist()), mean, size if constant else sd, constant)

    @property
    def unit(self) -> str:
        """What a distance of 1 is."""
        return "times the reference's constant value" if self.constant else "reference SDs"

    @property
    def cuts(self) -> Floats:
        """The edges, as `(edge - centre) / scale`."""
        return (np.array(self.edges) - self.centre) / self.scale

    def count(self, ordered: Floats, column: Numbers) -> NumericCounts:
        """The column's values in these bins; `ordered` are its finite ones in ascending order."""
        below = np.searchsorted(ordered, np.array(self.edges), side="right")
        borders = np.concatenate([[0], below, [len(ordered)]])
        counts = np.diff(borders)
        sums = np.zeros(len(counts))
        filled = counts > 0
        if filled.any():
            centred = (ordered - self.centre) / self.scale
            sums[filled] = np.add.reduceat(centred, borders[:-1][filled])
        return NumericCounts(
            tuple(counts.tolist()), tuple(sums.tolist()), column.rows, column.missing, column.non_finite
        )

    def shape(self, counted: NumericCounts) -> Floats:
        """The areas under the counted values' distribution function between the edges, in units of `scale`.

        The first and last one reach to infinity, the last above the function. Two shapes differ, summed over all
        areas, by the Wasserstein-1 distance, apart from bins in which the two functions cross; and the shape of two
        windows together is the mean of theirs, weighted by their counts. Needs a value.
        """
        cuts, counts, sums = self.cuts, np.array(counted.counts, dtype=np.float64), np.array(counted.sums)
        below = np.cumsum(counts)[:-1]  # up to each edge
        widths = np.diff(cuts)
        first = counts[0] * cuts[0] - sums[0]
        inner = below[:-1] * widths + counts[1:-1] * cuts[1:] - sums[1:-1]
        last = sums[-1] - counts[-1] * cuts[-1]
        # An area is never negative; subtracting equal numbers may leave a rounding error that is.
        return np.asarray(np.maximum(np.concatenate([[first], inner, [last]]), 0.0) / counts.sum())


@dataclass(frozen=True)
class CategoricalBins:
    """One bin for each of the reference's `MAX_CATEGORIES` most frequent categories, and one for all others.

    When the reference had no `others`, what falls there is a category that it never had.
    """

    categories: tuple[str, ...]
    others: bool
    type: Literal["categorical"] = "categorical"

    @classmethod
    def of(cls, windows: Sequence[Categories]) -> "CategoricalBins | None":
        """The bins of all windows' categories together; None without one."""
        counts: dict[str, int] = {}
        for window in windows:
            for category, count in window.counts.items():
                counts[category] = counts.get(category, 0) + count
        if not counts:
            return None
        ordered = sorted(counts, key=lambda category: (-counts[category], category))
        return cls(tuple(ordered[:MAX_CATEGORIES]), len(ordered) > MAX_CATEGORIES)

    @property
    def unit(self) -> str:
        """What a distance of 1 is."""
        return "Jensen-Shannon distance (base 2)"

    def count(self, column: Categories) -> CategoryCounts:
        """The column's categories in these bins."""
        known = tuple(column.counts.get(category, 0) for category in self.categories)
        return CategoryCounts(known, column.rows - column.missing - sum(known), column.rows, column.missing)

    def shape(self, counted: CategoryCounts) -> Floats:
        """The shares of the categories, that of all others last. Needs a category."""
        return np.array([*counted.counts, counted.elsewhere], dtype=np.float64) / counted.usable

    def unseen_share(self, counted: CategoryCounts) -> float | None:
        """Share of values that the reference never had; None when it had too many categories to tell."""
        return None if self.others or not counted.usable else counted.elsewhere / counted.usable


Bins = NumericBins | CategoricalBins
Counts = NumericCounts | CategoryCounts
