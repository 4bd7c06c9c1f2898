"""How far apart two ordinary windows are: the yardstick for a column of any two windows."""

import numpy as np

from perennial.arrays import Floats
from perennial.drift.profiles.bins import Counts
from perennial.drift.reference import MIN_WINDOWS, ColumnReference, shape_of

MOST_WINDOWS = 60  # of the reference's, the last ones: 1,770 pairs


def share_closer(reference: ColumnReference, before: Counts | None, after: Counts | None) -> float | None:
    """The share of pairs of the reference's windows whose values lie less far apart than those of these two.

    Distances are those of drift: the Wasserstein distance for numbers, for categories the sum of differences of
    shares. None where one of the two has no values, or the reference has fewer than `MIN_WINDOWS` windows with any.
    """
    if reference.bins is None or before is None or after is None or not before.usable or not after.usable:
        return None
    usable = np.array(reference.usable) > 0
    shapes = reference.shapes[usable][-MOST_WINDOWS:]
    apart = np.abs(shape_of(reference.bins, before) - shape_of(reference.bins, after)).sum()
    return _share_below(shapes, float(apart))


def share_closer_in_missing(
    reference: ColumnReference, rows: tuple[int, ...], before: float, after: float
) -> float | None:
    """The same for the shares of missing values; `rows` are the sizes of the reference's windows."""
    sizes = np.array(rows, dtype=np.float64)
    rates = 1 - np.array(reference.usable)[sizes > 0] / sizes[sizes > 0]
    return _share_below(rates[-MOST_WINDOWS:, None], abs(after - before))


def _share_below(shapes: Floats, apart: float) -> float | None:
    if len(shapes) < MIN_WINDOWS:
        return None
    one, other = np.triu_indices(len(shapes), 1)
    distances = np.abs(shapes[one] - shapes[other]).sum(axis=1)
    return float(np.mean(distances < apart))
