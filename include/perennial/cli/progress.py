"""How far a long step has come, on standard error: a bar at a terminal, else a line every ten seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from perennial.progress import OnWindow, WindowsDone

LINE_EVERY_SECONDS = 10.0


class Advance(Protocol):
    """What is told when one more is done."""

    def __call__(self, rows: int = 0) -> None:
        """It had so many rows."""


@contextmanager
def progress(
    what: str, total: int, *, screen: Console | None = None, ticks: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    """Show how many of `total` are done, and the seconds to go; `what` names them in the plural. One is not worth it.

    `ticks` counts seconds from anywhere.
    """
    so_far = WindowsDone(0, total, 0)
    with progress_of(what, total, screen=screen, ticks=ticks) as on_window:

        def advance(rows: int = 0) -> None:
            nonlocal so_far
            so_far = WindowsDone(so_far.done + 1, total, so_far.rows + rows)
            on_window(so_far)

        yield advance


@contextmanager
def progress_of(
    what: str, total: int | None = None, *, screen: Console | None = None, ticks: Callable[[], float] = time.monotonic
) -> Iterator[OnWindow]:
    """The same, for a job that counts by itself and may know the total only later."""
    screen = screen or Console(stderr=True, highlight=False, soft_wrap=True)
    if total == 1:
        yield lambda _: None
    elif screen.is_terminal:
        yield from _bar(what, screen)
    else:
        yield _lines(what, screen, ticks)


@contextmanager
def stages(
    *, screen: Console | None = None, ticks: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[str], OnWindow]]:
    """The same, for a job of several stages that count for themselves: a stage is named by what it counts.

    A stage begins, and the one before ends, when it is heard of first: a terminal shows one bar at a time.
    """
    with ExitStack() as shown:

        def stage(what: str) -> OnWindow:
            tell: OnWindow | None = None

            def on_window(found: WindowsDone) -> None:
                nonlocal tell
                if tell is None:
                    shown.close()
                    tell = shown.enter_context(progress_of(what, found.total, screen=screen, ticks=ticks))
                tell(found)

            return on_window

        yield stage


def _bar(what: str, screen: Console) -> Iterator[OnWindow]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=screen, transient=True) as bars:
        task = bars.add_task(what, total=None, rows="")
        yield lambda found: bars.update(task, total=found.total, completed=found.done, rows=_rows(found))


def _lines(what: str, screen: Console, ticks: Callable[[], float]) -> OnWindow:
    began = ticks()
    last = began

    def on_window(found: WindowsDone) -> None:
        nonlocal last
        now = ticks()
        if now - last < LINE_EVERY_SECONDS or found.done >= found.total:
            return
        last = now
        said = ", ".join(filter(None, (f"{found.done} of {found.total} {what}", _rows(found))))
        if found.done:
            said += f", about {(now - began) / found.done * (found.total - found.done):.0f} s to go"
        screen.print(said, markup=False)

    return on_window


def _rows(found: WindowsDone) -> str:
    """How many rows; nothing where none were counted."""
    return f"{found.rows:,} rows" if found.rows else ""
