"""How many false alarms a user accepts, in the user's terms, and what that is for one window."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from perennial.errors import InvalidSpec
from perennial.spec.problems import Problem, broken_rules
from perennial.window import Every


class Period(StrEnum):
    """The unit of time over which false alarms are counted."""

    WINDOW = "window"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


# The mean Gregorian month and year.
_HOURS = {Period.DAY: 24.0, Period.WEEK: 168.0, Period.MONTH: 730.485, Period.YEAR: 8765.82}
_HOURS_OF_WINDOW = {Every.HOUR: 1.0, Every.DAY: 24.0, Every.WEEK: 168.0, Every.MONTH: 730.485} | {
    every: float(every.hours) for every in Every if every.hours is not None
}
_PATTERN = r"(\d+(?:\.\d+)?) per (?:(\d+) )?(window|day|week|month|year)(s?)"
_WISH = re.compile(_PATTERN)


@dataclass(frozen=True)
class FalseAlarms:
    """How many false alarms are accepted, in how many periods, on average over ordinary windows.

    >>> round(FalseAlarms.parse("1 per month").level(Every.DAY), 4)
    0.0329
    >>> FalseAlarms.parse("1 per 20 windows").level(Every.HOUR)
    0.05
    """

    count: float
    per: Period
    periods: int = 1

    @classmethod
    def parse(cls, text: str) -> "FalseAlarms":
        """The budget that a user wrote, such as `1 per month`, `0.5 per year` or `1 per 20 windows`.

        Errors: `InvalidSpec` when it can't be read, or allows none at all.
        """
        found = _WISH.fullmatch(text.strip())
        if found is None or float(found[1]) <= 0 or found[2] == "0" or bool(found[4]) != (found[2] not in (None, "1")):
            raise InvalidSpec(
                f"{text!r} doesn't say how many false alarms are accepted. Write a number above 0 and a period, "
                "such as '1 per month', '0.5 per year' or '1 per 20 windows'."
            )
        return cls(float(found[1]), Period(found[3]), int(found[2] or 1))

    def __str__(self) -> str:
        return (
            f"{self.count:g} per {self.per}" if self.periods == 1 else f"{self.count:g} per {self.periods} {self.per}s"
        )

    def share(self, part: float) -> "FalseAlarms":
        """The budget for a part of the alarms; `part` is from 0 to 1."""
        return replace(self, count=self.count * part)

    def per_year(self, every: Every) -> float:
        """How many false alarms are accepted in an average year of windows of this length."""
        return self.count * _HOURS[Period.YEAR] / _HOURS_OF_WINDOW[every] / self._windows(every)

    def level(self, every: Every) -> float:
        """The share of ordinary windows on which an alarm is accepted.

        Errors: `InvalidSpec` when there are not that many windows in the period.
        """
        windows = self._windows(every)
        if self.count >= windows:
            raise InvalidSpec(
                f"{self} would mean an alarm on every window: there are only {windows:.3g} windows of {every.words} "
                "in that time. Accept fewer false alarms."
            )
        return self.count / windows

    def _windows(self, every: Every) -> float:
        if self.per is Period.WINDOW:
            return float(self.periods)
        return self.periods * _HOURS[self.per] / _HOURS_OF_WINDOW[every]


def hours_of_window(every: Every) -> float:
    """The length of a window in hours; for a month, that of an average one."""
    return _HOURS_OF_WINDOW[every]


def windows_per_year(every: Every) -> int:
    """How many windows an average year has."""
    return round(_HOURS[Period.YEAR] / _HOURS_OF_WINDOW[every])


def _read(value: Any) -> FalseAlarms:
    if isinstance(value, FalseAlarms):
        return value
    try:
        return FalseAlarms.parse(str(value))
    except InvalidSpec as error:
        raise broken_rules([Problem((), str(error))]) from error


Wish = Annotated[
    FalseAlarms,
    BeforeValidator(_read),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": f"^{_PATTERN}$", "examples": ["1 per month", "1 per 20 windows"]}),
]
