"""How long labels take to come, learnt from windows whose labels are complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from perennial.arrays import Floats
from perennial.ledger.port import Ledger
from perennial.performance.delay import FEWEST_WINDOWS, GRID, TAILS
from perennial.spec.models import UseCase
from perennial.window import Window

WINDOWS = 90
SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Reached:
    """How long after a window's end this share of its labels was there, in seconds.

    Of the labels that came in the end. `median` over windows, and the ages between which 90% of them lie.
    """

    share: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class LabelDelay:
    """The share of a window's rows that are settled at an age: the median, and the range of 90% of the windows.

    A row is settled when it has a label, or when it is known that none will come. `ages` are in seconds since the
    window's end. `windows` final windows from `first` to `last` taught it. `mature_after` is the time after which the
    spec counts labels as complete, `give_up_after` how much longer overdue ones are asked for, both in seconds.
    Below `FEWEST_WINDOWS` windows the curve is empty.
    """

    windows: int
    fewest: int
    first: Window | None
    last: Window | None
    ages: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    reached: tuple[Reached, ...]
    mature_after: float
    give_up_after: float


def run(spec: UseCase, as_of: datetime, ledger: Ledger) -> LabelDelay:
    """The delay of labels in the last final windows, as known at `as_of`. Errors: `StoreUnavailable`."""
    final = ledger.last_final(spec.name, as_of, WINDOWS)
    known = [each for each in final if len(each.arrivals) == len(GRID) and each.arrivals[-1] > 0]
    mature = spec.labels.mature_after
    enough = len(known) >= FEWEST_WINDOWS
    shares = np.array([each.arrivals for each in known])
    middle, (low, high) = (np.median(shares, axis=0), np.quantile(shares, TAILS, axis=0)) if enough else ((), ((), ()))
    return LabelDelay(
        windows=len(known),
        fewest=FEWEST_WINDOWS,
        first=known[0].window if known else None,
        last=known[-1].window if known else None,
        ages=tuple(_ages(mature).tolist()) if enough else (),
        median=tuple(float(each) for each in middle),
        low=tuple(float(each) for each in low),
        high=tuple(float(each) for each in high),
        reached=tuple(_reached(shares, share, mature) for share in SHARES) if enough else (),
        mature_after=mature.total_seconds(),
        give_up_after=spec.labels.give_up_after.total_seconds(),
    )


def age_at(shares: Sequence[float], share: float, ages: Sequence[float]) -> float:
    """The age at which so much was there of all that came, between two ages of the grid on a straight line.

    >>> age_at([0.0, 0.4, 0.8, 0.8], 0.75, [0.0, 10.0, 20.0, 30.0])
    15.0
    """
    wanted = share * shares[-1]
    after = int(np.searchsorted(shares, wanted - 1e-12))
    if after == 0:
        return float(ages[0])
    before = shares[after - 1]
    part = (wanted - before) / (shares[after] - before)
    return float(ages[after - 1] + part * (ages[after] - ages[after - 1]))


def _reached(shares: Floats, share: float, mature_after: timedelta) -> Reached:
    ages = _ages(mature_after).tolist()
    found = [age_at(each.tolist(), share, ages) for each in shares]
    low, high = np.quantile(found, TAILS)
    return Reached(share, float(np.median(found)), float(low), float(high))


def _ages(mature_after: timedelta) -> Floats:
    ages: Floats = np.array(GRID) * mature_after.total_seconds()
    return ages
