"""Digests over content: the same rows have the same digest, in whatever order or file they lie.

Canonical form of a table: columns sorted by name, rows sorted by all columns in that order, each column as one
contiguous Arrow array of its canonical type. The digest is sha-256 over names, types and the values' buffers.
"""

import hashlib
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def canonical(table: pa.Table) -> pa.Table:
    """The same rows with columns sorted by name and rows sorted by all columns; nulls come last."""
    names = sorted(table.column_names)
    table = table.select(names)
    if table.num_rows < 2:
        return table.combine_chunks()
    return table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in names])).combine_chunks()


def table_digest(table: pa.Table) -> str:
    """The sha-256 of the table's canonical content, as hex.

    >>> a = pa.table({"x": [1, 2], "y": ["b", None]})
    >>> b = pa.table({"y": [None, "b"], "x": [2, 1]})
    >>> table_digest(a) == table_digest(b)
    True
    """
    digest = hashlib.sha256()
    ordered = canonical(table)
    digest.update(str(ordered.num_rows).encode())
    for name in ordered.column_names:
        values = ordered.column(name)
        digest.update(f"\x00{name}\x00{values.type}\x00".encode())
        for part in _content(values):
            digest.update(part)
    return digest.hexdigest()


def json_digest(value: Any) -> str:
    """The sha-256 of a JSON value with sorted keys, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def bytes_digest(value: bytes) -> str:
    """The sha-256 of bytes, as hex."""
    return hashlib.sha256(value).hexdigest()


def _content(values: pa.ChunkedArray) -> list[bytes]:
    """Which values are null, and the others: for text their lengths and bytes, else their fixed-width form."""
    present = values.drop_null().combine_chunks()
    valid = np.packbits(values.is_valid().to_numpy(zero_copy_only=False)).tobytes()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return [valid, *_text_content(present.cast(pa.large_string()))]
    if pa.types.is_timestamp(values.type):
        present = present.cast(pa.int64())
    return [valid, np.ascontiguousarray(present.to_numpy(zero_copy_only=False)).tobytes()]


def _text_content(text: pa.LargeStringArray) -> list[bytes]:
    _, offset_buffer, data_buffer = text.buffers()
    if len(text) == 0 or data_buffer is None:
        return [b"\x00" * 8 * len(text)]
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[text.offset : text.offset + len(text) + 1]
    data = memoryview(data_buffer)[int(offsets[0]) : int(offsets[-1])]
    return [np.diff(offsets).astype("<i8").tobytes(), bytes(data)]
