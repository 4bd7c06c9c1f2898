"""How many false alarms a user accepts, in the user's terms, and what that is for one window."""

import re
from dataclasses import dataclass
from enum import StrEnum

from perennial.errors import InvalidSpec
from perennial.window import Every


class Period(StrEnum):
    """What false alarms are counted in."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


# The mean Gregorian month and year.
_HOURS = {Period.DAY: 24.0, Period.WEEK: 168.0, Period.MONTH: 730.485, Period.YEAR: 8765.82}
_HOURS_OF_WINDOW = {Every.HOUR: 1.0, Every.DAY: 24.0, Every.WEEK: 168.0, Every.MONTH: 730.485}
_WISH = re.compile(r"(\d+(?:\.\d+)?) per (day|week|month|year)")


@dataclass(frozen=True)
class FalseAlarms:
    """So many false alarms are accepted in a period, on average over ordinary windows.

    >>> round(FalseAlarms.parse("1 per month").level(Every.DAY), 4)
    0.0329
    """

    count: float
    per: Period

    @classmethod
    def parse(cls, text: str) -> "FalseAlarms":
        """The wish that a user wrote, such as `1 per month` or `0.5 per year`.

        Errors: `InvalidSpec` when it can't be read, or wishes for none at all.
        """
        found = _WISH.fullmatch(text.strip())
        if found is None or float(found[1]) <= 0:
            raise InvalidSpec(
                f"{text!r} doesn't say how many false alarms are accepted. Write a number above 0 and a period, "
                "such as '1 per month' or '0.5 per year'."
            )
        return cls(float(found[1]), Period(found[2]))

    def __str__(self) -> str:
        return f"{self.count:g} per {self.per}"

    @property
    def per_year(self) -> float:
        """So many in a mean year."""
        return self.count * _HOURS[Period.YEAR] / _HOURS[self.per]

    def level(self, every: Every) -> float:
        """The share of ordinary windows on which an alarm is accepted.

        Errors: `InvalidSpec` when there are not that many windows in the period.
        """
        windows = _HOURS[self.per] / _HOURS_OF_WINDOW[every]
        if self.count >= windows:
            raise InvalidSpec(
                f"{self} can't be kept apart from an alarm on every window: a {self.per} has {windows:.3g} windows of "
                f"one {every}. Accept fewer false alarms."
            )
        return self.count / windows


def windows_per_year(every: Every) -> int:
    """How many windows a mean year has."""
    return round(_HOURS[Period.YEAR] / _HOURS_OF_WINDOW[every])
