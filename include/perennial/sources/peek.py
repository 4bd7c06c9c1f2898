"""A first look at data: what is there, read as it is. Nothing is refused, and what is odd is told.

Sources are strict, and end at the first thing that they may not let in. This reads for people who want to know
everything about some data at once: `perennial check --sample` and `perennial new`.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pandas as pd
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg2.extensions import new_type, register_type

from perennial.addresses import postgres_dsn, unknown_option
from perennial.errors import EmptyWindow, InvalidQuery, InvalidSettings, SourceRejected, SourceUnavailable
from perennial.sources.bucket import Bucket, below
from perennial.sources.data_files import sorted_out
from perennial.sources.delimited import opened
from perennial.sources.files import Files
from perennial.sources.foreign import RECOGNISED_BY, foreign
from perennial.sources.naming import filled
from perennial.sources.port import Connections
from perennial.sources.sql import bound
from perennial.spec.load import LoadedUseCase
from perennial.spec.sources import FileSource, PostgresSource, S3Source
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Window

SNIFFED = 1 << 18  # bytes from which the dialect of a CSV file is told
DELIMITERS = ",;\t|"
LATIN = "cp1252"  # what text that is not UTF-8 most often is
BATCH_ROWS = 10_000
CONNECT_SECONDS = 10
TIMEOUT_MILLISECONDS = 120_000
# By OID. Everything else comes as PostgreSQL writes it: exact, whatever it is.
_PLAIN = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    700: pa.float64(),
    701: pa.float64(),
}
_NAIVE = (1082, 1114)
_AS_TEXT = (*_NAIVE, 1184, 1700)


Oddity = tuple[str, str]
"""What is odd, and where: the same in many files is told once."""


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written."""

    delimiter: str = ","
    escape: str | None = None
    encoding: str = "utf-8"

    @property
    def plain(self) -> bool:
        """Whether it needs no word in the spec."""
        return self == Dialect()


@dataclass(frozen=True)
class DataFile:
    """A file, by the address that its user knows; `local` brings it onto this machine."""

    origin: str
    local: Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True)
class Peek:
    """Rows as they are: every cell of a CSV file is text, other sources keep their types.

    PostgreSQL's dates, times and numerics are texts as it writes them, in UTC; `naive` names the columns whose type has
    no time zone, and `texts` those that really are text, where cells have types at all. `dialect` is that of CSV files.
    `oddities` are sentences about what could not be read, `whole` says that there are no rows besides these.
    """

    rows: pa.Table
    origins: tuple[str, ...]
    dialect: Dialect | None = None
    naive: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()
    whole: bool = True


def peek_source(
    use_case: LoadedUseCase, source: SourceSpec, window: Window, as_of: datetime, connections: Connections
) -> Peek | None:
    """What the use case's source has for a window, as it is; None for a kind of source that has no such look.

    Errors: `EmptyWindow`, `SourceRejected`, `SourceUnavailable`, `InvalidQuery`, `InvalidSettings`.
    """
    most = use_case.spec.limits.max_rows
    if isinstance(source, PostgresSource):
        file = str(source.query)
        values = {"start": window.start, "end": window.end, "as_of": as_of}
        return peek_query(connections.url(source.connection), use_case.queries[file], file, values, most)
    if isinstance(source, FileSource):
        files = files_of(source.path, source.pattern, use_case.folder, window)
        return peek_files(files, source.format, most, source.csv.encoding)
    if isinstance(source, S3Source):
        bucket = Bucket(connections.url(source.connection), source.bucket, source.connection)
        return peek_objects(bucket, objects_of(bucket, source.prefix, window), source.format, most, source.csv.encoding)
    return None


def peek_files(files: Iterable[Path], form: str, most_rows: int, encoding: str | None = None) -> Peek:
    """`peek_data` of files on this machine."""
    return peek_data(map(_on_disk, files), form, most_rows, encoding)


def _on_disk(file: Path) -> DataFile:
    return DataFile(str(file), lambda: nullcontext(file))


def peek_objects(bucket: Bucket, keys: Iterable[str], form: str, most_rows: int, encoding: str | None = None) -> Peek:
    """`peek_data` of objects in a bucket, of which each is copied to a temporary file. Errors also: as `Bucket`."""
    with bucket.reached(f"s3://{bucket.name}") as reached, TemporaryDirectory() as folder:
        copy = Path(folder) / "object"
        files = [DataFile(f"s3://{bucket.name}/{key}", partial(reached.copied, key, copy)) for key in keys]
        return peek_data(files, form, most_rows, encoding)


