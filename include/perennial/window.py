"""Windows: half-open UTC intervals of event time, the unit of ingest, scoring and backfill."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from zoneinfo import ZoneInfo

from perennial.errors import InvalidWindow

_YEARS = range(1000, 9998)
YEARS_BEGIN, YEARS_END = (datetime(year, 1, 1, tzinfo=UTC) for year in (_YEARS[0], _YEARS[-1] + 1))
"""From when to when instants lie in windows: others are too near the ends of the calendar."""

_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}|\d{4}-?W\d{2}(-?\d)?")


class Every(StrEnum):
    """How often a use case is scored: the length of its windows."""

    HOUR = "hour"
    TWO_HOURS = "2h"
    THREE_HOURS = "3h"
    FOUR_HOURS = "4h"
    SIX_HOURS = "6h"
    EIGHT_HOURS = "8h"
    TWELVE_HOURS = "12h"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def hours(self) -> int | None:
        """How many hours by the local clock a window of several hours has; None for all others."""
        return int(self.removesuffix("h")) if self[0].isdigit() else None

    @property
    def words(self) -> str:
        """The length of a window in words, such as `one day` or `6 hours`."""
        return f"one {self}" if self.hours is None else f"{self.hours} hours"


@dataclass(frozen=True, order=True)
class Window:
    """The half-open interval `[start, end)` of event time, both in UTC.

    >>> Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)).key
    '2013-03-01T00:00Z--2013-03-02T00:00Z'
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise InvalidWindow(f"A window needs time zones on both ends; got {self.start} and {self.end}.")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.start >= self.end:
            raise InvalidWindow(f"A window must end after it starts; got {stamp(self.start)} to {stamp(self.end)}.")

    def __hash__(self) -> int:
        """By the start alone: few windows that are told apart share it, and thousands are looked up again and again."""
        return hash(self.start)

    @cached_property
    def key(self) -> str:
        """The window's name in partitions, run ids and messages; parsed by `Window.parse`."""
        return f"{stamp(self.start)}--{stamp(self.end)}"

    @classmethod
    def parse(cls, key: str) -> "Window":
        """The window that `key` names.

        Errors: `InvalidWindow` when `key` is not the name of a window.
        """
        start, separator, end = key.partition("--")
        if not separator:
            raise InvalidWindow(f"{key!r} is not a window; expected '2013-03-01T00:00Z--2013-03-02T00:00Z'.")
        return cls(parse_instant(start), parse_instant(end))

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True)
class Grid:
    """The windows of a use case: calendar hours, days, weeks or months of one time zone, without gap or overlap.

    A day on which clocks change is one window of 23 or 25 hours. Weeks start on Monday. Windows of one hour are hours
    of UTC. Windows of several hours start with the local day and every so many hours of the local clock: the one in
    which clocks change is an hour shorter or longer. A start that the clock skips is the moment to which it skips; of a
    start that it shows twice, midnight in some zones, the second counts, as in Airflow.
    """

    every: Every
    timezone: str = "UTC"

    def containing(self, instant: datetime) -> Window:
        """The window that `instant` lies in."""
        start = self._floor(instant)
        return Window(start, self._next(start))

    def between(self, start: datetime, end: datetime) -> Iterator[Window]:
        """The windows that tile `[start, end)`.

        Errors: `InvalidWindow` when either end is not a boundary of the grid.
        """
        for instant in (start, end):
            if self._floor(instant) != instant.astimezone(UTC):
                raise InvalidWindow(
                    f"{stamp(instant)} is not where a window of {self.every.words} ({self.timezone}) starts; "
                    f"the nearest before it is {stamp(self._floor(instant))}."
                )
        at = start.astimezone(UTC)
        while at < end:
            following = self._next(at)
            yield Window(at, following)
            at = following

    def starting_at(self, text: str) -> Window:
        """The window that a user names by its start: a local date or an instant.

        Errors: `InvalidWindow` when no window starts there.
        """
        start = parse_instant(text, self.timezone)
        window = self.containing(start)
        if window.start != start:
            raise InvalidWindow(
                f"No window of {self.every.words} ({self.timezone}) starts at {text!r}; "
                f"the one around it starts at {stamp(window.start)}."
            )
        return window

    def name_of(self, window: Window) -> str:
        """What `starting_at` finds the window by: the local date of a day, week or month, else the start in UTC.

        >>> berlin = Grid(Every.DAY, "Europe/Berlin")
        >>> berlin.name_of(berlin.starting_at("2024-03-31"))
        '2024-03-31'
        """
        if self.every is Every.HOUR or self.every.hours is not None:
            return stamp(window.start)
        return f"{window.start.astimezone(ZoneInfo(self.timezone)):%Y-%m-%d}"

    def back(self, end: datetime, windows: int) -> datetime:
        """The start of the `windows`-th window before the boundary `end`."""
        at = end
        for _ in range(windows):
            at = self._floor(at - timedelta(microseconds=1))
        return at

    def _floor(self, instant: datetime) -> datetime:
        if self.every is Every.HOUR:  # hours are counted in UTC: a local hour happens twice when clocks go back
            return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if self.every.hours is not None:
            return max(start for start in self._starts_around(instant, self.every.hours) if start <= instant)
        zone = ZoneInfo(self.timezone)
        first = self._first_day(instant.astimezone(zone).date())
        start = _midnight(first, zone)  # of two midnights the second, which the instant may come before
        return start if start <= instant else _midnight(self._first_day(first - timedelta(days=1)), zone)

    def _next(self, start: datetime) -> datetime:
        if self.every is Every.HOUR:
            return start + timedelta(hours=1)
        if self.every.hours is not None:
            return min(each for each in self._starts_around(start, self.every.hours) if each > start)
        zone = ZoneInfo(self.timezone)
        first = start.astimezone(zone).date()
        if self.every is Every.MONTH:
            return _midnight(self._first_day(first + timedelta(days=31)), zone)
        return _midnight(first + timedelta(days=7 if self.every is Every.WEEK else 1), zone)

    def _first_day(self, day: date) -> date:
        """The first day of the week or month that the day is in; the day itself for days."""
        if self.every is Every.WEEK:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self.every is Every.MONTH else day

    def _starts_around(self, instant: datetime, hours: int) -> Iterator[datetime]:
        """Where windows of so many hours start on the local day of the instant, the day before and the day after."""
        zone = ZoneInfo(self.timezone)
        midnight = datetime.combine(instant.astimezone(zone).date(), time())
        for hour in range(-24, 49, hours):
            yield _shown_last(midnight + timedelta(hours=hour), zone)


