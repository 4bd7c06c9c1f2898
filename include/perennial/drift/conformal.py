"""How unusual a window is among others, so that the answer is right for any distribution.

All windows, the new one among them, are treated alike: each is measured against the pool of all others. If the windows
are exchangeable (any order of them as likely as any other), the rank of the new one's score among all n + 1 is uniform
up to ties, so that P(p <= level) <= level for any n, any level and any score that ignores the order: the validity of
full conformal prediction (Vovk, Gammerman and Shafer, 2005, Algorithmic Learning in a Random World, chapter 2).
"""

import numpy as np

from perennial.arrays import Floats
from perennial.drift.distances import jensen_shannon_rows

# Scores closer than this are tied: rounding must not decide whether equal windows are equal.
TIED = 1e-5
# Beyond this, squares leave the range of a float; everything so far away is equally far.
FARTHEST = 1e100


def areas_from_rest(shapes: Floats, weights: Floats) -> Floats:
    """Each window's Wasserstein-1 distance from the pool of all others (`shapes`: n x k areas, `weights`: n)."""
    return np.asarray(np.abs(shapes - _rest(shapes, weights)).sum(axis=1))


def shares_from_rest(shapes: Floats, weights: Floats) -> Floats:
    """Each window's Jensen-Shannon distance from the pool of all others (`shapes`: n x k shares, `weights`: n)."""
    # Taking out what was added in another order leaves rounding errors around zero.
    return jensen_shannon_rows(shapes, np.maximum(_rest(shapes, weights), 0.0))


def standardised(distances: Floats, negligible: float, floor: float) -> Floats:
    """By how many SDs of the others' distances each distance is larger than their mean.

    A distance below `negligible` counts as `negligible`, so that windows too close to matter are tied; SDs below
    `floor` count as `floor`. Where a distance is NaN (not measured), the score is minus infinity.
    """
    measured = ~np.isnan(distances)
    scores = np.full(len(distances), -np.inf)
    found = np.clip(distances[measured], negligible, FARTHEST)
    found -= np.median(found)  # squares of what is near 0 keep the digits of the spread
    mean, n = _mean_of_others(found), len(found)
    variance = (_mean_of_others(found**2) - mean**2) * (n - 1) / (n - 2)
    scores[measured] = (found - mean) / np.maximum(np.sqrt(np.maximum(variance, 0.0)), floor)
    return scores


def p_value(others: Floats, score: float) -> float:
    """The conformal p-value of a score: the share of scores, itself included, that are at least as large."""
    return float((1 + np.count_nonzero(others >= score - TIED)) / (1 + len(others)))


def _mean_of_others(values: Floats) -> Floats:
    """For each value the mean of all others, from what is before and behind it: an outlier that was in a sum is not
    got out of it by subtracting.
    """
    before = np.concatenate([[0.0], np.cumsum(values[:-1])])
    behind = np.concatenate([np.cumsum(values[:0:-1])[::-1], [0.0]])
    return np.asarray((before + behind) / (len(values) - 1))


def _rest(shapes: Floats, weights: Floats) -> Floats:
    """For each window, the pool of all others."""
    own = weights[:, None]
    return np.asarray((weights @ shapes - own * shapes) / (weights.sum() - own))
