"""Progress on standard error: now and then a line, with the seconds to go."""

import io

import pytest
from rich.console import Console
from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import World

from perennial.cli.progress import progress, progress_of, stages
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


def test_nothing_done_yet_tells_no_seconds_to_go() -> None:
    screen, file = plain()
    with progress_of("windows", screen=screen, ticks=Ticks()) as on_window:
        for _ in range(3):
            on_window(WindowsDone(0, 10, 0))
    assert file.getvalue().splitlines() == ["0 of 10 windows"]


@pytest.mark.parametrize("terminal", [False, True])
def test_stages_follow_each_other_one_shown_at_a_time(terminal: bool) -> None:
    file = io.StringIO()
    screen = Console(file=file, force_terminal=terminal, width=100, soft_wrap=True, highlight=False)
    with stages(screen=screen, ticks=Ticks()) as stage:
        windows, models = stage("windows of the training set"), stage("steps of training")
        for done in range(4):
            windows(WindowsDone(done, 4, 10 * done))
        for done in range(1, 4):
            models(WindowsDone(done, 4, 40))
    shown = file.getvalue()
    assert shown.index("windows of the training set") < shown.index("steps of training")
    if not terminal:
        assert shown.splitlines() == [
            "2 of 4 windows of the training set, 20 rows, about 12 s to go",
            "3 of 4 steps of training, 40 rows, about 4 s to go",
        ]


def test_retraining_evaluating_and_reproducing_tell_how_far_they_are(
    perennial: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perennial.cli.progress.LINE_EVERY_SECONDS", 0.0)
    _, out, err = perennial("retrain", "parcels", "--as-of", "2024-01-31", "--json")
    assert "20 of 21 windows of the training set, " in err
    assert [line for line in err.splitlines() if "steps of training" in line][-1].startswith("2 of 3 steps of training")
    assert "steps of training" not in out
    for command, said in (
        (("run", "--from", "2024-01-31", "--to", "2024-02-02"), "1 of 2 windows, 180 rows, about "),
        (("evaluate", "--as-of", "2024-02-04"), "1 of 2 windows asked for labels, 180 rows, about "),
        (("evaluate", "--as-of", "2024-02-04T01:00"), "nothing"),
        (("reproduce", "--from", "2024-01-31", "--to", "2024-02-02"), "1 of 2 windows, 360 rows, about "),
    ):
        code, _, err = perennial(command[0], "parcels", *command[1:])
        assert code == 0, err
        assert said in (err or "nothing")
        assert ("1 of 2 windows measured, 180 rows" in err) == (said.startswith("1 of 2 windows asked"))
