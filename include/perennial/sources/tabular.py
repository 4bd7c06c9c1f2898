"""Reading the CSV or Parquet files of a window, one after the other, wherever they come from."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from perennial.errors import EmptyWindow, SchemaMismatch, TooMuchData, UndecodableText
from perennial.ordered import batches
from perennial.quality.columns import plain_text
from perennial.quality.texts import NULL_WORDS, Canonical, Spelling, read_text
from perennial.quality.unread import BAD_CELLS
from perennial.sources.cache import FileCache
from perennial.sources.damage import unreadable
from perennial.sources.delimited import EmptyFile, header_of, read_csv
from perennial.sources.intake import Intake, together
from perennial.sources.names import refuse_doubled
from perennial.sources.naming import DatedName
from perennial.sources.port import Extract
from perennial.sources.selection import Home, Selected, Selection
from perennial.sources.shape import ReadColumn, Shape
from perennial.spec.columns import Column
from perennial.spec.models import Limits
from perennial.spec.problems import listed, shown
from perennial.spec.sources import Csv
from perennial.window import Window

BATCH_ROWS = 65_536
BATCH_BYTES = 1 << 26

Select = Callable[[pa.Table, str, Home | None, ReadColumn | None], Selected]


@dataclass(frozen=True)
class TabularFile:
    """A file, and the address that its user knows it by. `local` brings it onto this machine, `stamp` changes when it
    does. `home` is None for the file of another window: see `Selection.of`.
    """

    origin: str
    stamp: str
    home: Home | None
    local: Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True)
class Layout:
    """What the files are: "csv" or "parquet", what the spec knows of their columns, how to choose the window's rows."""

    format: str
    shape: Shape
    selection: Selection
    csv: Csv = field(default_factory=Csv)
    cache: FileCache | None = None
    section: str = ""  # of the cache: what decides how a file is read, besides the file

    def home(self, names: DatedName, name: str, window: Window) -> Home | None:
        """See `TabularFile`. Files without a date that are read from the cache are taken together, and tell nothing of
        the rows of other windows: they have them all.
        """
        return names.at_home(name, window) if names.dated or self.cache is None else None

    @property
    def read(self) -> ReadColumn:
        """How a column's values become canonical."""
        if self.format != "csv":
            return self.shape.read
        nulls = NULL_WORDS if self.csv.null_values is None else tuple(text.lower() for text in self.csv.null_values)
        return partial(_read_cells, Spelling(self.csv.decimal, nulls, self.shape.timezone))


class _Gathering:
    """What was found so far in the files of one window."""

    def __init__(self, layout: Layout, intake: Intake, select: Select, address: str, said: str) -> None:
        self._layout = layout
        self._intake = intake
        self._select = select
        self._address, self._said = address, said
        self._first: tuple[str, list[str]] | None = None
        self._known: list[pa.Table] = []
        self.chosen: list[Selected] = []  # without their rows
        self.origins: list[str] = []
        self.ignored: dict[str, None] = {}
        self.empty: list[EmptyFile] = []

    def rows(self, files: Iterable[TabularFile]) -> Iterator[pa.Table]:
        """What the window has in the files, batch by batch, from the cache where there is one.

        Errors: `EmptyWindow` when no file had so much as a header.
        """
        for file in files:
            self.origins.append(file.origin)
            yield from self._of(file)
        if self._known:
            yield self._known_rows(pa.concat_tables(self._known, promote_options="default"))
        if not self.chosen:
            raise EmptyWindow(str(self.empty[0])) from self.empty[0]

    def _of(self, file: TabularFile) -> Iterator[pa.Table]:
        try:
            whole = _cached(file, self._layout, self.ignored)
            if whole is not None:
                self._check_same(file.origin, [name for name in whole.column_names if name != BAD_CELLS])
                if file.home is None:
                    self._known.append(whole)
                else:
                    yield self._choose(whole, file.origin, file.home, None)
                return
            with file.local() as path:
                for batch in _batches(path, file.origin, self._layout, self.ignored):
                    self._check_same(file.origin, batch.column_names)
                    yield self._choose(batch, file.origin, file.home, self._layout.read)
        except EmptyFile as nothing:
            self.empty.append(nothing)

    def _known_rows(self, rows: pa.Table) -> pa.Table:
        """What was known, chosen from all at once."""
        chosen = self._choose(rows, self._address, None, None)
        if (event_time := self._layout.selection.event_time) is not None:
            self.chosen.append(Selected(rows.slice(0, 0), without_time=rows.column(event_time).null_count))
        return chosen

    def _choose(self, rows: pa.Table, origin: str, home: Home | None, read: ReadColumn | None) -> pa.Table:
        found = self._select(rows, origin, home, read)
        admitted = self._intake.admit(found.rows)
        bad = BAD_CELLS in admitted.column_names
        self.chosen.append(replace(found, rows=found.rows.schema.empty_table()))
        return admitted if bad else self._layout.shape.canonical(admitted, origin, read)

    def told(self) -> Extract:
        """What is to be said of the files, without their rows."""
        outside, misplaced, without_time = (
            sum(getattr(each, count) for each in self.chosen) for count in ("outside", "misplaced", "without_time")
        )
        address, empty, ignored = self._address, self.empty, self.ignored
        remarks = [f"{address}: {len(empty)} of {len(self.origins)} files are empty."] if empty else []
        if ignored:
            remarks.append(f"{address}: left out are the columns that the spec does not declare, {listed(ignored)}.")
        remarks += [self._said] if self._said else []
        return Extract(pa.table({}), "\n".join(self.origins), outside, misplaced, without_time, tuple(remarks))

    def _check_same(self, origin: str, names: list[str]) -> None:
        first_origin, first_names = self._first = self._first or (origin, names)
        if sorted(names) != sorted(first_names):
            differing = listed(sorted(set(names) ^ set(first_names)))
            raise SchemaMismatch(
                f"{origin} and {first_origin} don't have the same columns; they differ in {differing}. "
                "Write all files of a window with the same columns."
            )


