"""Digests over content: the same rows have the same digest, in whatever order or file they lie.

Canonical form of a table: columns sorted by name, rows sorted by all columns in that order, each column as one
contiguous Arrow array of its canonical type. The digest is sha-256 over names, types and the values' buffers.

Canonical types are boolean, signed integers, float32 and float64, date32, UTF-8 text (`string`, whatever form it comes
in) and instants (`timestamp[us, tz=UTC]`; one without a zone is read as UTC). Values that are equal have equal bytes:
negative zero becomes zero, every NaN the same NaN. A null is not a NaN.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch

Bounds: TypeAlias = npt.NDArray[np.int64]

PIECE_ROWS = 100_000
TIMESTAMP = pa.timestamp("us", tz="UTC")


def canonical_types(table: pa.Table) -> pa.Table:
    """The same values in canonical types; columns and rows stay where they are.

    Errors: `SchemaMismatch` for two columns of one name, a type that has no canonical form, or an instant finer than
    a microsecond.
    """
    doubled = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if doubled:
        raise SchemaMismatch(f"Column names must differ; there is more than one {', '.join(doubled)}.")
    columns = {name: _canonical_values(name, table.column(name)) for name in table.column_names}
    return pa.table(columns) if columns else table


def canonical(table: pa.Table) -> pa.Table:
    """The same rows with columns sorted by name and rows sorted by all columns; NaN comes after numbers, null last.

    Errors: as `canonical_types`.
    """
    table = canonical_types(table)
    names = sorted(table.column_names)
    table = table.select(names)
    if table.num_rows > 1:
        order = canonical_order(table)
        if not _is_ascending(order.to_numpy()):  # rows that were put in order before are not copied
            table = table.take(order)
    return table.combine_chunks()


def canonical_order(table: pa.Table) -> pa.UInt64Array:
    """The positions of the rows in canonical order; `table` has canonical types, and its columns sorted by name."""
    return pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names])


def _is_ascending(order: npt.NDArray[np.uint64]) -> bool:
    return bool((order[1:] > order[:-1]).all())


def table_digest(table: pa.Table) -> str:
    """The sha-256 of the table's canonical content, as hex. Errors: as `canonical_types`.

    >>> a = pa.table({"x": [1, 2], "y": ["b", None]})
    >>> b = pa.table({"y": [None, "b"], "x": [2, 1]})
    >>> table_digest(a) == table_digest(b)
    True
    """
    return canonical_digest(canonical(table))


def canonical_digest(ordered: pa.Table) -> str:
    """`table_digest` of what `canonical` returned, without sorting it again."""

    def values(name: str) -> Iterator[pa.ChunkedArray]:
        column = ordered.column(name)
        if len(column) <= PIECE_ROWS:
            return iter([column])
        return (column.slice(first, PIECE_ROWS) for first in range(0, len(column), PIECE_ROWS))

    return digest_by_column(ordered.num_rows, ordered.schema, values)


def digest_each(ordered: pa.Table, counts: Sequence[int]) -> list[str]:
    """`canonical_digest` of tables that follow each other in one, each of so many rows; together of less than 2 GB."""
    digests = [hashlib.sha256(str(count).encode()) for count in counts]
    ends = np.cumsum([0, *counts])
    for field in ordered.schema:
        name = f"\x00{field.name}\x00{field.type}\x00".encode()
        column = ordered.column(field.name).combine_chunks()
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        present = column.drop_null()
        places = np.concatenate([[0], np.cumsum(valid)])[ends]  # among those that are present
        parts: list[tuple[bytes | memoryview, Bounds]] = [_validity_of_each(valid, np.diff(ends))]
        if pa.types.is_string(field.type):
            lengths = pc.binary_length(present).to_numpy(zero_copy_only=False).astype("<i8")
            text_ends = np.concatenate([[0], np.cumsum(lengths)])[places]
            parts += [(lengths.tobytes(), places * 8), (_text(present), text_ends)]
        else:
            values = _fixed_width(present)
            parts.append((values, places * (len(values) // max(len(present), 1))))
        for digest in digests:
            digest.update(name)
        for content, bounds in parts:
            whole = memoryview(content)
            for digest, (first, last) in zip(digests, pairwise(bounds.tolist()), strict=True):
                digest.update(whole[first:last])
    return [digest.hexdigest() for digest in digests]


def _validity_of_each(valid: npt.NDArray[np.bool_], counts: Bounds) -> tuple[bytes, Bounds]:
    """`_validity` of tables of so many rows, one after the other, and where the bytes of each begin and end."""
    ends = np.cumsum([0, *-(-counts // 8)])
    shifted = ends[:-1] * 8 - (np.cumsum(counts) - counts)  # by the bits that fill the bytes of the tables before
    bits = np.zeros(ends[-1] * 8, dtype=np.bool_)
    bits[np.arange(len(valid)) + np.repeat(shifted, counts)] = valid
    return np.packbits(bits).tobytes(), ends


def digest_by_column(rows: int, schema: pa.Schema, values: Callable[[str], Iterable[pa.ChunkedArray]]) -> str:
    """`table_digest` of so many rows in canonical form, which need not be in memory together.

    `values` gives the named column piece by piece, from its beginning whenever it is asked.
    """
    digest = hashlib.sha256(str(rows).encode())
    for field in schema:
        digest.update(f"\x00{field.name}\x00{field.type}\x00".encode())
        for part in _content(field, values):
            digest.update(part)
    return digest.hexdigest()


def _canonical_values(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        values = values.cast(kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_timestamp(kind):
        try:
            return values.cast(TIMESTAMP)
        except pa.ArrowInvalid as error:
            raise SchemaMismatch(f"Column {name} holds instants that microseconds can't express: {error}.") from error
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        zero, nan = pa.scalar(0.0, kind), pa.scalar(math.nan, kind)
        return pc.if_else(pc.is_nan(values), nan, pc.add(values, zero))
    if pa.types.is_boolean(kind) or pa.types.is_signed_integer(kind) or pa.types.is_date32(kind):
        return values
    raise SchemaMismatch(
        f"Column {name} is of Arrow type {kind}, which is neither boolean, signed integer, float, date, timestamp nor "
        "text. Cast it to one of these before it is stored."
    )


def _content(field: pa.Field, values: Callable[[str], Iterable[pa.ChunkedArray]]) -> Iterator[bytes | memoryview]:
    """Which values are null, and the others: for text all lengths and then all bytes, else their fixed-width form."""
    yield from _validity(values(field.name))
    for present in _present(values(field.name)):
        if pa.types.is_string(field.type):
            yield pc.binary_length(present).to_numpy(zero_copy_only=False).astype("<i8").tobytes()
        else:
            yield _fixed_width(present)
    if pa.types.is_string(field.type):
        yield from map(_text, _present(values(field.name)))


def _validity(pieces: Iterable[pa.ChunkedArray]) -> Iterator[bytes]:
    """A bit for each value, eight to a byte, over the borders of pieces."""
    rest = np.empty(0, dtype=np.bool_)
    for piece in pieces:
        these = piece.is_valid().to_numpy() if piece.null_count else np.ones(len(piece), dtype=np.bool_)
        valid = np.concatenate([rest, these])
        whole = len(valid) // 8 * 8
        yield np.packbits(valid[:whole]).tobytes()
        rest = valid[whole:]
    yield np.packbits(rest).tobytes()


def _present(pieces: Iterable[pa.ChunkedArray]) -> Iterator[pa.Array]:
    return (chunk for piece in pieces for chunk in (piece.drop_null() if piece.null_count else piece).chunks)


def _fixed_width(present: pa.Array) -> bytes:
    if pa.types.is_timestamp(present.type):
        present = present.cast(pa.int64())
    elif pa.types.is_date32(present.type):
        present = present.cast(pa.int32())
    return np.ascontiguousarray(present.to_numpy(zero_copy_only=False)).tobytes()


def _text(text: pa.StringArray) -> bytes | memoryview:
    _, offset_buffer, data_buffer = text.buffers()
    if len(text) == 0 or data_buffer is None:
        return b""
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(data_buffer)[int(offsets[0]) : int(offsets[-1])]
