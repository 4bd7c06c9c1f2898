"""Rows between Arrow and PostgreSQL's COPY, with every value coming back as it went in.

They go in as binary, which neither side has to write or read digit by digit, and come out as CSV.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import errors, extensions
from psycopg2.sql import SQL, Composable, Composed, Identifier
from pyarrow import csv

from perennial.published.layout import ARROW_TYPES

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
READ_BYTES, SENT_ROWS = 1 << 20, 20_000  # each value of that many rows is held in a few forms at once
RUN_BYTES = 32_000_000  # of rows that are put in the order of their keys together
# How PostgreSQL sends values of fixed width: big-endian, and times since 2000.
_SENT_AS: dict[pa.DataType, tuple[str, pa.DataType, int]] = {
    pa.bool_(): (">u1", pa.uint8(), 0),
    pa.int16(): (">i2", pa.int16(), 0),
    pa.int32(): (">i4", pa.int32(), 0),
    pa.int64(): (">i8", pa.int64(), 0),
    pa.float32(): (">f4", pa.float32(), 0),
    pa.float64(): (">f8", pa.float64(), 0),
    pa.date32(): (">i4", pa.int32(), 10_957),
    pa.timestamp("us", tz="UTC"): (">i8", pa.int64(), 946_684_800_000_000),
}


class BinaryRows(io.RawIOBase):
    """Rows as the file that COPY reads, made while the database takes what was read before, and never held as a whole.

    `failure` is what kept them from being made.
    """

    def __init__(self, chunks: Iterable[pa.Table]) -> None:
        super().__init__()
        self._parts = chain([HEADER], map(_tuples, chunks), [TRAILER])
        self._ahead = memoryview(b"")
        self.failure: Exception | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, or the beginning of it; the number of bytes, 0 at the end."""
        while not self._ahead:
            try:
                part = next(self._parts, None)
            except Exception as error:
                self.failure = error
                raise
            if part is None:
                return 0
            self._ahead = memoryview(part).cast("B")
        size = min(len(buffer), len(self._ahead))
        buffer[:size], self._ahead = self._ahead[:size], self._ahead[size:]
        return size


def by_key(chunks: Iterable[pa.Table], key: str) -> Iterator[pa.Table]:
    """The rows in chunks of at most `SENT_ROWS`, in the order of their keys, in as many runs as memory needs.

    Entries of an index that come in its order cost a third of what they cost at random.
    """
    held: list[pa.Table] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(each.nbytes for each in held) >= RUN_BYTES:
            yield from _run_by_key(held, key)
            held = []
    if held:
        yield from _run_by_key(held, key)


def _run_by_key(held: Sequence[pa.Table], key: str) -> Iterator[pa.Table]:
    rows = pa.concat_tables(held)
    order = pc.sort_indices(rows.column(key))
    for first in range(0, rows.num_rows, SENT_ROWS):
        yield rows.take(order.slice(first, SENT_ROWS))


def copy_in(cursor: extensions.cursor, target: Identifier, names: Sequence[str], chunks: Iterable[pa.Table]) -> None:
    """Append the rows of the chunks to the table `target`, whose columns have these names in this order.

    Errors: those of the chunks, which psycopg2 would tell as a statement that was cancelled.
    """
    rows = BinaryRows(chunks)
    columns = SQL(", ").join(map(Identifier, names))
    copy = SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(target, columns)
    try:
        cursor.copy_expert(copy, io.BufferedReader(rows, READ_BYTES), READ_BYTES)
    except errors.QueryCanceled as error:
        if rows.failure is None:
            raise
        raise rows.failure from error


def _tuples(rows: pa.Table) -> bytes | memoryview:
    """The rows as PostgreSQL's binary COPY has them: the number of values, and each value's length and bytes."""
    if rows.num_rows == 0:
        return b""
    count, nothing = (pa.scalar(value, pa.large_binary()) for value in (rows.num_columns.to_bytes(2, "big"), b""))
    parts = [part for column in rows.itercolumns() for part in _values(column.combine_chunks())]
    joined = pc.binary_join_element_wise(count, *parts, nothing, null_handling="replace", null_replacement=b"")
    _, offsets, data = joined.buffers()
    return memoryview(data)[: int(np.frombuffer(offsets, dtype=np.int64)[joined.offset + len(joined)])]


def _values(column: pa.Array) -> list[pa.LargeBinaryArray]:
    """What to join for each value: its length, -1 for null, and its bytes."""
    if pa.types.is_string(column.type):
        text = column.cast(pa.large_binary())
        return [_pieces(pc.fill_null(pc.binary_length(text), -1).to_numpy().astype(">i4")), text]
    sent, plain, since = _SENT_AS[column.type]
    numbers = column.cast(plain)
    if since:
        numbers = pc.subtract_checked(numbers, pa.scalar(since, plain))
    value = np.empty(len(column), dtype=[("length", ">i4"), ("value", sent)])
    value["length"] = value.dtype["value"].itemsize
    value["value"] = pc.fill_null(numbers, 0).to_numpy()
    if column.null_count == 0:
        return [_pieces(value)]
    null = pa.scalar((-1).to_bytes(4, "big", signed=True), pa.large_binary())
    return [pc.if_else(column.is_valid(), _pieces(value), null)]


def _pieces(values: npt.NDArray[Any]) -> pa.LargeBinaryArray:
    """The bytes of each value, as they lie in memory."""
    ends = np.arange(len(values) + 1, dtype=np.int64) * values.dtype.itemsize
    return pa.Array.from_buffers(pa.large_binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(values)])


def copy_out(cursor: extensions.cursor, columns: Mapping[str, str], source: Composable) -> pa.Table:
    """The columns (name to database type) of what `source` selects from: a table, and a condition if need be."""
    cursor.execute("SET LOCAL extra_float_digits = 1")  # as many digits as a float needs to come back exactly
    selected = SQL(", ").join(_readable(name, kind) for name, kind in columns.items())
    types = {name: ARROW_TYPES[kind] for name, kind in columns.items()}
    plain = {name: pa.int64() if pa.types.is_timestamp(kind) else kind for name, kind in types.items()}
    with TemporaryFile() as file:
        cursor.copy_expert(SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv)").format(selected, source), file)
        if file.tell() == 0:
            return pa.schema(list(types.items())).empty_table()
        file.seek(0)
        rows = csv.read_csv(
            file,
            read_options=csv.ReadOptions(column_names=list(columns)),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=plain,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )
    return rows.cast(pa.schema(list(types.items())))


def _readable(name: str, kind: str) -> Composed:
    """Instants are written as microseconds, so that their form depends on no setting of the session."""
    instant = ARROW_TYPES[kind] == pa.timestamp("us", tz="UTC")
    form = "(extract(epoch FROM {}) * 1000000)::bigint" if instant else "{}"
    return SQL(form).format(Identifier(name))
