"""Columns and rows of a window that are gone through in chunks: what checks look at, however many rows there are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from perennial import ordered
from perennial.ordered import OrderedRows, OrderedTable, Rows
from perennial.quality.row_rules import Mask


@dataclass(frozen=True)
class Chosen:
    """The columns `names` of the rows, and of these rows those that are `kept`; None keeps all.

    They can be gone through as often as need be, in chunks of at most `chunk_rows` rows before the choice.
    """

    rows: OrderedRows
    names: tuple[str, ...]
    chunk_rows: int
    kept: Mask | None = None

    @classmethod
    def of(cls, rows: Rows, names: Sequence[str] | None = None) -> "Chosen":
        """All rows; those of a table are one chunk, and stay in the order in which they are."""
        chunk_rows = ordered.CHUNK_ROWS
        if isinstance(rows, pa.Table):
            chunk_rows, rows = max(rows.num_rows, 1), OrderedTable(rows)
        return cls(rows, tuple(rows.schema.names if names is None else names), chunk_rows)

    @cached_property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self.rows.num_rows if self.kept is None else int(np.count_nonzero(self.kept))

    @property
    def schema(self) -> pa.Schema:
        """The names and types of the columns."""
        return pa.schema([self.rows.schema.field(name) for name in self.names])

    @property
    def in_one_chunk(self) -> bool:
        """Whether a chunk is all there is."""
        return self.rows.num_rows <= self.chunk_rows

    def chunks(self, names: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows, or only these columns of them; without any rows one empty chunk, else none is empty."""
        names = list(self.names if names is None else names)
        if self.num_rows == 0:
            yield pa.schema([self.rows.schema.field(name) for name in names]).empty_table()
            return
        first = 0
        for chunk in self.rows.chunks(names, self.chunk_rows):
            kept = None if self.kept is None else self.kept[first : first + chunk.num_rows]
            first += chunk.num_rows
            if kept is None or kept.all():
                yield chunk
            elif kept.any():
                yield chunk.filter(pa.array(kept))

    def column(self, name: str) -> Iterator[pa.ChunkedArray]:
        """The values of a column, chunk by chunk."""
        return (chunk.column(name) for chunk in self.chunks([name]))

    def table(self, names: Sequence[str] | None = None) -> pa.Table:
        """The rows, or only these columns of them, in memory."""
        found = list(self.chunks(names))
        return found[0] if len(found) == 1 else pa.concat_tables(found)

    def has_values(self, name: str) -> bool:
        """Whether the column has any value."""
        return any(values.null_count < len(values) for values in self.column(name))

    def has_nulls(self, name: str) -> bool:
        """Whether any value of the column is missing."""
        return any(values.null_count for values in self.column(name))

    def where(self, kept: Mask) -> "Chosen":
        """Those of all rows that are kept; this choice must be of all."""
        assert self.kept is None
        return Chosen(self.rows, self.names, self.chunk_rows, None if kept.all() else kept)

    def only(self, names: Sequence[str]) -> "Chosen":
        """Only these columns."""
        return Chosen(self.rows, tuple(names), self.chunk_rows, self.kept)

    def mask(self, names: Sequence[str], answer: Callable[[pa.Table], Mask]) -> Mask:
        """What `answer` says of each row, asked chunk by chunk."""
        found = np.zeros(self.num_rows, dtype=np.bool_)
        first = 0
        for chunk in self.chunks(names):
            mask = answer(chunk)
            if mask.any():  # pages that nobody writes to take no memory
                found[first : first + len(mask)] = mask
            first += len(mask)
        return found
