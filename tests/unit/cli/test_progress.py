"""Progress on standard error: now and then a line, with the seconds to go."""

import io

import pytest
from rich.console import Console
from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import World

from perennial.cli.progress import progress, progress_of
from perennial.jobs.retrain import assemble
from perennial.progress import WindowsDone


class Ticks:
    """A clock that goes on four seconds with every look."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        self.at += 4.0
        return self.at


def plain() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=False, soft_wrap=True, highlight=False), file


def test_a_line_every_ten_seconds_says_what_is_done_and_what_is_to_go() -> None:
    screen, file = plain()
    with progress("windows", 10, screen=screen, ticks=Ticks()) as advance:
        for _ in range(10):
            advance(rows=1_000)
    assert file.getvalue().splitlines() == [
        "3 of 10 windows, 3,000 rows, about 28 s to go",
        "6 of 10 windows, 6,000 rows, about 16 s to go",
        "9 of 10 windows, 9,000 rows, about 4 s to go",
    ]


def test_one_window_shows_nothing() -> None:
    screen, file = plain()
    with progress("windows", 1, screen=screen, ticks=Ticks()) as advance:
        advance(rows=1)
    assert file.getvalue() == ""


def test_at_a_terminal_there_is_a_bar() -> None:
    file = io.StringIO()
    screen = Console(file=file, force_terminal=True, width=100)
    with progress_of("windows of the training set", screen=screen) as on_window:
        on_window(WindowsDone(3, 22, 540))
    assert "windows of the training set" in file.getvalue()


def test_assembling_tells_how_far_it_is(world: World) -> None:
    heard: list[WindowsDone] = []
    assemble.run(world.use_case, world.day(30).start, world.ports, "test", heard.append)
    assert [each.done for each in heard] == list(range(21))  # the last day's labels are not mature
    assert {each.total for each in heard} == {21}
    assert heard[-1].rows > 3_000


def test_a_range_that_takes_long_says_so_on_standard_error(perennial: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial.cli.progress.LINE_EVERY_SECONDS", 0.0)
    code, out, err = perennial("ingest", "parcels", "--from", "2024-01-01", "--to", "2024-01-04", "--json")
    assert code == 0
    assert len(out.splitlines()) == 3
    assert err.splitlines()[0].startswith("1 of 3 windows, 180 rows, about ")
