"""Tables: nothing is cut, and away from a terminal they are plain."""

import io
from dataclasses import dataclass

import pytest
from rich.console import Console
from rich.text import Text

from perennial.cli.session import show
from perennial.cli.tables import print_line, print_table

DIGEST = "3f2a9c1b7d40" * 5 + "abcd"
ROWS = [("2024-01-01T00:00Z", DIGEST, Text("fail", "red")), ("2024-01-02T00:00Z", "two\nlines\tand a tab", "pass")]


def screen(*, terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    color = "standard" if terminal else None
    return Console(file=file, width=40, force_terminal=terminal, color_system=color), file


def test_away_from_a_terminal_there_are_tabs_and_nothing_else() -> None:
    console, file = screen(terminal=False)
    print_table(("window", "digest", "verdict"), ROWS, screen=console)
    print_line("a\ttab " + "x" * 100, "red", screen=console)
    assert file.getvalue().splitlines() == [
        "window\tdigest\tverdict",
        f"2024-01-01T00:00Z\t{DIGEST}\tfail",
        "2024-01-02T00:00Z\ttwo; lines and a tab\tpass",
        "a\ttab " + "x" * 100,
    ]


def test_a_narrow_terminal_cuts_nothing() -> None:
    console, file = screen(terminal=True)
    print_table(("window", "digest", "verdict"), ROWS[:1], screen=console)
    assert DIGEST in file.getvalue()
    assert "2024-01-01T00:00Z" in file.getvalue()
    assert "…" not in file.getvalue()
    assert "\x1b[31mfail" in file.getvalue()


@dataclass(frozen=True)
class Counted:
    what: str
    rows: int | None
    by: dict[str, int | None]


def test_what_there_is_not_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    result = Counted("all", None, {"one": 1, "two": None})
    show([result], as_json_lines=False)
    show([result, result], as_json_lines=False)
    assert capsys.readouterr().out.splitlines() == [
        *("what\tall", "rows\t-", "by\tone 1; two -"),
        *("what\trows\tby", "all\t-\tone 1; two -", "all\t-\tone 1; two -"),
    ]
