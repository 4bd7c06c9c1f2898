"""All measures of one column's drift, from counts in the reference's bins."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perennial.arrays import Floats
from perennial.drift.distances import chi_squared, hellinger, jensen_shannon, population_stability_index
from perennial.drift.profiles.bins import CategoricalBins, CategoryCounts, NumericBins, NumericCounts

GROUPS = 10
DIGITS = range(4, 18)  # of a bar's ends, as many as it takes to tell them apart


@dataclass(frozen=True)
class Bar:
    """A bar of a column's histogram: the share of all rows that fall there, in the reference and in the window."""

    label: str
    reference: float
    window: float


@dataclass(frozen=True)
class Measures:
    """How far a column lies from the reference, by all customary measures; those that its kind doesn't have are None.

    `wasserstein` (Vallender, 1974) is in the bins' unit, and too small by at most what lies in bins where the two
    distribution functions cross; `kolmogorov_smirnov` (Smirnov, 1939) is the largest gap at the bins' edges, too small
    by at most the share of one bin. `rank_shift` is the chance that a value of the window is larger than one of the
    reference, minus the chance that it is smaller: -1 to 1, 0 without a shift (Cliff, 1993, Psychological Bulletin
    114(3); the rank-sum statistic of Mann and Whitney, 1947). Within a bin, values count as equal.

    The others are over `bars`: up to `GROUPS` groups of bins of about equal share in the reference (categories: the
    bins themselves), and one each for missing values, those not finite, and categories without a bin.
    """

    bars: tuple[Bar, ...]
    wasserstein: float | None
    kolmogorov_smirnov: float | None
    rank_shift: float | None
    jensen_shannon: float
    population_stability_index: float
    hellinger: float
    chi_squared: float


def measure_numbers(bins: NumericBins, reference: NumericCounts, window: NumericCounts) -> Measures:
    """The measures of a numeric column; both must have at least one row."""
    ours, theirs = np.array(reference.counts, dtype=np.float64), np.array(window.counts, dtype=np.float64)
    groups = _groups(ours)
    labels = [*_labels(bins, groups), "missing", "not finite"]
    p = [*np.bincount(groups, ours), reference.missing, reference.non_finite]
    q = [*np.bincount(groups, theirs), window.missing, window.non_finite]
    if not ours.sum() or not theirs.sum():
        return _over_bars(labels, p, q, None, None, None)
    shapes = bins.shape(reference), bins.shape(window)
    apart = float(np.abs(shapes[0] - shapes[1]).sum())
    f, g = np.cumsum(ours) / ours.sum(), np.cumsum(theirs) / theirs.sum()
    middle = f - ours / ours.sum() / 2  # a bin's own values are half below, half above
    shift = float(2 * (middle @ theirs) / theirs.sum() - 1)
    return _over_bars(labels, p, q, apart, float(np.abs(f - g).max()), shift)


def measure_categories(bins: CategoricalBins, reference: CategoryCounts, window: CategoryCounts) -> Measures:
    """The measures of a categorical column; both must have at least one row."""
    named = set(bins.categories)
    others = _unlike(named, "all others" if bins.others else "never seen before")
    labels = [*bins.categories, others, _unlike(named, "missing")]
    p = [*reference.counts, reference.elsewhere, reference.missing]
    q = [*window.counts, window.elsewhere, window.missing]
    return _over_bars(labels, p, q, None, None, None)


def _over_bars(
    labels: list[str],
    p: list[float] | list[int],
    q: list[float] | list[int],
    wasserstein: float | None,
    kolmogorov_smirnov: float | None,
    rank_shift: float | None,
) -> Measures:
    rows = float(sum(p)), float(sum(q))
    bars = tuple(
        Bar(label, float(ours) / rows[0], float(theirs) / rows[1])
        for label, ours, theirs in zip(labels, p, q, strict=True)
        if ours or theirs
    )
    return Measures(
        bars=bars,
        wasserstein=wasserstein,
        kolmogorov_smirnov=kolmogorov_smirnov,
        rank_shift=rank_shift,
        jensen_shannon=jensen_shannon(p, q),
        population_stability_index=population_stability_index(p, q),
        hellinger=hellinger(p, q),
        chi_squared=chi_squared(p, q),
    )


def _groups(counts: Floats) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Which group each bin belongs to: neighbours, by the middle of the bin's ranks; groups are numbered from 0."""
    shares = counts / max(float(counts.sum()), 1.0)
    tenths = np.minimum((np.cumsum(shares) - shares / 2) * GROUPS, GROUPS - 1).astype(np.int64)
    return np.unique(tenths, return_inverse=True)[1]


def _labels(bins: NumericBins, groups: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[str]:
    """The groups as intervals, no two alike; bin i ends at edge i, and the last bin has no end."""
    last = [int(np.flatnonzero(groups == group)[-1]) for group in range(int(groups[-1]) + 1)]
    if not last[:-1]:
        return ["all numbers"]
    for digits in DIGITS:
        ends = [f"{bins.edges[i]:.{digits}g}" for i in last[:-1]]
        if len(set(ends)) == len(ends):
            break
    inner = [f"{low} to {high}" for low, high in pairwise(ends)]
    return [f"up to {ends[0]}", *inner, f"above {ends[-1]}"]


def _unlike(categories: Collection[str], label: str) -> str:
    """The label, in brackets where a category is called that."""
    while label in categories:
        label = f"({label})"
    return label
