"""Resamples of windows, or of rows where there are too few windows: the same ones for everything that is compared."""

from collections.abc import Iterator

import numpy as np

from perennial.arrays import Floats
from perennial.judgement.rows import Units
from perennial.performance.interval import CHANCE_OF_ROW, RESAMPLED_AT_ONCE

RESAMPLES = 999
MANY = 1_000  # units; so many Poisson counts sum up to nearly the same in each resample


def resamples(units: Units, columns: int = 1) -> Iterator[Floats]:
    """How often each unit is in each resample, shape (some resamples, units), in parts that fit into memory.

    Always the same: the seed is fixed. A part is so small that it may be multiplied out to `columns` values for each
    resample. Many units are drawn by Poisson counts (Hanley and MacGibbon, 2006, Computer Methods and Programs in
    Biomedicine 83).
    """
    random = np.random.default_rng(0)
    at_once = max(1, RESAMPLED_AT_ONCE // max(units.count, columns))
    for begin in range(0, RESAMPLES, at_once):
        times = min(at_once, RESAMPLES - begin)
        if units.count > MANY:
            yield random.poisson(CHANCE_OF_ROW, (times, units.count)).astype(np.float64)
        else:
            even = np.full(units.count, 1 / units.count)
            yield random.multinomial(units.count, even, times).astype(np.float64)
