"""How far a job has come, for whoever waits for it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class WindowsDone:
    """So many windows (or models, where these are counted) of so many, with so many rows."""

    done: int
    total: int
    rows: int


OnWindow = Callable[[WindowsDone], None]


def nobody(_: WindowsDone) -> None:
    """For jobs that nobody watches."""
