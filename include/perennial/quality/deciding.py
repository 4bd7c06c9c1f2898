"""Few rows that Great Expectations says the same about as about all, for what is asked of all values of a column.

A frame of all values, and what it is compared with, takes several times the memory of the column.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.chunks import Chosen
from perennial.quality.parts import mask_by_parts
from perennial.quality.row_rules import UNIQUE, doubled
from perennial.spec.expectations import Expectation

MOST_ROWS = 1_000_000  # of those that decide; where there are more, all rows are asked
EXACT = 2**53  # up to which floats hold every integer, so that their sum is the same from wherever it begins

_DISTINCT = (
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_distinct_values_to_contain_set",
    "expect_column_distinct_values_to_equal_set",
    "expect_column_unique_value_count_to_be_between",
)
_EXTREMES = ("expect_column_max_to_be_between", "expect_column_min_to_be_between")
SUM, _MEAN = "expect_column_sum_to_be_between", "expect_column_mean_to_be_between"


def deciding_rows(expectation: Expectation, rows: Chosen) -> pa.Table | None:
    """The column with few values instead of all; None where there is no such thing, or they are not few.

    Rows that have a value more than once decide whether it is unique, but not how many others there are.
    Errors: `StoreUnavailable` without room for parts.
    """
    kind, name = expectation.type, expectation.kwargs.get("column", "")
    if kind in _DISTINCT:
        return _distinct(rows, name)
    if kind == UNIQUE:
        return _repeated(rows, name)
    type_ = rows.schema.field(name).type if name in rows.names else pa.null()
    number = pa.types.is_integer(type_) or pa.types.is_floating(type_)
    if kind in _EXTREMES and (number or pa.types.is_timestamp(type_)):
        return _column(name, type_, [end for ends in _ends(rows.column(name)) for end in ends])
    if kind in (SUM, _MEAN) and pa.types.is_integer(type_):
        return _sum_or_mean(rows, name, mean=kind == _MEAN)
    return None


def _column(name: str, kind: pa.DataType, values: list[object]) -> pa.Table | None:
    return pa.table({name: pa.array(values, kind)}) if values else None


def _distinct(rows: Chosen, name: str) -> pa.Table | None:
    held: list[pa.Array] = []
    for values in rows.column(name):
        held.append(pc.unique(values))
        if sum(map(len, held)) > 2 * MOST_ROWS:
            held = [pc.unique(pa.concat_arrays(held))]
            if len(held[0]) > MOST_ROWS:
                return None
    return pa.table({name: pc.unique(pa.concat_arrays(held))})


def _repeated(rows: Chosen, name: str) -> pa.Table | None:
    mask = mask_by_parts(rows, name, doubled)
    if mask.sum() > MOST_ROWS:
        return None
    found, first = [rows.only([name]).schema.empty_table()], 0
    for chunk in rows.chunks([name]):
        found.append(chunk.filter(pa.array(mask[first : first + chunk.num_rows])))
        first += chunk.num_rows
    return pa.concat_tables(found)


def _ends(chunks: Iterator[pa.ChunkedArray]) -> Iterator[tuple[object, object]]:
    """The least and the largest value of each chunk that has any."""
    for values in chunks:
        if values.null_count < len(values):
            ends = pc.min_max(values).as_py()
            yield ends["min"], ends["max"]


def _sum_or_mean(rows: Chosen, name: str, *, mean: bool) -> pa.Table | None:
    total = count = largest = 0
    for values in rows.column(name):
        present = len(values) - values.null_count
        if present:
            total, count = total + pc.sum(values).as_py(), count + present
            largest = max(largest, *map(abs, pc.min_max(values).as_py().values()))
    if not count or count * largest >= EXACT:
        return None
    return pa.table({name: [total / count]} if mean else {name: [total]})
