"""Axes: where labels stand, and what they say."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import escape

MONTH_APART, DAY_APART = 34.0, 64.0  # pixels that a label takes
FEW_TICKS = 4


@dataclass(frozen=True)
class Scale:
    """From values between `low` and `high` to pixels from `first` to `last`; what lies outside is put at the end."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """The pixel of the value."""
        share = (value - self.low) / (self.high - self.low)
        return self.first + min(max(share, 0.0), 1.0) * (self.last - self.first)


def time_scale(start: datetime, end: datetime, first: float, last: float) -> Scale:
    """Seconds since the epoch to pixels."""
    return Scale(start.timestamp(), end.timestamp(), first, last)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`, about four.

    >>> ticks(0.61, 0.79)
    [0.65, 0.7, 0.75]
    """
    rough = (high - low) / FEW_TICKS
    if rough <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def dates(start: datetime, end: datetime, zone: str, pixels: float) -> Iterator[tuple[datetime, str]]:
    """Where dates stand on an axis of that many pixels, and what they say: months, or days if they have room."""
    local = start.astimezone(ZoneInfo(zone))
    days = max((end - start) / timedelta(days=1), 1e-9)
    each_day = pixels / days
    if each_day * 31 < MONTH_APART * 3.5:
        yield from _months(local, end, each_day)
        return
    every = next(count for count in (1, 2, 7, 14, 28) if count * each_day >= DAY_APART or count == 28)  # noqa: PLR2004
    at = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if at < local:
        at += timedelta(days=1)
    first = True
    while at < end:
        year = f" {at:%Y}" if first or (at.month == 1 and at.day <= every) else ""
        yield at, f"{at.day} {at:%b}{year}"
        first = False
        at += timedelta(days=every)


def _months(local: datetime, end: datetime, each_day: float) -> Iterator[tuple[datetime, str]]:
    every = next(count for count in (1, 3, 6, 12) if count * 30 * each_day >= MONTH_APART or count == 12)  # noqa: PLR2004
    at = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    first = True
    while at < end:
        if at >= local and (at.month - 1) % every == 0:
            yield at, f"{at:%b %Y}" if first or at.month == 1 else f"{at:%b}"
            first = False
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)


def written(labels: Sequence[tuple[float, str]], y: float, until: float) -> str:
    """Labels at their places; one that would run into its neighbour, or beyond `until`, is left out."""
    drawn, free = [], -math.inf
    for x, text in labels:
        width = 6.2 * len(text) + 4
        if x >= free and x + width <= until + 1:
            drawn.append(f'<text x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>')
            free = x + width
    return "".join(drawn)
