"""A Parquet file of the lake without some of its rows, in the place and of the size of the one it follows.

Every version of a table goes on naming the file, so that no version is lost for the sake of one row. Delta's log says
how long a file is, and engines look for a Parquet file's footer from that end: a shorter file is therefore filled up
with zeros before its footer, where no offset of Parquet points to.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from perennial.lake.port import Forgotten
from perennial.lake.storage import put
from perennial.ordered import way_for_few_rows

_TAIL = 8  # bytes after the footer: its length in four, and Parquet's name in four
# From the usual to the smallest, where a file without some rows is longer than it was with them.
_WAYS = (
    {"compression": "zstd", "write_statistics": True},
    {"compression": "zstd", "compression_level": 22, "write_statistics": False},
)  # … and that of few rows, where what zstd puts before each column counts


def without(rows: pa.Table, column: str, value: str) -> pa.Table:
    """The rows but those whose column, written as text, is that value; all of them, where they lack the column."""
    return rows.filter(pc.invert(_named(rows, column, value))) if column in rows.column_names else rows


def forget_in_files(
    filesystem: fs.FileSystem, paths: Sequence[str], column: str, value: str, row_group_rows: int
) -> Forgotten:
    """Rewrite the files that have such rows. Errors: `OSError`; those of Arrow, but for files that are no Parquet."""
    files, removed, unread = 0, 0, []
    for path in paths:
        try:
            found = _rows_named(filesystem, path, column, value)
        except pa.ArrowInvalid:
            unread.append(path)
            continue
        if found:
            _rewrite_without(filesystem, path, column, value, row_group_rows)
            files, removed = files + 1, removed + found
    return Forgotten(files, removed, tuple(unread))


def _named(rows: pa.Table, column: str, value: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(rows.column(column).cast(pa.string()), value), fill_value=False)


def _rows_named(filesystem: fs.FileSystem, path: str, column: str, value: str) -> int:
    """How many rows of the file have that value; none where it lacks the column. Errors: those of Arrow."""
    with pq.ParquetFile(path, filesystem=filesystem) as parquet:
        if column not in parquet.schema_arrow.names:
            return 0
        found = pc.sum(_named(parquet.read(columns=[column]), column, value)).as_py()
    return int(found or 0)


def _rewrite_without(filesystem: fs.FileSystem, path: str, column: str, value: str, row_group_rows: int) -> None:
    """Put the file without those rows in its own place, at once or not at all. Errors: those of Arrow, `OSError`.

    It has the same size, unless what is left does not fit into that by any means; then it is longer.
    """
    size = filesystem.get_file_info(path).size
    with pq.ParquetFile(path, filesystem=filesystem) as parquet:
        rows = parquet.read()
    kept = without(rows, column, value)
    content = b""
    for way in (*_WAYS, way_for_few_rows(kept.schema)):
        sink = pa.BufferOutputStream()
        pq.write_table(kept, sink, row_group_size=row_group_rows, **way)
        content = sink.getvalue().to_pybytes()
        if len(content) <= size:
            break
    put(filesystem, path, _filled_up(content, size))


def _filled_up(content: bytes, size: int) -> bytes:
    """A Parquet file's bytes, made so long with zeros before the footer; as they are, if they are that long already."""
    footer = len(content) - _TAIL - int.from_bytes(content[-_TAIL : -_TAIL + 4], "little")
    return content[:footer] + bytes(max(0, size - len(content))) + content[footer:]
