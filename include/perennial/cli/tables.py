"""Tables and lines on standard output: for people at a terminal, plain for everything else.

Nothing is ever cut, because the next command may need it: where a table is wider than the terminal, its lines go on
in the next one. Away from a terminal (a pipe, a file) there are tabs between cells, no colours and no boxes, so that
`cut`, `awk` and `grep` work.
"""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console()

MARKS = {"pass": "green", "fail": "red", "warn": "yellow", "insufficient": "yellow"}  # verdicts
WIDEST = 10_000  # characters; wider than any table


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]], *, screen: Console = console) -> None:
    """Print rows under their headings; without headings (all empty), the rows alone."""
    cells: list[list[str | Text]] = [list(row) for row in rows]
    if not screen.is_terminal:
        if any(headings):
            print("\t".join(headings), file=screen.file)
        for row in cells:
            print("\t".join(_plain(cell) for cell in row), file=screen.file)
        return
    table = Table(box=None, header_style="bold", show_header=any(headings), pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in cells:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    widest = screen.measure(table, options=screen.options.update(max_width=WIDEST)).maximum
    wide = Console(
        file=screen.file,
        width=max(widest, screen.width),
        force_terminal=True,
        color_system=screen.color_system,  # type: ignore[arg-type]  # the name of one that it has itself detected
        highlight=False,
    )
    wide.print(table)


def print_line(text: str, style: str | None = None, *, screen: Console = console) -> None:
    """Print one line as it is, however long."""
    if screen.is_terminal:
        screen.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
    else:
        print(text, file=screen.file)


def _plain(cell: str | Text) -> str:
    return "; ".join(str(cell).splitlines()).replace("\t", " ").rstrip()
