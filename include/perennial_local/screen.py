"""What `make run` shows: one line per milestone with the time so far, and progress bars where there is a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

PLAIN_STEPS = 4  # how many lines stand for one progress bar where there is no terminal


class Bar:
    """How far one piece of work has come."""

    def __init__(self, screen: "Screen", title: str, total: int, bars: Progress | None) -> None:
        self._screen, self._title, self._total, self._bars = screen, title, total, bars
        self._task: TaskID | None = bars.add_task(title, total=total) if bars else None
        self._told = 0

    def reach(self, done: int) -> None:
        """Show that `done` of the total is finished."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done)
            return
        step = done * PLAIN_STEPS // max(self._total, 1)
        if step > self._told:
            self._told = step
            self._screen.say(f"{self._title}: {done:,} of {self._total:,}")


class Screen:
    """Where progress goes. Without a terminal everything is a plain line."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._begun = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the screen was opened."""
        return time.monotonic() - self._begun

    def say(self, text: str) -> None:
        """A line, after the time that has passed."""
        self.console.print(f"{_clock(self.elapsed)}  {text}", markup=False)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        """A progress bar while inside."""
        if not self.console.is_terminal:
            yield Bar(self, title, total, None)
            return
        columns = (TextColumn("       {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as bars:
            yield Bar(self, title, total, bars)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:2d}:{rest:02d}"
