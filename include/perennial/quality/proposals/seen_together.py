"""What the rows of many windows were like: each column is looked at once for all of them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.proposals.seen import LONGEST_VALUE, MOST_VALUES, ColumnSeen, WindowSeen, columns_to_look_at
from perennial.quality.proposals.shapes import shape_of
from perennial.spec.columns import Kind
from perennial.spec.models import UseCase
from perennial.stacked import Stack
from perennial.window import Window

_TABLE, _CELL = "table", "cell"


def look_at_each(spec: UseCase, windows: Sequence[Window], stack: Stack) -> list[WindowSeen]:
    """`look` at each of the windows, of which the stack has the conforming rows, a table each."""
    columns = {name: _column_of_each(spec.columns[name].kind, stack, name) for name in columns_to_look_at(spec)}
    return [
        WindowSeen(window, rows, {name: of_each[table] for name, of_each in columns.items()})
        for table, (window, rows) in enumerate(zip(windows, stack.counts(), strict=True))
    ]


def _column_of_each(kind: Kind, stack: Stack, name: str) -> list[ColumnSeen]:
    cells = stack.rows.column(name)
    valid = cells.is_valid().to_numpy()
    present = np.bincount(stack.numbers[valid], minlength=stack.tables)
    missing = np.bincount(stack.numbers[~valid], minlength=stack.tables)
    found = [ColumnSeen(*counts) for counts in zip(present.tolist(), missing.tolist(), strict=True)]
    known = pa.table({_TABLE: stack.numbers[valid], _CELL: cells.drop_null()})
    if kind is Kind.CATEGORICAL:
        _look_at_texts(known, found)
    elif kind in (Kind.NUMERIC, Kind.INTEGER):
        _look_at_numbers(known, found, are_whole=kind is Kind.INTEGER)
    return found


def _look_at_numbers(known: pa.Table, found: list[ColumnSeen], *, are_whole: bool) -> None:
    asked = ["min", "max", *(["count_distinct"] if are_whole else [])]
    of_each = known.group_by(_TABLE).aggregate([(_CELL, each) for each in asked])
    for each in of_each.to_pylist():
        seen = found[each[_TABLE]]
        different = each[f"{_CELL}_count_distinct"] if are_whole else 0
        found[each[_TABLE]] = ColumnSeen(
            seen.present, seen.missing, different, each[f"{_CELL}_min"], each[f"{_CELL}_max"]
        )


def _look_at_texts(known: pa.Table, found: list[ColumnSeen]) -> None:
    counted = known.group_by([_TABLE, _CELL]).aggregate([([], "count_all")]).sort_by(_TABLE).combine_chunks()
    texts, counts = counted.column(_CELL), counted.column("count_all").to_numpy()
    lengths = pc.utf8_length(texts).to_numpy()
    ends = np.searchsorted(counted.column(_TABLE).to_numpy(), np.arange(len(found) + 1)).tolist()
    for table, (first, last) in enumerate(pairwise(ends)):
        seen, different = found[table], last - first
        if not different:
            continue
        values = texts.slice(first, different)
        if different <= MOST_VALUES and lengths[first:last].max() <= LONGEST_VALUE:
            rows_of = dict(zip(values.to_pylist(), counts[first:last].tolist(), strict=True))
            found[table] = ColumnSeen(seen.present, seen.missing, different, values=rows_of)
        else:
            shape = shape_of(values.combine_chunks())
            found[table] = ColumnSeen(seen.present, seen.missing, different, shape=shape)
