"""Names of files that hold dates: which files belong to a window, and which window each file is at home in."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial

from perennial.window import Grid, Window

HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
_HOURLY = re.compile(r"%[^aAbBdjmuUVwWxyYGeDFhC%]")
"""A directive that can change within a day."""


@dataclass(frozen=True)
class DatedName:
    """A name with strftime directives, which are filled in with the hours of a window, in UTC: a window of a month over
    daily files, or a local day over files by UTC date, has all of the files it touches.

    `reach` is how far from the dates in its name a file's rows may lie. `grid` and `first`, the start of the first
    window, are those of the use case. With `by_arrival` the dates are those on which labels arrived.
    """

    pattern: str
    reach: timedelta
    grid: Grid
    first: datetime
    by_arrival: bool = False

    @property
    def dated(self) -> bool:
        """Whether the name holds a date at all."""
        return "%" in self.pattern

    def span(self, window: Window, as_of: datetime) -> Window:
        """The time that the names of files with something for the window can hold."""
        return Window(window.start, max(as_of, window.end)) if self.by_arrival else window

    def of(self, window: Window) -> list[str]:
        """The names of the window's own files."""
        return filled(self.pattern, window.start, window.end)

    def around(self, window: Window) -> list[str]:
        """The names of all files that may hold rows of the window, its own first."""
        return list(dict.fromkeys([*self.of(window), *self._read_by(window)]))

    def home(self, name: str, window: Window) -> bool:
        """Whether this window has to report the rows of the file that belong to no window.

        Of several windows that share a file it is the first. A name without a date is at home in every window.
        """
        if name not in self.of(window):
            return False
        if window.start <= self.first:
            return True
        return not self.dated or name != (window.start - INSTANT).strftime(self.pattern)

    def at_home(self, name: str, window: Window) -> Callable[[datetime], tuple[Window, bool]] | None:
        """None for a file that is not at home in the window; else a function that returns, for an instant, the window
        that has it, and whether that window reads the file.
        """
        return partial(self._reader, name) if self.home(name, window) else None

    def _reader(self, name: str, instant: datetime) -> tuple[Window, bool]:
        window = self.grid.containing(instant)
        return window, name in self._read_by(window)

    def _read_by(self, window: Window) -> list[str]:
        return filled(self.pattern, window.start - self.reach, window.end + self.reach)


@lru_cache(maxsize=1_000)
def filled(pattern: str, start: datetime, end: datetime) -> list[str]:
    """The pattern's forms between two instants: its directives filled in with each hour, in UTC."""
    step = HOUR if _HOURLY.search(pattern) else 24 * HOUR
    moments = [min(start + number * step, end - INSTANT) for number in range(int((end - start) / step) + 2)]
    return list(dict.fromkeys(moment.strftime(pattern) for moment in moments))