def gather(
    files: Iterable[TabularFile],
    layout: Layout,
    window: Window,
    as_of: datetime,
    limits: Limits,
    keys: pa.Array | None,
    *,
    address: str,
    said: str,
) -> Iterator[Extract]:
    """The window's rows of at least one file, in parts as `Source.parts`. `address` names all of them in messages;
    what was `said` of files that are not among them is the last of the remarks, if it is not "".

    A CSV file without a byte is what some engines write for a part without rows, and what an upload begins as: it is
    left out, beside others; where all files are so, nothing was delivered.
    Errors: `EmptyWindow`, `TooMuchData`, `UndecodableText`, `SchemaMismatch`, `SourceUnavailable`.
    """

    def select(rows: pa.Table, origin: str, home: Home | None, read: ReadColumn | None) -> Selected:
        return layout.selection.of(rows, window, as_of, origin, layout.shape, home=home, read=read, keys=keys)

    intake = Intake(limits, address)
    found = _Gathering(layout, intake, select, address, said)
    return intake.parts(found.rows(files), found.told)


def _cached(file: TabularFile, layout: Layout, ignored: dict[str, None]) -> pa.Table | None:
    """The file's rows in canonical types, read once; None without a cache, and for a file that is too large for it."""
    if layout.cache is None:
        return None
    name = f"{layout.section}\n{file.origin}\n{file.stamp}"
    rows = layout.cache.get(name)
    if rows is not None:
        return rows
    intake = Intake(Limits(max_rows=2**62, max_bytes=layout.cache.largest_bytes), file.origin)
    try:
        with file.local() as path:
            batches = _batches(path, file.origin, layout, ignored)
            canonical = [layout.shape.canonical(intake.admit(each), file.origin, layout.read) for each in batches]
    except TooMuchData:
        return None
    rows = together(canonical, file.origin)
    layout.cache.put(name, rows)
    return rows


def _batches(path: Path, origin: str, layout: Layout, ignored: dict[str, None]) -> Iterator[pa.Table]:
    """The file's rows, with the columns that are wanted under the names of the spec; the others go to `ignored`."""
    shape = layout.shape
    if layout.format == "csv":
        sought = {column.from_ or name for name, column in shape.columns.items()}
        names = header_of(path, origin, layout.csv, sought)
    else:
        names = _parquet_names(path, origin)
    renamed = shape.renamed(names)
    refuse_doubled(renamed, origin)
    shared = shape.shared(names)
    others = shape.others([*renamed, *(name for _, name in shared)])
    ignored.update(dict.fromkeys(name for name in others if name not in shape.beside))
    kept = [(name, new) for name, new in [*zip(names, renamed, strict=True), *shared] if new not in others]
    wanted = [name for name, _ in kept]
    distinct = list(dict.fromkeys(wanted))
    csv = layout.format == "csv"
    read = read_csv(path, origin, layout.csv, names) if csv else _read_parquet(path, origin, distinct)
    for batch in read:
        yield batch.select(wanted).rename_columns([new for _, new in kept])


def _read_cells(spelling: Spelling, _: str, column: Column, values: pa.ChunkedArray) -> Canonical:
    return read_text(column, values, spelling)


def _parquet_names(path: Path, origin: str) -> list[str]:
    with _reading(origin), pq.ParquetFile(path) as described:
        return list(described.schema_arrow.names)


def _read_parquet(path: Path, origin: str, wanted: Collection[str]) -> Iterator[pa.Table]:
    with _reading(origin):
        with pq.ParquetFile(path) as described:
            schema, metadata = described.schema_arrow, described.metadata
        # Texts stay dictionaries until their size is known: see `Intake`.
        texts = [field.name for field in schema if _is_text(field.type)]
        nothing = schema.empty_table()
        yield pa.table({name: plain_text(nothing.column(name)) for name in wanted})  # no rows have their columns, too
        with pq.ParquetFile(
            path,
            read_dictionary=texts,
            page_checksum_verification=True,
            # Nanoseconds in 64 bits end in 2262, and what lies behind would become another time.
            coerce_int96_timestamp_unit="us",
        ) as parquet:
            for batch in batches(parquet, _batch_rows(metadata), list(wanted)):
                rows = pa.Table.from_batches([batch])
                _check_text(rows, origin)
                yield pa.table({name: plain_text(rows.column(name)) for name in rows.column_names})


@contextmanager
def _reading(origin: str) -> Iterator[None]:
    """What Arrow says of a Parquet file that it can't read, as our errors."""
    try:
        yield
    except OSError as error:
        raise unreadable(origin, error) from error
    except pa.ArrowException as error:
        text = shown(str(error), 300)
        raise SchemaMismatch(f"{origin}: not a Parquet file that can be read: {text}") from error


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