def peek_data(files: Iterable[DataFile], form: str, most_rows: int, encoding: str | None = None) -> Peek:
    """The first rows of files; `form` is "csv" or "parquet". Columns that some files lack are missing there.

    Without an `encoding`, CSV is read as UTF-8, or else as what it most likely is.

    Errors: `SourceRejected` when none of them can be read.
    """
    parts: list[pa.Table] = []
    origins: list[str] = []
    oddities: list[str] = []
    empty: list[str] = []
    decimals: set[str] = set()  # exact texts here, and numbers at the source
    found_odd: dict[str, list[str]] = {}
    dialect = None
    left = most_rows
    for file in files:
        try:
            with file.local() as path:
                if form == "csv":
                    rows, found, noticed = _csv(path, file.origin, left, encoding)
                    if not rows.num_columns:  # without a byte: a part without rows, as for ingesting
                        empty.append(f"{file.origin} is empty")
                        continue
                    dialect = dialect or found
                    for text, place in noticed:
                        found_odd.setdefault(text, []).append(place)
                else:
                    rows, exact = _parquet(path, left)
                    decimals |= exact
        except (OSError, ValueError, pa.ArrowException, csv.Error, pd.errors.ParserError) as error:
            oddities.append(f"{file.origin} can't be read: {' '.join(str(error).split())[:300]}")
            continue
        origins.append(file.origin)
        parts.append(rows)
        left -= rows.num_rows
        if left <= 0:
            break
    for text, places in found_odd.items():
        more = f" and {len(places) - 1} more like it" if len(places) > 1 else ""
        oddities.append(f"{places[0]}{more}: {text}")
    if not parts:
        raise SourceRejected("; ".join(oddities + empty) or "There is no file to look at.")
    names = {tuple(part.column_names) for part in parts}
    if len(names) > 1:
        odd = sorted(set.union(*map(set, names)) - set.intersection(*map(set, names)))
        oddities.append(f"the files don't all have the same columns; they differ in {', '.join(odd) or 'their order'}")
    try:
        together, varying = pa.concat_tables(parts, promote_options="permissive"), set[str]()
    except pa.ArrowException:  # ingesting takes each file by its own types
        varying = {f.name for part in parts for f in part.schema if _varies(f, parts)}
        together = pa.concat_tables([_texts(part, varying) for part in parts], promote_options="permissive")
    return Peek(
        together,
        tuple(origins),
        dialect,
        naive=tuple(f.name for f in together.schema if _is_naive(f.type)),
        texts=()
        if form == "csv"
        else tuple(f.name for f in together.schema if pa.types.is_string(f.type) and f.name not in decimals | varying),
        oddities=tuple(oddities),
        whole=left > 0,
    )


def _is_naive(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None))


def objects_of(bucket: Bucket, prefix: str, window: Window) -> list[str]:
    """The keys of the data objects that the prefix names for a window.

    Errors: `EmptyWindow` when there are none; `SchemaMismatch` for a Delta table; as `Bucket`.
    """
    address = f"s3://{bucket.name}/{prefix}"
    with bucket.reached(address) as reached:
        names = list(filled(prefix, window.start, window.end))
        found = {key: below(key, name) for name in names for key, _ in reached.objects(name)}
    keys, unfinished = sorted_out(sorted(found.items()), address)
    if not keys:
        raise EmptyWindow(f"no object's key starts with {names[0]} in s3://{bucket.name}{unfinished}")
    return keys


def files_of(path: str, pattern: str, folder: Path, window: Window) -> list[Path]:
    """The data files that path and pattern name for a window.

    Errors: `EmptyWindow` when there are none; as `Files.found` and `Files.data`.
    """
    files = Files(path, pattern, folder)
    found = files.found(filled(files.names, window.start, window.end))
    data, unfinished = files.data(sorted({path for paths in found.values() for path in paths}))
    if not data:
        first = next(iter(found)).replace("\n", "/")
        raise EmptyWindow(f"no file matches; for {window} that would be {first} below {folder}{unfinished}")
    return [Path(path) for path in data]


def peek_query(url: str, sql: str, file: str, values: Mapping[str, datetime], most_rows: int) -> Peek:
    """The first rows of a query, which may bind :start, :end and :as_of.

    Errors: `SourceUnavailable`, `InvalidQuery`, `InvalidSettings` for the connection; `file` names the query in them.
    """
    try:
        session = psycopg2.connect(postgres_dsn(url), connect_timeout=CONNECT_SECONDS, client_encoding="UTF8")
    except psycopg2.Error as error:
        if extra := unknown_option(str(error)):  # libpq's text may quote the connection string
            raise InvalidSettings(f"The database can't be reached: {extra}.") from None
        raise SourceUnavailable(
            f"The database can't be reached: {' '.join(str(error).split())}. Check host, user and password."
        ) from error
    with closing(session):
        session.set_session(readonly=True)
        try:
            return _queried(session, bound(sql, file), file, values, most_rows)
        except psycopg2.OperationalError as error:
            raise SourceUnavailable(f"{file}: {' '.join(str(error).split())}") from error
        except psycopg2.Error as error:
            said = error.diag.message_primary or str(error)
            hint = f" The server's hint: {error.diag.message_hint}" if error.diag.message_hint else ""
            raise InvalidQuery(f"{file}: {' '.join(said.split())}.{hint}") from error


