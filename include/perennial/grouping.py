"""Rows by a value of theirs, in one pass: looking for each value's rows takes as many passes as there are values."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def positions_by_value(column: pa.ChunkedArray) -> dict[str, npt.NDArray[np.int64]]:
    """Where each value is found in the column, in ascending order.

    >>> found = positions_by_value(pa.chunked_array([["b", "a"], ["b"]]))
    >>> {name: at.tolist() for name, at in found.items()}
    {'b': [0, 2], 'a': [1]}
    """
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(encoded.dictionary)), side="right")
    names = encoded.dictionary.to_pylist()
    return dict(zip(names, np.split(order, ends[:-1]), strict=True)) if names else {}


def tables_by_value(rows: pa.Table, column: str, values: Sequence[str]) -> list[tuple[str, pa.Table]]:
    """For each of the values the rows that have it in the column, in their order; none where no row has it."""
    at = positions_by_value(rows.column(column))
    return [(value, rows.take(at[value]) if value in at else rows.slice(0, 0)) for value in values]
