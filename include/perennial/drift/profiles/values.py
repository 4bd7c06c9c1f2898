"""Reading one column of a window: which values can be measured, and how many can't."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.arrays import Floats
from perennial.errors import SchemaMismatch
from perennial.spec.columns import Kind

# Beyond this, sums of squares leave the range of a float; no measurement is that large, so it counts as not finite.
LARGEST = 1e100
LONGEST_CATEGORY = 64


@dataclass(frozen=True)
class Numbers:
    """A numeric column: its finite values, and how many of `rows` were null (`missing`), NaN or infinite."""

    values: Floats
    rows: int
    missing: int
    non_finite: int


@dataclass(frozen=True)
class Categories:
    """A categorical or boolean column: how often each value occurs, and how many of `rows` were null."""

    counts: dict[str, int]
    rows: int
    missing: int


Values = Numbers | Categories


def read_column(rows: pa.Table, name: str, kind: Kind) -> Values:
    """The column's values by its kind: numbers for `numeric` and `integer`, else categories.

    Errors: `SchemaMismatch` when the column is not there, holds another kind of values, or is a timestamp.
    """
    if name not in rows.column_names:
        raise SchemaMismatch(
            f"Measuring drift needs the column {name!r}; the rows have {', '.join(rows.column_names) or 'no columns'}. "
            "Add it to the rows, or take it out of the monitored columns."
        )
    if kind is Kind.TIMESTAMP:
        raise SchemaMismatch(
            f"Drift of the timestamp {name!r} was asked for, but a later window is always later. "
            "Monitor the parts that are read off it ('derive'), such as hour or weekday."
        )
    if kind in (Kind.NUMERIC, Kind.INTEGER):
        return _numbers(rows.column(name), name)
    return _categories(rows.column(name), name)


def from_array(values: Floats) -> Numbers:
    """Numbers that never were a table's column, such as predictions."""
    finite = np.abs(values) <= LARGEST  # false for NaN
    kept = values if finite.all() else values[finite]
    return Numbers(kept, len(values), 0, len(values) - len(kept))


def _numbers(column: pa.ChunkedArray, name: str) -> Numbers:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _untyped(kind)):
        raise SchemaMismatch(
            f"The column {name!r} should hold numbers, but its type is {kind}. Correct its kind in the spec, "
            "or cast it in the source's query."
        )
    present = column.drop_null().cast(pa.float64(), safe=False).to_numpy()
    finite = from_array(np.asarray(present, dtype=np.float64))
    return Numbers(finite.values, len(column), column.null_count, finite.non_finite)


def _categories(column: pa.ChunkedArray, name: str) -> Categories:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        text = column.drop_null().cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaMismatch(
            f"The column {name!r} should hold categories, but values of type {column.type} have no text. "
            "Correct its kind in the spec, or cast it in the source's query."
        ) from error
    counts: dict[str, int] = {}
    found = pc.value_counts(text.combine_chunks())
    for value, count in zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True):
        category = _short(value)
        counts[category] = counts.get(category, 0) + count
    ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Categories(ordered, len(column), column.null_count)


def _untyped(kind: pa.DataType) -> bool:
    return bool(pa.types.is_null(kind))


def _short(category: str) -> str:
    """A long text is told apart by its digest, so that a reference stays small."""
    if len(category) <= LONGEST_CATEGORY:
        return category
    return f"{category[:40]}… {hashlib.sha256(category.encode()).hexdigest()[:16]}"
