"""Opening a Parquet file of the lake."""

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from perennial.ordered import FEW_ROWS


def open_parquet(filesystem: fs.FileSystem, path: str, rows: int | None) -> pq.ParquetFile:
    """The file, which has so many rows, if that is known. One of few rows is read by one request instead of several.

    Errors: `FileNotFoundError`, those of Arrow.
    """
    if not is_small(rows):
        return pq.ParquetFile(path, filesystem=filesystem)
    with filesystem.open_input_file(path) as file:
        return pq.ParquetFile(pa.BufferReader(file.read_buffer()))


def is_small(rows: int | None) -> bool:
    """Whether a file of so many rows is one of few."""
    return rows is not None and rows <= FEW_ROWS
