"""What the rows of one window were like: counts, extremes, values and shapes, as far as proposals need them.

It is small however many rows there are: of a text's values at most `MOST_VALUES` are kept, none of them long. So it is
kept when a window is validated, and read where rows would take longer, or are gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.proposals.shapes import Shape, shape_of
from perennial.spec.columns import Kind
from perennial.spec.models import UseCase
from perennial.window import Window

MOST_VALUES = 20  # more than these are hardly the values of a fixed list; `perennial new` draws the line there, too
LONGEST_VALUE = 60  # characters; what is longer is no name of a category


@dataclass(frozen=True)
class ColumnSeen:
    """One column in one window.

    `present` and `missing` count rows, `different` different values where they matter (whole numbers and texts, else
    0). `low` and `high` are the extremes of numbers. `values` has each text with its rows, and is empty where there are
    more than `MOST_VALUES` or one is longer than `LONGEST_VALUE`; `shape` says then how the texts are written, if they
    are written alike.
    """

    present: int
    missing: int
    different: int = 0
    low: float | None = None
    high: float | None = None
    values: Mapping[str, int] = field(default_factory=dict)
    shape: Shape | None = None


@dataclass(frozen=True)
class WindowSeen:
    """The clean rows of a window: how many, and what each column was like. Proposals need one row at least."""

    window: Window
    rows: int
    columns: Mapping[str, ColumnSeen]


def look(spec: UseCase, window: Window, rows: pa.Table) -> WindowSeen:
    """What the conforming rows of the window are like, column by column; columns that are private are not looked at."""
    names = [name for name in spec.columns if name not in (*spec.private_columns, spec.event_time)]
    return WindowSeen(
        window, rows.num_rows, {name: _column(spec.columns[name].kind, rows.column(name)) for name in names}
    )


def _column(kind: Kind, cells: pa.ChunkedArray) -> ColumnSeen:
    missing = cells.null_count
    present = len(cells) - missing
    if present == 0 or kind in (Kind.BOOLEAN, Kind.TIMESTAMP):
        return ColumnSeen(present, missing)
    if kind is Kind.CATEGORICAL:
        return _texts(cells.drop_null(), present, missing)
    span = pc.min_max(cells).as_py()
    different = pc.count_distinct(cells).as_py() if kind is Kind.INTEGER else 0
    return ColumnSeen(present, missing, different, span["min"], span["max"])


def _texts(cells: pa.ChunkedArray, present: int, missing: int) -> ColumnSeen:
    counts = cells.value_counts()
    values = counts.field("values")
    if len(counts) > MOST_VALUES or pc.max(pc.utf8_length(values)).as_py() > LONGEST_VALUE:
        return ColumnSeen(present, missing, len(counts), shape=shape_of(values))
    rows = dict(zip(values.to_pylist(), counts.field("counts").to_pylist(), strict=True))
    return ColumnSeen(present, missing, len(counts), values=rows)
