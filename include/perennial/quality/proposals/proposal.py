"""What is looked at, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perennial.quality.proposals.bounds import MIN_WINDOWS
from perennial.quality.proposals.seen import WindowSeen
from perennial.quality.proposals.shapes import Shape
from perennial.spec.expectations import Expectation, Severity
from perennial.wording import counted


@dataclass(frozen=True)
class Series:
    """What a proposal was derived from: a number of each window, None where it has none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Proposal:
    """An expectation, what it was derived from, in words and numbers by window; of severity `warning` so far.

    `shape` is what a pattern says, None where none is expected.
    """

    expectation: Expectation
    derived_from: str
    series: tuple[Series, ...]
    shape: Shape | None = None


@dataclass(frozen=True)
class LeftAlone:
    """A column, or the window as a whole (None), for which something was not proposed, and why."""

    column: str | None
    why: str


@dataclass(frozen=True)
class Looked:
    """Windows in their order, of which the first `derived` may be learnt from and the others are held out.

    `seasons` says of each which season it is of, None where windows have none.
    """

    windows: Sequence[WindowSeen]
    derived: int
    seasons: Sequence[Any] | None = None

    @property
    def few(self) -> bool:
        """Whether there are too few windows to see how much they differ."""
        return self.derived < MIN_WINDOWS

    @property
    def learnt_seasons(self) -> Sequence[Any] | None:
        """The seasons of the windows that may be learnt from."""
        return None if self.seasons is None else self.seasons[: self.derived]

    @property
    def in_words(self) -> str:
        """What was learnt from, as the end of a phrase."""
        windows = f"in {counted(self.derived, 'window')}"
        return f"{windows}, too few to see how much they differ: a wide guess" if self.few else windows


def held_out(windows: int) -> int:
    """How many of so many windows, the last ones, are not learnt from: a quarter, if enough are left.

    >>> [held_out(windows) for windows in (1, 9, 10, 11, 30, 100)]
    [0, 0, 2, 2, 7, 25]
    """
    kept = windows // 4
    return kept if windows - kept >= MIN_WINDOWS else 0


def of_column(type_: str, column: str, **arguments: Any) -> Expectation:
    """An expectation about a column, of severity `warning`."""
    return Expectation(type=type_, kwargs={"column": column, **arguments}, severity=Severity.WARNING)
