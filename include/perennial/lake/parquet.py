"""Opening a Parquet file of the lake."""

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from perennial.ordered import FEW_ROWS


def opened(filesystem: fs.FileSystem, path: str, rows: int | None) -> pq.ParquetFile:
    """The file, which has so many rows, if that is known. One of few rows is read by one request instead of several.

    Errors: `FileNotFoundError`, those of Arrow.
    """
    if rows is None or rows > FEW_ROWS:
        return pq.ParquetFile(path, filesystem=filesystem)
    with filesystem.open_input_file(path) as file:
        return pq.ParquetFile(pa.BufferReader(file.read_buffer()))