def _queried(session: Any, statement: str, file: str, values: Mapping[str, datetime], most_rows: int) -> Peek:
    with session.cursor() as setup:
        setup.execute("SELECT set_config('statement_timeout', %s, true)", (str(TIMEOUT_MILLISECONDS),))
        setup.execute("SET LOCAL TIME ZONE 'UTC'")
        setup.execute("SET LOCAL datestyle TO 'ISO'")
    cursor = session.cursor(name="perennial_peek")
    register_type(new_type(_AS_TEXT, "as_text", lambda value, _: value), cursor)
    cursor.execute(statement, dict(values))
    rows: list[tuple[Any, ...]] = []
    while len(rows) < most_rows and (more := cursor.fetchmany(min(BATCH_ROWS, most_rows - len(rows)))):
        rows += more
    if cursor.description is None:
        cursor.fetchmany(1)
    described = cursor.description or ()
    columns = list(zip(*rows, strict=True)) or [()] * len(described)
    arrays = [
        pa.array(cells, _PLAIN[column.type_code])
        if column.type_code in _PLAIN
        else pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
        for column, cells in zip(described, columns, strict=True)
    ]
    return Peek(
        pa.Table.from_arrays(arrays, names=[column.name for column in described]),
        (file,),
        naive=tuple(column.name for column in described if column.type_code in _NAIVE),
        texts=tuple(c.name for c in described if c.type_code not in _PLAIN and c.type_code not in _AS_TEXT),
        whole=len(rows) < most_rows,
    )


def _parquet(file: Path, most_rows: int) -> tuple[pa.Table, set[str]]:
    """The first rows, and which of their columns are decimals."""
    with pq.ParquetFile(file) as parquet:
        batches = []
        left = most_rows
        for batch in parquet.iter_batches(BATCH_ROWS):
            batches.append(batch.slice(0, left))
            left -= batch.num_rows
            if left <= 0:
                break
        schema = parquet.schema_arrow
    rows = pa.Table.from_batches(batches, schema) if batches else schema.empty_table()
    plain = [_plain(rows.column(position)) for position in range(rows.num_columns)]
    decimals = {field.name for field in schema if pa.types.is_decimal(field.type)}
    return pa.Table.from_arrays(plain, names=rows.column_names), decimals


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as ordinary texts, decimals as exact texts."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) or pa.types.is_decimal(kind):
        return values.cast(pa.string())
    return values


def _varies(field: pa.Field, parts: list[pa.Table]) -> bool:
    return any(field.name in part.column_names and part.schema.field(field.name).type != field.type for part in parts)


def _texts(rows: pa.Table, names: set[str]) -> pa.Table:
    """The rows with those columns as texts."""
    columns = [
        pa.array([None if v is None else str(v) for v in c.to_pylist()], pa.string()) if name in names else c
        for name, c in zip(rows.column_names, rows.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, names=rows.column_names)


def _csv(path: Path, file: str, most_rows: int, given: str | None) -> tuple[pa.Table, Dialect, list[Oddity]]:
    with opened(path, file) as stream:
        content = stream.read()
    if said := foreign(content[:RECOGNISED_BY]):
        raise ValueError(said)
    oddities: list[Oddity] = []
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else given or "utf-8"
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        oddities.append((f"not {encoding.upper()}, and read as {LATIN}", f"{file}, line {line}"))
        text = content.decode(LATIN, errors="replace")
        encoding = LATIN
    delimiter = _delimiter(text[:SNIFFED])
    escape = "\\" if '\\"' in text else None
    dialect = Dialect(delimiter, escape, encoding)
    names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        oddities.append((f"the column {', '.join(doubled)} is there more than once", file))
    frame = _frame(text, dialect, most_rows, file, oddities)
    columns = [pa.array(frame.iloc[:, place].tolist(), pa.string()) for place in range(frame.shape[1])]
    return pa.Table.from_arrays(columns, names=[str(name) for name in frame.columns]), dialect, oddities


def _frame(text: str, dialect: Dialect, most_rows: int, file: str, oddities: list[Oddity]) -> pd.DataFrame:
    def read(bad: Literal["error", "skip"]) -> pd.DataFrame:
        return pd.read_csv(
            io.StringIO(text),
            dtype=str,
            keep_default_na=False,
            na_filter=False,
            sep=dialect.delimiter,
            escapechar=dialect.escape,
            nrows=most_rows,
            on_bad_lines=bad,
            index_col=False,
        )

    try:
        return _nulled(read("error"))
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except pd.errors.ParserError as error:
        oddities.append((f"lines of another length were left out: {' '.join(str(error).split())}", file))
        return _nulled(read("skip"))


def _nulled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame != "", None)


def _delimiter(text: str) -> str:
    """The sign that parts the first lines into the most columns, the same number in each."""
    lines = [line for line in islice(io.StringIO(text), 20) if line.strip()]
    if len(lines) > 1 and not text.endswith("\n"):
        lines = lines[:-1] or lines  # the last one may be cut off

    def columns(sign: str) -> int:
        counts = [len(next(csv.reader([line], delimiter=sign), [])) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        return usual if counts and counts[0] == usual else 0

    return max(DELIMITERS, key=columns)
