"""Rows by a value of theirs, in one pass: looking for each value's rows takes as many passes as there are values."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers: TypeAlias = npt.NDArray[np.intp]


def numbered(column: pa.ChunkedArray) -> tuple[list[Any], npt.NDArray[np.int32]]:
    """The distinct values in the order in which they come, null as None; and the number of each row's value.

    >>> distinct, of_row = numbered(pa.chunked_array([["b", None], ["b"]]))
    >>> distinct, of_row.tolist()
    (['b', None], [0, 1, 0])
    """
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()


def numbered_texts(values: Sequence[object] | pa.ChunkedArray, missing: str) -> tuple[npt.NDArray[np.str_], Numbers]:
    """The distinct values as text, sorted, with `missing` for null; and the number of each row's text.

    >>> distinct, of_row = numbered_texts(pa.chunked_array([[10, None], [9]]), "none")
    >>> distinct.tolist(), of_row.tolist()
    (['10', '9', 'none'], [0, 2, 1])
    """
    distinct, of_row = numbered(values) if isinstance(values, pa.ChunkedArray) else (values, np.arange(len(values)))
    texts, number = np.unique([missing if each is None else str(each) for each in distinct], return_inverse=True)
    return texts, number[of_row]


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
