"""When labels come, learnt from final windows, and how far partial figures moved until they were final."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from perennial.arrays import Floats

# Ages of a window, as fractions of the time after which its labels count as complete.
GRID = tuple(float(each) for each in np.linspace(0, 1, 21))
FEWEST_WINDOWS = 5
TAILS = (0.05, 0.95)


@dataclass(frozen=True)
class DelayCurve:
    """The share of a window's rows that are settled at an age: the mean, and the range of 90% of the windows.

    A row is settled when it has a label, or when it is known that no outcome will come. `ages` are in seconds since the
    window's end. Rows of which nothing is ever heard keep the curve's end below 1.
    """

    ages: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    windows: int

    def expected(self, age: timedelta) -> tuple[float, float, float]:
        """The low, mean and high share to expect at that age since the window's end."""
        at = age.total_seconds()
        low, mean, high = (float(np.interp(at, self.ages, each)) for each in (self.low, self.mean, self.high))
        return low, mean, high


@dataclass(frozen=True)
class Movement:
    """By how much partial figures moved until they were final: the mean, and the range of 90% of the windows."""

    mean: float
    low: float
    high: float
    windows: int


def settled_by_age(arrivals: Floats, mature_after: timedelta) -> npt.NDArray[np.int64]:
    """How many labels had come at each age of `GRID`.

    `arrivals` are the labels' arrival times in seconds since the window's end, negative before it.
    """
    ages = np.array(GRID) * mature_after.total_seconds()
    return np.searchsorted(np.sort(arrivals), ages, side="right")


def shares_by_age(settled: npt.NDArray[np.int64], rows: int) -> tuple[float, ...]:
    """The share of all predicted rows that were settled at each age of `GRID`; empty without rows."""
    return tuple((settled / rows).tolist()) if rows else ()


def learn_delay(final_windows: Sequence[Sequence[float]], mature_after: timedelta) -> DelayCurve | None:
    """The curve of windows whose `shares_by_age` are known; None below `FEWEST_WINDOWS`.

    Only final windows can teach: of younger ones the late labels are missing, and they would look quicker than they
    are (right truncation; Lagakos, Barraj and De Gruttola, 1988, Biometrika 75).
    """
    known = [shares for shares in final_windows if len(shares) == len(GRID)]
    if len(known) < FEWEST_WINDOWS:
        return None
    shares = np.array(known)
    low, high = np.quantile(shares, TAILS, axis=0)
    return DelayCurve(
        ages=tuple(each * mature_after.total_seconds() for each in GRID),
        mean=tuple(shares.mean(axis=0).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        windows=len(known),
    )


def usual_share(completeness: Sequence[float]) -> float | None:
    """The share of rows that are settled in the end, from windows that are final: the median.

    A few windows that were counted too soon hardly change it. None below `FEWEST_WINDOWS`.
    """
    return float(np.median(completeness)) if len(completeness) >= FEWEST_WINDOWS else None


def moved(pairs: Sequence[tuple[float, float]]) -> Movement | None:
    """How far figures moved from (first) partial to (second) final; None below `FEWEST_WINDOWS` windows.

    Which labels come first is no accident: a late flight's label comes late. A partial figure is biased by it, and
    this says by how much it was in the past.
    """
    if len(pairs) < FEWEST_WINDOWS:
        return None
    differences = np.array([final - partial for partial, final in pairs])
    low, high = np.quantile(differences, TAILS)
    return Movement(float(differences.mean()), float(low), float(high), len(pairs))
