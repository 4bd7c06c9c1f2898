"""What is no CSV file is called by its name, and what may be one is not."""

import doctest
import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.contract.hostile_rows import zipped

from perennial.errors import SourceRejected
from perennial.sources import foreign
from perennial.sources.foreign import RECOGNISED_BY
from perennial.sources.peek import peek_files

TABLE = pa.table({"parcel": ["a", "b"], "weight": [1.5, 2.5]})


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


FOREIGN = {
    "is a Parquet file, not CSV. Set `format: parquet`": parquet(TABLE),
    "is a Parquet file, not": parquet(TABLE.slice(0, 0)),
    "is packed with gzip": gzip.compress(b"parcel,weight\na,1\n"),
    "is a zip archive, not CSV. Unpack it": zipped("data.csv"),
    "is an Excel workbook": zipped("[Content_Types].xml"),
    "is an Excel workbook or": zipped("xl/workbook.xml"),
}


def test_examples() -> None:
    found = doctest.testmod(foreign)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(("said", "content"), FOREIGN.items(), ids=list(FOREIGN))
def test_what_is_no_csv_file_is_named(said: str, content: bytes, tmp_path: Path) -> None:
    assert foreign.foreign(content[:RECOGNISED_BY]).startswith(said)
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(SourceRejected, match="can't be read: is "):
        peek_files([tmp_path / "a.csv"], "csv", 10)


@pytest.mark.parametrize("content", [b"", b"PAR1,b\n", b"PAR1\nx\n", b"PK,b\n", b"PK\x03\x04", b"\x1f\n", b"parcel\n"])
def test_what_may_be_csv_is_left_to_its_reader(content: bytes) -> None:
    assert foreign.foreign(content) == ""
