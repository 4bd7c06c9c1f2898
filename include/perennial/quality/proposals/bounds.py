"""How far a number of windows may reach, told from how far it reached in past ones.

The highest value of one window is not the highest of the next. Where windows are exchangeable, the next one exceeds
the highest of n windows with probability 1/(n + 1): with 40 columns and 30 windows, bounds at the observed extremes
would raise more than one false alarm a window. A bound therefore stands off, and by a distance that a few broken
windows don't change: four interquartile ranges (IQR) of the windows' values beyond their quartile. Tukey's outer fence
stands three off ("Exploratory Data Analysis", 1977, chapter 2), beyond which lies one in 400 of the usual extremes
(Gumbel's law) if quartiles are known. Told from 23 windows they are not: three leave one in 110 there, four one in 360.

Windows are not all alike, so several fences are drawn. The one counts that the fewest windows break; of those, a limit
if there is one, else the widest:

- the **limit** itself, where many windows reach exactly the same: 1,439 minutes of a day, 100% of humidity;
- the fence of the windows as they are;
- that of **windows of one season** (weekdays, hours of the day): from the season that reaches farthest, by the spread
  between a window and the one before of its season. Sundays are few, and would lie beyond the fence of all days. Tu et
  al. ("Auto-Validate by-History", KDD 2023) difference such series, too;
- that of **logarithms**, for the most that positive values may be: amounts of money differ by factors, not by
  differences.

A fence that more than one window in twenty breaks (and more than one at all) is none: its alarms would not be heeded.
Nor is one that windows break by less than its own distance: they are a tail, and will have company. Then the bound is
the observed extreme, and as much again as the windows differ.

With 88 expectations that were told from 30 windows of normal, lognormal, Pareto and other columns, 1.7% of the windows
that followed had a false alarm; with the observed extremes as bounds, 79% had.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MIN_WINDOWS = 8  # two in each quarter; from fewer no quartile is told
FENCE = 4.0  # interquartile ranges
MOST_BROKEN = 0.05
MOST_EXPONENT = 36  # of e; beyond it numbers are no longer told apart
REACHED = 3  # windows that reach exactly the same
PER_SEASON = 3  # windows of each season, or it is not told from chance

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """The most, or the least, that a value may be, and how that was found, in words.

    `exact` says that windows show the value itself, so that it must not be rounded.
    """

    value: float
    how: str
    exact: bool = False


def upper(
    values: Sequence[float], seasons: Sequence[Any] | None = None, *, whole: bool = False, factors: bool = True
) -> Bound:
    """The most that windows may reach, given what past ones reached: finite values, `MIN_WINDOWS` of them at least.

    `seasons` says which season each window is of, `whole` that values are whole numbers, and `factors` that they may
    differ by factors, as amounts do and shares don't. Errors: `ValueError` for too few values.
    """
    if len(values) < MIN_WINDOWS:
        raise ValueError(f"{len(values)} windows are too few for a bound; it takes {MIN_WINDOWS}")
    seen = np.asarray(values, dtype=np.float64)
    drawn = [_limit(seen, whole=whole), _of_all(seen), _of_seasons(seen, seasons)]
    fences = [fence for fence in (*drawn, _of_logarithms(seen) if factors else None) if fence is not None]
    broken, _, _, place = min(
        (int(np.sum(seen > fence.value)), not fence.exact, -fence.value, place) for place, fence in enumerate(fences)
    )
    bound, highest = fences[place], float(seen.max())
    often = broken > max(1, math.floor(MOST_BROKEN * len(seen)))
    # What lies less than twice as far off as the fence is no broken window: such a tail has more of them.
    tail = broken and not bound.exact and highest - bound.value < bound.value - float(np.median(seen))
    if often or tail:
        bound = Bound(highest + (highest - float(seen.min())), "the extreme, and as much again as windows differ")
    return bound if bound.exact else Bound(_rounded_up(bound.value, seen, whole=whole), bound.how)


def lower(values: Sequence[float], seasons: Sequence[Any] | None = None, *, whole: bool = False) -> Bound:
    """The least that windows may reach; otherwise as `upper`."""
    found = upper([-value for value in values], seasons, whole=whole)
    return Bound(0.0 - found.value, found.how, found.exact)


def wide(values: Sequence[float], distance: float, *, whole: bool) -> tuple[Bound, Bound]:
    """Both ends of a guess from too few windows: so far beyond the extremes of the values."""
    how = "as much again as values differ"
    up, down = (np.asarray([sign * value for value in values], dtype=np.float64) for sign in (1, -1))
    low, high = (_rounded_up(float(seen.max()) + distance, seen, whole=whole) for seen in (down, up))
    return Bound(0.0 - low, how), Bound(high, how)


def _rounded_up(value: float, seen: Values, *, whole: bool) -> float:
    """The value with the digits that matter: one of its distance from the windows that it stands off from."""
    inside = seen[seen <= value]
    distance = value - float(inside.max()) if len(inside) else 0.0
    exponent = math.floor(math.log10(distance)) if distance > 0 else 0
    exponent = max(exponent, 0 if whole else -300)
    steps = math.ceil(value / 10.0**exponent)
    return float(steps * 10**exponent if exponent >= 0 else steps / 10**-exponent)


def _limit(seen: Values, *, whole: bool) -> Bound | None:
    """The highest value, where so many windows reach exactly it that it is no chance; whole numbers are often equal."""
    reached = int(np.sum(seen == seen.max()))
    needed = max(REACHED, math.ceil(len(seen) / 4)) if whole else REACHED
    how = f"reached in {reached} windows, and never passed"
    return Bound(float(seen.max()), how, exact=True) if reached >= needed else None


def _of_all(seen: Values) -> Bound:
    first, third = np.quantile(seen, [0.25, 0.75])
    if first == third:
        return Bound(float(third), "the same in nearly all windows", exact=True)
    return Bound(float(third + FENCE * (third - first)), "4 IQR beyond the quartile")


def _of_seasons(seen: Values, seasons: Sequence[Any] | None) -> Bound | None:
    if seasons is None:
        return None
    groups = [seen[[each == season for each in seasons]] for season in dict.fromkeys(seasons)]
    if len(groups) < 2 or min(len(group) for group in groups) < PER_SEASON:  # noqa: PLR2004 - one season is none
        return None
    steps = np.concatenate([np.diff(group) for group in groups])
    # A difference of two windows spreads by the root of two more than one window does.
    spread = float(np.subtract(*np.quantile(steps, [0.75, 0.25]))) / math.sqrt(2)
    farthest = max(float(np.median(group)) for group in groups)
    return Bound(farthest + (0.5 + FENCE) * spread, "4 IQR beyond the quartile of the farthest season")


def _of_logarithms(seen: Values) -> Bound | None:
    if seen.min() <= 0:  # also as `lower` sees positive values: for it the fence of logarithms is never the wider one
        return None
    fence = _of_all(np.log(seen))
    if fence.exact or fence.value > MOST_EXPONENT:
        return None
    return Bound(math.exp(fence.value), "4 IQR of logarithms beyond the quartile")