def longest_run(windows: Iterable[Window]) -> tuple[Window, ...]:
    """The longest run of windows that follow each other without a gap, the last of the longest; of windows in order."""
    longest: list[Window] = []
    run: list[Window] = []
    for window in windows:
        if run and run[-1].end != window.start:
            run = []
        run.append(window)
        if len(run) >= len(longest):
            longest = run
    return tuple(longest)


def parse_instant(text: str, timezone: str = "UTC") -> datetime:
    """The instant that an ISO 8601 text names; without an offset it is read in `timezone`.

    A date names the start of its day. Errors: `InvalidWindow` when the text is no date or time, when its year has not
    four digits or no year after it, or when the clocks of the time zone never show it, or show it twice.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidWindow(f"{text!r} is not a date or time; write 2013-03-01 or 2013-03-01T00:00Z.") from error
    if instant.year not in _YEARS:  # others can't be moved to another zone, or to the window after
        raise InvalidWindow(f"{text!r} is in the year {instant.year}; write one from {_YEARS[0]} to {_YEARS[-1]}.")
    if instant.tzinfo is not None:
        return instant.astimezone(UTC)
    if _DATE.fullmatch(text):
        return _midnight(instant.date(), ZoneInfo(timezone))
    first = instant.replace(tzinfo=ZoneInfo(timezone), fold=0)
    second = first.replace(fold=1)
    if first.utcoffset() != second.utcoffset():
        if not _is_shown(first):
            raise InvalidWindow(
                f"There is no {text} in {timezone}: clocks go forward, and pass over it. Write a time that they show, "
                f"such as {first.astimezone(UTC).astimezone(first.tzinfo).isoformat(timespec='minutes')}."
            )
        raise InvalidWindow(
            f"{text} happens twice in {timezone}, because clocks go back; say which one is meant: "
            f"{first.isoformat(timespec='minutes')} or {second.isoformat(timespec='minutes')}."
        )
    return first.astimezone(UTC)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return _shown_last(datetime.combine(day, time()), zone)


def _shown_last(clock: datetime, zone: ZoneInfo) -> datetime:
    """When clocks in the zone show that time, the second time if they show it twice; when they skip it, if they do."""
    second = clock.replace(tzinfo=zone, fold=1)
    return (second if _is_shown(second) else second.replace(fold=0)).astimezone(UTC)


def _is_shown(local: datetime) -> bool:
    """Whether clocks in its zone show that time: when they go forward they skip some."""
    again = local.astimezone(UTC).astimezone(local.tzinfo)
    return again.replace(tzinfo=None) == local.replace(tzinfo=None)


def stamp(instant: datetime) -> str:
    """An instant as names of windows, messages and commands have it: in UTC, to the minute where nothing is lost by it.

    >>> stamp(parse_instant("2024-02-05T01:30+01:00")), stamp(parse_instant("2024-02-05T00:30:15"))
    ('2024-02-05T00:30Z', '2024-02-05T00:30:15+00:00')
    """
    utc = instant.astimezone(UTC)
    whole = utc.second == 0 and utc.microsecond == 0
    return f"{utc.isoformat()[:16]}Z" if whole else utc.isoformat()
