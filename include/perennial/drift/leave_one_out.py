"""How far ordinary windows lie from each other: every reference window, measured as if it were new."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perennial.drift.values import Floats

# Given windows as rows (n x k), the counts that each of them contributes to a pool (n), and the pool's weighted sum of
# rows (k) and its count: the distance of each window from what the pool is without it (n).
DistanceFromRest = Callable[[Floats, Floats, Floats, float], Floats]


@dataclass(frozen=True)
class LeaveOneOut:
    """For each of n windows: its distance from the pool of the others, and that distance as a standardised score."""

    distances: Floats
    scores: Floats


def leave_one_out(rows: Floats, counts: Floats, distance: DistanceFromRest, floor: float) -> LeaveOneOut:
    """Measure each window as if the reference were fitted on the others only (the jackknife).

    `rows` (n x k) are the windows' distributions in a form that mixes linearly, `counts` their weights. A new window
    is compared with the pool of n windows, and its distance standardised with the n distances of those windows from
    the pool of their others. So window i is compared with the pool of the n - 1 others, and standardised with the
    distances of those n - 1 from the pool of their n - 2 others, from which i is absent altogether. What
    remains is the difference of n and n - 1, for which the jackknife has no guarantee at finite n (Barber, Candes,
    Ramdas and Tibshirani, 2021, Annals of Statistics 49(1)): `docs/drift.md` has measurements.

    `floor` is the least SD to divide by. Needs n >= 3.
    """
    n = len(rows)
    total, weighted = float(counts.sum()), counts @ rows
    distances, scores = np.empty(n), np.empty(n)
    for i in range(n):
        contributed = counts.copy()
        contributed[i] = 0  # window i is new: the pool is without it from the start
        measured = distance(rows, contributed, weighted - counts[i] * rows[i], total - float(counts[i]))
        distances[i] = measured[i]
        scores[i] = standardise(float(measured[i]), *centre_and_spread(np.delete(measured, i), floor))
    return LeaveOneOut(distances, scores)


def centre_and_spread(distances: Floats, floor: float) -> tuple[float, float]:
    """Mean and sample SD of distances, the SD at least `floor`."""
    return float(distances.mean()), max(float(distances.std(ddof=1)), floor)


def standardise(distance: float, mean: float, sd: float) -> float:
    """By how many SDs of ordinary distances the distance is larger than an ordinary one."""
    return float((distance - mean) / sd)
