"""What the rows of one window were like: counts, extremes, values and shapes, as far as proposals need them.

It is small however many rows there are: of a text's values at most `MOST_VALUES` are kept, none of them long. So it is
kept when a window is validated, and read where rows would take longer, or are gone.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.chunks import Chosen
from perennial.quality.parts import count_distinct
from perennial.quality.proposals.shapes import Shape, merged, shape_of
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


def look(spec: UseCase, window: Window, rows: Chosen) -> WindowSeen:
    """What the conforming rows of the window are like, column by column; columns that are private are not looked at.

    Errors: `StoreUnavailable` when many rows need a temporary folder that has no room.
    """
    columns = {name: _column(spec.columns[name].kind, rows, name) for name in columns_to_look_at(spec)}
    return WindowSeen(window, rows.num_rows, columns)


def columns_to_look_at(spec: UseCase) -> list[str]:
    """The columns that `look` looks at, in the spec's order."""
    return [name for name in spec.columns if name not in (*spec.private_columns, spec.event_time)]


def _column(kind: Kind, rows: Chosen, name: str) -> ColumnSeen:
    missing = 0
    lows: list[float] = []
    highs: list[float] = []
    texts = _Texts()
    for cells in rows.column(name):
        missing += cells.null_count
        if cells.null_count == len(cells):
            continue
        if kind is Kind.CATEGORICAL:
            texts.add(cells.drop_null())
        elif kind in (Kind.NUMERIC, Kind.INTEGER):
            span = pc.min_max(cells).as_py()
            lows.append(span["min"])
            highs.append(span["max"])
    present = rows.num_rows - missing
    if present == 0 or kind in (Kind.BOOLEAN, Kind.TIMESTAMP):
        return ColumnSeen(present, missing)
    if kind is Kind.CATEGORICAL:
        if texts.are_few:
            return ColumnSeen(present, missing, len(texts.counts), values=dict(texts.counts))
        return ColumnSeen(present, missing, count_distinct(rows, name), shape=texts.shape)
    different = count_distinct(rows, name) if kind is Kind.INTEGER else 0
    return ColumnSeen(present, missing, different, min(lows), max(highs))


class _Texts:
    """The texts of a column, chunk by chunk: how often each is there as long as they are few, and their shapes."""

    def __init__(self) -> None:
        self.are_few = True
        self.counts: Counter[str] = Counter()
        self.shapes: list[Shape | None] = []

    @property
    def shape(self) -> Shape | None:
        """The shape of all of them, as `shape_of`."""
        found = merged(self.shapes)
        return found if found is not None and (found.runs is not None or found.positions is not None) else None

    def add(self, cells: pa.ChunkedArray) -> None:
        """Another chunk, without missing values."""
        counts = cells.value_counts()
        values = counts.field("values")
        self.shapes.append(shape_of(values))
        if len(counts) > MOST_VALUES or pc.max(pc.utf8_length(values)).as_py() > LONGEST_VALUE:
            self.are_few = False
        if self.are_few:
            self.counts.update(dict(zip(values.to_pylist(), counts.field("counts").to_pylist(), strict=True)))
            self.are_few = len(self.counts) <= MOST_VALUES
