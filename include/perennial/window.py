"""Windows: half-open UTC intervals of event time, the unit of ingest, scoring and backfill."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from perennial.errors import InvalidWindow


class Every(StrEnum):
    """How often a use case is scored: the length of its windows."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


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
            raise InvalidWindow(f"A window must end after it starts; got {self.start} to {self.end}.")

    @property
    def key(self) -> str:
        """The window's name in partitions, run ids and messages; parsed by `Window.parse`."""
        return f"{_stamp(self.start)}--{_stamp(self.end)}"

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

    A day on which clocks change is one window of 23 or 25 hours. Weeks start on Monday.
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
                    f"{_stamp(instant)} is not where a window of one {self.every} ({self.timezone}) starts; "
                    f"the nearest before it is {_stamp(self._floor(instant))}."
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
                f"No window of one {self.every} ({self.timezone}) starts at {text!r}; "
                f"the one around it starts at {_stamp(window.start)}."
            )
        return window

    def back(self, end: datetime, windows: int) -> datetime:
        """The start of the `windows`-th window before the boundary `end`."""
        at = end
        for _ in range(windows):
            at = self._floor(at - timedelta(microseconds=1))
        return at

    def _floor(self, instant: datetime) -> datetime:
        if self.every is Every.HOUR:  # hours are counted in UTC: a local hour happens twice when clocks go back
            return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        local = instant.astimezone(ZoneInfo(self.timezone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if self.every is Every.WEEK:
            local -= timedelta(days=local.weekday())
        elif self.every is Every.MONTH:
            local = local.replace(day=1)
        return local.astimezone(UTC)

    def _next(self, start: datetime) -> datetime:
        if self.every is Every.HOUR:
            return start + timedelta(hours=1)
        local = start.astimezone(ZoneInfo(self.timezone)).replace(hour=0, minute=0)
        if self.every is Every.DAY:
            local += timedelta(days=1)
        elif self.every is Every.WEEK:
            local += timedelta(days=7)
        else:
            local = local.replace(year=local.year + local.month // 12, month=local.month % 12 + 1)
        return local.astimezone(UTC)


def parse_instant(text: str, timezone: str = "UTC") -> datetime:
    """The instant that an ISO 8601 text names; without an offset it is read in `timezone`.

    Errors: `InvalidWindow` when the text is no date or time.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidWindow(f"{text!r} is not a date or time; write 2013-03-01 or 2013-03-01T00:00Z.") from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=ZoneInfo(timezone))
    return instant.astimezone(UTC)


def _stamp(instant: datetime) -> str:
    utc = instant.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%MZ") if utc.second == 0 and utc.microsecond == 0 else utc.isoformat()
