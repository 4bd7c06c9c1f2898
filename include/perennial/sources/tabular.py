"""Reading the CSV or Parquet files of a window, one after the other, wherever they come from."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from perennial.errors import SchemaMismatch, UndecodableText
from perennial.quality.columns import plain_text
from perennial.quality.texts import NULL_WORDS, Canonical, Spelling, read_text
from perennial.sources.damage import unreadable
from perennial.sources.delimited import EmptyFile, header_of, read_csv
from perennial.sources.intake import Intake
from perennial.sources.names import refuse_doubled
from perennial.sources.port import Extract
from perennial.sources.selection import Home, Selected, Selection
from perennial.sources.shape import ReadColumn, Shape
from perennial.spec.models import Column, Csv, Limits
from perennial.spec.problems import listed, shown
from perennial.window import Window

BATCH_ROWS = 65_536
BATCH_BYTES = 1 << 26


@dataclass(frozen=True)
class TabularFile:
    """A file on this machine, and the address that its user knows it by. `home` is None for the file of another window:
    see `Selection.of`.
    """

    path: Path
    origin: str
    home: Home | None


@dataclass(frozen=True)
class Layout:
    """What the files are: "csv" or "parquet", what the spec knows of their columns, how to choose the window's rows."""

    format: str
    shape: Shape
    selection: Selection
    csv: Csv = field(default_factory=Csv)

    @property
    def read(self) -> ReadColumn:
        """How a column's values become canonical."""
        if self.format != "csv":
            return self.shape.read
        nulls = NULL_WORDS if self.csv.null_values is None else tuple(text.lower() for text in self.csv.null_values)
        return partial(_read_cells, Spelling(self.csv.decimal, nulls, self.shape.timezone))


def gather(
    files: Iterable[TabularFile], layout: Layout, window: Window, as_of: datetime, limits: Limits, *, address: str
) -> Extract:
    """The window's rows of at least one file. `address` names all of them in messages.

    A CSV file without a byte is what some engines write for a part without rows: it is left out, beside others.
    Errors: `TooMuchData`, `UndecodableText`, `SchemaMismatch`, `SourceUnavailable`.
    """
    intake = Intake(limits, address)
    first: tuple[str, list[str]] | None = None
    origins: list[str] = []
    ignored: dict[str, None] = {}
    chosen: list[Selected] = []
    empty: list[EmptyFile] = []
    for file in files:
        origins.append(file.origin)
        try:
            for batch in _batches(file, layout, ignored):
                first = first or (file.origin, batch.column_names)
                _check_same(file.origin, batch.column_names, *first)
                found = layout.selection.of(
                    batch.select(first[1]), window, as_of, file.origin, layout.shape, home=file.home, read=layout.read
                )
                intake.keep(layout.shape.canonical(intake.admit(found.rows), file.origin, layout.read))
                chosen.append(found)
        except EmptyFile as nothing:
            empty.append(nothing)
    if first is None:
        raise SchemaMismatch(str(empty[0])) from empty[0]
    outside, misplaced, without_time = (
        sum(getattr(each, count) for each in chosen) for count in ("outside", "misplaced", "without_time")
    )
    remarks = [f"{address}: {len(empty)} of {len(origins)} files are empty."] if empty else []
    if ignored:
        remarks.append(f"{address}: left out are the columns that the spec does not declare, {listed(ignored)}.")
    return Extract(intake.table(), "\n".join(origins), outside, misplaced, without_time, tuple(remarks))


def _batches(file: TabularFile, layout: Layout, ignored: dict[str, None]) -> Iterator[pa.Table]:
    """The file's rows, with the columns that are wanted under the names of the spec; the others go to `ignored`."""
    shape = layout.shape
    if layout.format == "csv":
        sought = {column.from_ or name for name, column in shape.columns.items()}
        names = header_of(file.path, file.origin, layout.csv, sought)
    else:
        names = _parquet_names(file)
    renamed = shape.renamed(names)
    refuse_doubled(renamed, file.origin)
    others = shape.others(renamed)
    ignored.update(dict.fromkeys(others))
    kept = [(name, new) for name, new in zip(names, renamed, strict=True) if new not in others]
    read = read_csv(file.path, file.origin, layout.csv, names) if layout.format == "csv" else None
    wanted = [name for name, _ in kept]
    for batch in read if read is not None else _read_parquet(file, wanted):
        yield batch.select(wanted).rename_columns([new for _, new in kept])


def _read_cells(spelling: Spelling, _: str, column: Column, values: pa.ChunkedArray) -> Canonical:
    return read_text(column, values, spelling)


def _check_same(origin: str, names: list[str], first_origin: str, first_names: list[str]) -> None:
    if sorted(names) != sorted(first_names):
        differing = listed(sorted(set(names) ^ set(first_names)))
        raise SchemaMismatch(
            f"{origin} and {first_origin} don't have the same columns; they differ in {differing}. "
            "Write all files of a window with the same columns."
        )


def _parquet_names(file: TabularFile) -> list[str]:
    with _reading(file), pq.ParquetFile(file.path) as described:
        return list(described.schema_arrow.names)


def _read_parquet(file: TabularFile, wanted: Collection[str]) -> Iterator[pa.Table]:
    with _reading(file):
        with pq.ParquetFile(file.path) as described:
            schema, metadata = described.schema_arrow, described.metadata
        # Texts stay dictionaries until their size is known: see `Intake`.
        texts = [field.name for field in schema if _is_text(field.type)]
        nothing = schema.empty_table()
        yield pa.table({name: plain_text(nothing.column(name)) for name in wanted})  # no rows have their columns, too
        with pq.ParquetFile(
            file.path,
            read_dictionary=texts,
            page_checksum_verification=True,
            # Nanoseconds in 64 bits end in 2262, and what lies behind would become another time.
            coerce_int96_timestamp_unit="us",
        ) as parquet:
            for batch in parquet.iter_batches(_batch_rows(metadata), columns=list(wanted)):
                rows = pa.Table.from_batches([batch])
                _check_text(rows, file.origin)
                yield pa.table({name: plain_text(rows.column(name)) for name in rows.column_names})


@contextmanager
def _reading(file: TabularFile) -> Iterator[None]:
    """What Arrow says of a Parquet file that it can't read, as our errors."""
    try:
        yield
    except OSError as error:
        raise unreadable(file.origin, error) from error
    except pa.ArrowException as error:
        text = shown(str(error), 300)
        raise SchemaMismatch(f"{file.origin}: not a Parquet file that can be read: {text}") from error


def _is_text(kind: pa.DataType) -> bool:
    checks = (
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
    )
    return any(check(kind) for check in checks)


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
