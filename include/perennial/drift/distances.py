"""Distances between two distributions. Each states its unit, its range and its source."""

import numpy as np
from numpy.typing import ArrayLike

from perennial.arrays import Floats
from perennial.errors import NotEnoughData

# An empty bin would make the population stability index infinite; it counts as this share instead.
EMPTY_BIN_SHARE = 1e-4


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """Jensen-Shannon distance of two discrete distributions, with logarithms to base 2; 0 to 1.

    The square root of the divergence of Lin (1991, IEEE Transactions on Information Theory 37(1)), which is a
    metric (Endres and Schindelin, 2003, ibid. 49(7)). Shares or counts over the same categories, in the same order.

    >>> jensen_shannon([1, 0], [0, 1])
    1.0
    """
    p, q = _shares(p), _shares(q)
    return float(jensen_shannon_rows(p[None, :], q[None, :])[0])


def jensen_shannon_rows(p: Floats, q: Floats) -> Floats:
    """`jensen_shannon` of each row of `p` (windows x categories, shares) and the same row of `q`."""
    between = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    return np.sqrt(np.clip(between, 0, 1))


def population_stability_index(p: ArrayLike, q: ArrayLike) -> float:
    """Population stability index of two discrete distributions, with natural logarithms; 0 to infinity.

    Jeffreys' divergence (1946, Proceedings of the Royal Society A 186): the relative entropies in both directions,
    added. Empty bins count as `EMPTY_BIN_SHARE`. Its customary limits (0.1, 0.25; Siddiqi, 2006) depend on the
    number of rows and bins (Yurdakul and Naranjo, 2020, Journal of Risk Model Validation 14(4)).

    >>> round(population_stability_index([0.5, 0.5], [0.25, 0.75]), 4)
    0.2747
    """
    floored = [np.maximum(_shares(shares), EMPTY_BIN_SHARE) for shares in (p, q)]
    a, b = (shares / shares.sum() for shares in floored)
    return float(((a - b) * np.log(a / b)).sum())


def hellinger(p: ArrayLike, q: ArrayLike) -> float:
    """Hellinger distance of two discrete distributions; 0 to 1 (Hellinger, 1909, Crelle's Journal 136).

    >>> hellinger([1, 0], [0, 1])
    1.0
    """
    return float(np.sqrt(np.square(np.sqrt(_shares(p)) - np.sqrt(_shares(q))).sum() / 2))


def chi_squared(p: ArrayLike, q: ArrayLike) -> float:
    """Pearson's (1900, Philosophical Magazine 50) statistic of homogeneity of two samples' counts; 0 to infinity.

    Without a p-value: it grows with the number of rows, which are not independent within a window.

    >>> round(chi_squared([10, 20], [20, 10]), 4)
    6.6667
    """
    samples = [np.asarray(counts, dtype=np.float64) for counts in (p, q)]
    for counts in samples:
        _shares(counts)
    table = np.array(samples)
    expected = table.sum(axis=1)[:, None] * table.sum(axis=0) / table.sum()
    filled = expected > 0
    return float((np.square(table - expected)[filled] / expected[filled]).sum())


def _entropy(p: Floats) -> Floats:
    """Shannon's entropy of each row, in bits."""
    return np.asarray(-(p * np.log2(np.where(p > 0, p, 1.0))).sum(axis=-1))


def _shares(weights: ArrayLike) -> Floats:
    values = np.asarray(weights, dtype=np.float64)
    total = values.sum()
    if not values.size or not total > 0 or values.min() < 0:
        raise NotEnoughData("A distance needs counts or shares, none negative and not all zero, on both sides.")
    return np.asarray(values / total)
