"""Reading the CSV or Parquet files of a window, one after the other, wherever they come from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from perennial.errors import SchemaMismatch, UndecodableText
from perennial.sources.damage import unreadable
from perennial.sources.delimited import read_csv
from perennial.sources.intake import Intake
from perennial.sources.names import refuse_doubled
from perennial.sources.port import Extract
from perennial.sources.selection import Selection
from perennial.spec.models import Column, Kind, Limits
from perennial.spec.problems import listed, shown
from perennial.window import Window

BATCH_ROWS = 65_536
BATCH_BYTES = 1 << 26


@dataclass(frozen=True)
class TabularFile:
    """A file on this machine, and the address that its user knows it by."""

    path: Path
    origin: str


@dataclass(frozen=True)
class Layout:
    """What the files are: "csv" or "parquet", the columns that the spec knows, and how to choose the window's rows."""

    format: str
    columns: Mapping[str, Column]
    selection: Selection

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kinds of the columns, with the two times among them."""
        times = [name for name in (self.selection.event_time, self.selection.arrival) if name]
        return {name: column.kind for name, column in self.columns.items()} | dict.fromkeys(times, Kind.TIMESTAMP)


def gather(
    files: Iterable[TabularFile], layout: Layout, window: Window, as_of: datetime, limits: Limits, *, address: str
) -> Extract:
    """The window's rows of at least one file. `address` names all of them in messages.

    Errors: `TooMuchData`, `UndecodableText`, `SchemaMismatch`, `SourceUnavailable`.
    """
    intake = Intake(limits, address)
    first: tuple[str, list[str]] | None = None
    origins = []
    for file in files:
        origins.append(file.origin)
        for batch in _batches(file, layout):
            first = first or (file.origin, batch.column_names)
            if sorted(batch.column_names) != sorted(first[1]):
                differing = listed(sorted(set(batch.column_names) ^ set(first[1])))
                raise SchemaMismatch(
                    f"{file.origin} and {first[0]} don't have the same columns; they differ in {differing}. "
                    "Write all files of a window with the same columns."
                )
            intake.add(layout.selection.of(batch.select(first[1]), window, as_of, file.origin))
    return Extract(intake.table(), "\n".join(origins))


def filled(pattern: str, window: Window) -> list[str]:
    """The pattern with its strftime directives filled in, once for each different result.

    They are filled in with every hour of the window, in UTC, beginning with its start: a window of a month over daily
    files, or a local day over files by UTC date, reads all of the files it touches.
    """
    hours = int((window.end - window.start) / timedelta(hours=1)) + 1
    moments = [
        min(window.start + timedelta(hours=hour), window.end - timedelta(microseconds=1)) for hour in range(hours)
    ]
    return list(dict.fromkeys(moment.strftime(pattern) for moment in moments))


def is_data(name: str) -> bool:
    """Whether a file is data, by its name: markers and files in the making start with `_` or `.`."""
    return not name.startswith(("_", "."))


def _batches(file: TabularFile, layout: Layout) -> Iterator[pa.Table]:
    if layout.format == "csv":
        return read_csv(file.path, file.origin, layout.kinds)
    return _read_parquet(file)


def _read_parquet(file: TabularFile) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(file.path) as described:
            schema, metadata = described.schema_arrow, described.metadata
        refuse_doubled(schema.names, file.origin)
        # Texts stay dictionaries until their size is known: see `Intake`.
        texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
        with pq.ParquetFile(file.path, read_dictionary=texts, page_checksum_verification=True) as parquet:
            yield schema.empty_table()  # so that a file without rows has its columns, too
            for batch in parquet.iter_batches(_batch_rows(metadata)):
                rows = pa.Table.from_batches([batch])
                _check_text(rows, file.origin)
                yield rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        text = shown(str(error), 300)
        raise SchemaMismatch(f"{file.origin}: not a Parquet file that can be read: {text}") from error
    except OSError as error:
        raise unreadable(file.origin, error) from error


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """How many rows to unpack at once, so that a batch has about `BATCH_BYTES` however long the rows are."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    longest = max((group.total_byte_size / group.num_rows for group in groups if group.num_rows), default=1)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(longest, 1))))


def _check_text(rows: pa.Table, origin: str) -> None:
    for name in rows.column_names:
        try:
            rows.column(name).validate(full=True)
        except pa.ArrowInvalid as error:
            raise UndecodableText(f"{origin}: column {shown(name)} holds text that is not UTF-8: {error}.") from error
