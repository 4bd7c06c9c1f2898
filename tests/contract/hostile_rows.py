"""Good rows of a day, and ways to put one hostile thing among them."""

import gzip
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 40
COLUMNS = ("parcel", "sent_at", "weight", "pieces", "fragile", "service", "note")
HEADER = ",".join(COLUMNS).encode()
VICTIM = 3  # the row that a hostile cell is in

Files = dict[str | bytes, bytes]
Deliver = Callable[[datetime], Files]
"""What lies in the source's folder for a day: contents by what comes after the day in the file's name."""


def good_lines(day: datetime) -> list[list[bytes]]:
    """The cells of a day's rows, as CSV has them."""
    return [
        [
            f"{day:%m%d}-{i}".encode(),
            f"{day + timedelta(minutes=10 * i):%Y-%m-%dT%H:%M:%SZ}".encode(),
            f"{8 + i / 8}".encode(),
            str(i % 5).encode(),
            (b"false", b"true")[i % 2],
            (b"road", b"air", b"rail")[i % 3],
            b"",
        ]
        for i in range(ROWS)
    ]


def csv_of(lines: list[list[bytes]], header: bytes = HEADER) -> bytes:
    return b"\n".join([header, *(b",".join(line) for line in lines)]) + b"\n"


def good_csv(day: datetime) -> Files:
    return {".csv": csv_of(good_lines(day))}


def cell(column: str, *values: bytes) -> Deliver:
    """Good rows, but the cells of the column hold these bytes in as many rows, as they are."""

    def deliver(day: datetime) -> Files:
        lines = good_lines(day)
        for row, value in enumerate(values, VICTIM):
            lines[row][COLUMNS.index(column)] = value
        return {".csv": csv_of(lines)}

    return deliver


def text(column: str, *values: str) -> Deliver:
    """Good rows, but the column holds these texts in as many rows, quoted as CSV wants it."""
    return cell(column, *(b'"' + value.replace('"', '""').encode() + b'"' for value in values))


def header(new: bytes, *, cells: bytes = b"") -> Deliver:
    """Good rows below another header, each with `cells` at its end."""
    return lambda day: {".csv": csv_of([[*line[:-1], line[-1] + cells] for line in good_lines(day)], new)}


def renamed(column: str, name: str) -> Deliver:
    return header(HEADER.replace(column.encode(), name.encode(), 1))


def content(of: Callable[[bytes], bytes], suffix: str | bytes = ".csv") -> Deliver:
    """What becomes of the good file."""
    return lambda day: {suffix: of(csv_of(good_lines(day)))}


def only(*contents: bytes, suffix: str | bytes = ".csv") -> Deliver:
    """These bytes one after the other, whatever the day."""
    return lambda day: {suffix: b"".join(contents)}


def zipped(name: str) -> bytes:
    """A zip archive whose first file has this name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "parcel,weight\na,1\n")
    return file.getvalue()


def packed(of: Callable[[bytes], bytes]) -> Deliver:
    """What becomes of the good file after it was packed."""
    return content(lambda plain: of(gzip.compress(plain)), ".csv.gz")


def good_table(day: datetime) -> pa.Table:
    lines = good_lines(day)
    return pa.table(
        {
            "parcel": [line[0].decode() for line in lines],
            "sent_at": pa.array([day + timedelta(minutes=10 * i) for i in range(ROWS)], pa.timestamp("us", "UTC")),
            "weight": [float(line[2]) for line in lines],
            "pieces": [int(line[3]) for line in lines],
            "fragile": [line[4] == b"true" for line in lines],
            "service": [line[5].decode() for line in lines],
            "note": pa.nulls(ROWS, pa.string()),
        }
    )


def parquet_bytes(table: pa.Table, **options: bool | int) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def parquet(change: Callable[[pa.Table], pa.Table] = lambda table: table, **options: bool | int) -> Deliver:
    """A Parquet file of the good rows, changed."""
    return lambda day: {".parquet": parquet_bytes(change(good_table(day)), **options)}


def parquet_content(of: Callable[[bytes], bytes], **options: bool | int) -> Deliver:
    """What becomes of the good Parquet file's bytes."""
    return lambda day: {".parquet": of(parquet_bytes(good_table(day), **options))}


def column(name: str, values: pa.Array) -> Deliver:
    """Good rows, but the whole column is these values."""
    return parquet(lambda table: table.set_column(table.column_names.index(name), name, values))


def value(name: str, *values: object) -> Deliver:
    """Good rows, but the column holds these values in as many rows."""

    def change(table: pa.Table) -> pa.Table:
        kept = table.column(name).to_pylist()
        kept[VICTIM : VICTIM + len(values)] = values
        kind = table.schema.field(name).type
        return table.set_column(table.column_names.index(name), name, pa.array(kept, kind))

    return parquet(change)


def flipped(content: bytes, at: int) -> bytes:
    """The bytes with one of them turned over; `at` may count from the end."""
    at %= len(content)
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
