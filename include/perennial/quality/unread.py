"""Cells that could not be taken as they were delivered, and why: one text a row, kept beside the row it is about.

A row with such a cell goes through ingest with a null in the cell's place and with the column `bad_cells`, which holds
one line a cell: `column amount: 'abc' is not a number`. Validation sets the row aside with it. Tables in which every
cell was taken have no such column.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from perennial.spec.problems import shown
from perennial.wording import WITHHELD, counted

BAD_CELLS = "bad_cells"


@dataclass(frozen=True)
class UnreadCell:
    """A cell that could not be read as its column's kind: its text, cut where it is long, and what is wrong with it."""

    column: str
    text: str
    why: str


def because(cells: pa.ChunkedArray, bad: pa.ChunkedArray, why: str) -> pa.Array | None:
    """A text for every cell: `'abc' is not a number` for the bad ones, null for the others; None when none is bad.

    A long cell is cut, and none ever breaks the line. `why` has no quotation mark in it: `unread_cells` looks for the
    last one.
    """
    mask = pc.fill_null(bad, fill_value=False)
    if not pc.any(mask).as_py():
        return None
    found = cells.filter(mask).cast(pa.string()).combine_chunks().dictionary_encode()
    texts = pa.array([f"'{shown(text)}' {why}" for text in found.dictionary.to_pylist()], pa.string())
    mask = mask.combine_chunks()
    return pc.replace_with_mask(pa.nulls(len(mask), pa.string()), mask, texts.take(found.indices))


def either(*texts: pa.Array | None) -> pa.Array | None:
    """For each cell, the first text that is not null."""
    given = [text for text in texts if text is not None]
    return pc.coalesce(*given) if given else None


def bad_cells(unread: Mapping[str, pa.Array | None], before: pa.ChunkedArray | None) -> pa.ChunkedArray | None:
    """The column `bad_cells`: what is wrong in each row, null where nothing is; None when nothing is in any.

    `unread` maps columns to what `because` said of them; `before` is the `bad_cells` that the rows already have.
    """
    parts = [before.combine_chunks()] if before is not None else []
    parts += [pc.binary_join_element_wise(f"column {name}: ", text, "") for name, text in unread.items() if text]
    if not parts:
        return None
    # Joined with `null_handling="skip"`, rows without any text would be missing.
    lines = reduce(_below_each_other, [pc.fill_null(part, "") for part in parts])
    lines = pc.if_else(pc.equal(lines, ""), pa.scalar(None, pa.string()), lines)
    return pa.chunked_array([lines]) if lines.null_count < len(lines) else None


def _below_each_other(above: pa.Array, below: pa.Array) -> pa.Array:
    both = pc.binary_join_element_wise(above, below, "\n")
    return pc.replace_substring_regex(both, r"^\n|\n$", "")


def unread_in(rows: pa.Table, column: str) -> npt.NDArray[np.bool_]:
    """Which rows have a bad cell in the column."""
    if BAD_CELLS not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=np.bool_)
    named = pc.match_substring_regex(rows.column(BAD_CELLS), rf"(^|\n)column {column}: ")
    return np.asarray(pc.fill_null(named, fill_value=False).to_numpy(), dtype=np.bool_)


class UnreadRows:
    """How many rows, which come in parts, have cells that could not be read, and in which columns.

    >>> unread = UnreadRows()
    >>> unread.take(pa.table({BAD_CELLS: ["column amount: 'abc' is not a number", None]}))
    >>> list(unread.told())
    ["1 row has cells that can't be read (amount in 1), and is set aside."]
    """

    def __init__(self) -> None:
        self._rows = 0
        self._columns: Counter[str] = Counter()

    def take(self, rows: pa.Table) -> None:
        """Count the bad cells of the part."""
        if BAD_CELLS not in rows.column_names:
            return
        lines = pc.split_pattern(rows.column(BAD_CELLS).drop_null(), "\n")
        self._rows += len(lines)
        named = pc.extract_regex(pc.list_flatten(lines), r"^column (?P<name>\w+): ")
        for each in pc.struct_field(named, "name").value_counts().to_pylist():
            self._columns[each["values"]] += each["counts"]

    def told(self) -> Iterator[str]:
        """What there is to say of the rows that were taken, in at most one sentence."""
        if self._rows:
            columns = ", ".join(f"{name} in {count:,}" for name, count in self._columns.items())
            has, is_ = ("has", "is") if self._rows == 1 else ("have", "are")
            yield f"{counted(self._rows, 'row')} {has} cells that can't be read ({columns}), and {is_} set aside."


def first_unread(rows: pa.Table, column: str, private: Collection[str]) -> str:
    """What is wrong with the first bad cell of the column; there must be one. Values of `private` ones are withheld."""
    lines: list[str] = rows.column(BAD_CELLS).filter(pa.array(unread_in(rows, column)))[0].as_py().split("\n")
    start = f"column {column}: "
    said = next(line.removeprefix(start) for line in lines if line.startswith(start))
    return without_value(said) if column in private else said


def without_value(said: str) -> str:
    """What `because` says of a cell, without the cell.

    >>> without_value("'abc' is not a number")
    "'withheld' is not a number"
    """
    why = said.rpartition("' ")[2]
    return f"'{WITHHELD}' {why}"


def unread_cells(lines: str | None) -> tuple[UnreadCell, ...]:
    """What `bad_cells` says of one row, cell by cell.

    >>> unread_cells("column amount: 'abc' is not a number")
    (UnreadCell(column='amount', text='abc', why='is not a number'),)
    """
    found = []
    for line in (lines or "").splitlines():
        column, _, said = line.removeprefix("column ").partition(": ")
        text, _, why = said.removeprefix("'").rpartition("' ")
        found.append(UnreadCell(column, text, why))
    return tuple(found)


def without_bad_cells(rows: pa.Table) -> pa.Table:
    """The rows without the column `bad_cells`."""
    return rows.drop_columns([BAD_CELLS]) if BAD_CELLS in rows.column_names else rows
