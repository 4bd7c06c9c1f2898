"""Rows in canonical order (see `perennial.digest`) that need not fit in memory.

Rows that come in chunks are sorted in runs. One run is a table. Several are spilled to a temporary folder and merged
block by block into one Parquet file, which is read in chunks from then on. Sorting takes the memory of a run and two
blocks of each other run, whatever the number of rows.
"""

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from perennial.ahead import one_ahead
from perennial.digest import canonical, canonical_order, canonical_types, digest_by_column
from perennial.errors import StoreUnavailable
from perennial.scratch import scratch_folder

CHUNK_ROWS = 100_000  # of a chunk, and of a row group
FEW_ROWS = 1_000  # in a file of up to so many, what zstd or a thread sets up for each column takes longer than the work
RUN_BYTES = 32_000_000
BLOCK_ROWS = 1_024  # of each run, while they are merged; of hundreds of runs, these are no more than a run or two


class OrderedRows(ABC):
    """The rows of a partition, in canonical order and types; they can be gone through as often as need be."""

    schema: pa.Schema
    num_rows: int

    @abstractmethod
    def chunks(self, columns: Sequence[str] | None = None, chunk_rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
        """The rows, or only these columns of them, in chunks of at most `chunk_rows` rows."""

    @abstractmethod
    def write_parquet(self, sink: pa.NativeFile) -> None:
        """Write the rows as one Parquet file."""

    @abstractmethod
    def without(self, name: str) -> "OrderedRows":
        """The rows without a column that has one value, or none, in all of them, and so does not decide the order."""

    def digest(self, without: Collection[str] = ()) -> str:
        """The rows' `table_digest`, or that of the columns that are not left out, read one column at a time.

        Columns that are left out must not decide about the order: each has one value in all rows.
        """
        kept = pa.schema([field for field in self.schema if field.name not in without])

        def values(name: str) -> Iterator[pa.ChunkedArray]:
            return (chunk.column(name) for chunk in self.chunks([name]))

        return digest_by_column(self.num_rows, kept, values)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows, or only these columns of them, in memory."""
        kept = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        return pa.concat_tables([kept.empty_table(), *self.chunks(columns)]).combine_chunks()


class OrderedTable(OrderedRows):
    """Rows in memory; `ordered` is what `canonical` returned."""

    def __init__(self, ordered: pa.Table) -> None:
        self._ordered = ordered
        self.schema, self.num_rows = ordered.schema, ordered.num_rows

    @classmethod
    def of(cls, rows: pa.Table) -> "OrderedTable":
        """The rows, sorted. Errors: as `canonical`."""
        return cls(canonical(rows))

    def chunks(self, columns: Sequence[str] | None = None, chunk_rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
        """See `OrderedRows.chunks`."""
        rows = self._ordered if columns is None else self._ordered.select(columns)
        if 0 < self.num_rows <= chunk_rows:
            yield rows
            return
        for first in range(0, self.num_rows, chunk_rows):
            yield rows.slice(first, chunk_rows)

    def without(self, name: str) -> "OrderedRows":
        """See `OrderedRows.without`."""
        return OrderedTable(self._ordered.drop_columns([name]))

    def write_parquet(self, sink: pa.NativeFile) -> None:
        """See `OrderedRows.write_parquet`."""
        way = way_for_few_rows(self.schema) if self.num_rows <= FEW_ROWS else {"compression": "zstd"}
        pq.write_table(self._ordered, sink, row_group_size=CHUNK_ROWS, **way)


def way_for_few_rows(schema: pa.Schema) -> dict[str, Any]:
    """How few rows, of canonical types, are written as Parquet. Nobody looks into statistics of a file that is read
    whole, dictionaries of numbers take more room and time than the numbers, and Parquet has a type for each canonical
    one, so that Arrow's schema need not be beside it.
    """
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    return {"compression": "snappy", "write_statistics": False, "use_dictionary": texts, "store_schema": False}


Opened = Callable[[], AbstractContextManager[pq.ParquetFile]]


class OrderedFile(OrderedRows):
    """Rows in a Parquet file that was written in canonical order; `opened` opens it, each time it is gone through.

    Columns named in `without` are none of theirs.
    """

    def __init__(self, opened: Opened, without: Collection[str] = ()) -> None:
        self._opened, self._without = opened, frozenset(without)
        with opened() as parquet:
            found = parquet.schema_arrow
            names = sorted(name for name in found.names if name not in without)
            self.schema = canonical_types(found.empty_table().select(names)).schema
            self.num_rows = parquet.metadata.num_rows

    def chunks(self, columns: Sequence[str] | None = None, chunk_rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
        """See `OrderedRows.chunks`."""
        names = self.schema.names if columns is None else list(columns)
        with self._opened() as parquet:
            for batch in batches(parquet, chunk_rows, names):
                yield canonical_types(pa.Table.from_batches([batch]).select(names))

    def without(self, name: str) -> "OrderedRows":
        """See `OrderedRows.without`."""
        return OrderedFile(self._opened, self._without | {name})

    def write_parquet(self, sink: pa.NativeFile) -> None:
        """See `OrderedRows.write_parquet`."""
        write_in_groups(self, sink)


def write_in_groups(rows: OrderedRows, sink: pa.NativeFile) -> None:
    """Write many rows as one Parquet file, a row group for each chunk."""
    with pq.ParquetWriter(sink, rows.schema, compression="zstd") as writer:
        for chunk in rows.chunks():
            writer.write_table(chunk)


class WithConstants(OrderedRows):
    """Rows with columns that have one value in all of them: these decide nothing about the order, and are kept once."""

    def __init__(self, rows: OrderedRows, constants: Mapping[str, pa.Scalar]) -> None:
        self._rows, self._constants = rows, dict(constants)
        self.num_rows = rows.num_rows
        self.schema = _with_constants(rows.schema, constants)

    def chunks(self, columns: Sequence[str] | None = None, chunk_rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
        """See `OrderedRows.chunks`. Where only constants are asked for, nothing is read."""
        names = self.schema.names if columns is None else list(columns)
        most = min(chunk_rows, self.num_rows)
        repeated = {name: pa.repeat(self._constants[name], most) for name in names if name in self._constants}
        if len(repeated) == len(names):
            whole = pa.table(repeated)
            yield from (whole.slice(0, self.num_rows - first) for first in range(0, self.num_rows, chunk_rows))
            return
        for chunk in self._rows.chunks([name for name in names if name not in repeated], chunk_rows):
            yield _beside(chunk, repeated, names)

    def without(self, name: str) -> "OrderedRows":
        """See `OrderedRows.without`."""
        kept = {each: value for each, value in self._constants.items() if each != name}
        return WithConstants(self._rows if name in self._constants else self._rows.without(name), kept)

    def write_parquet(self, sink: pa.NativeFile) -> None:
        """See `OrderedRows.write_parquet`."""
        if self.num_rows <= FEW_ROWS:
            OrderedTable(self.table()).write_parquet(sink)
        else:
            write_in_groups(self, sink)


def _with_constants(schema: pa.Schema, constants: Mapping[str, pa.Scalar]) -> pa.Schema:
    fields = [*schema, *(pa.field(name, value.type) for name, value in constants.items())]
    return pa.schema(sorted(fields, key=lambda field: field.name))


def _beside(rows: pa.Table, repeated: Mapping[str, pa.Array], names: Sequence[str]) -> pa.Table:
    """The named columns: from `repeated`, which has as many values or more, or else from the rows."""
    return pa.table(
        {name: repeated[name][: rows.num_rows] if name in repeated else rows.column(name) for name in names}
    )


Rows: TypeAlias = pa.Table | OrderedRows  # in whatever order, or in canonical order already


class _Spilled(WithConstants):
    """Rows that were merged into a file of ours, with their constants, as the lake keeps them."""

    def __init__(self, path: Path, constants: Mapping[str, pa.Scalar]) -> None:
        self._path = path
        super().__init__(OrderedFile(lambda: pq.ParquetFile(path, memory_map=False), without=constants), constants)

    def write_parquet(self, sink: pa.NativeFile) -> None:
        """See `OrderedRows.write_parquet`; the file is as it has to be."""
        with self._path.open("rb") as file:
            shutil.copyfileobj(file, sink, 1 << 20)


def batches(parquet: pq.ParquetFile, chunk_rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The file's rows, in batches of at most so many. Asked for all row groups at once, Arrow keeps the bytes of those
    that it has read; so it is asked for as many as make a batch.
    """
    groups: list[int] = []
    for group in range(parquet.num_row_groups):
        groups.append(group)
        rows = sum(parquet.metadata.row_group(each).num_rows for each in groups)
        if rows >= chunk_rows or group == parquet.num_row_groups - 1:
            found = parquet.iter_batches(chunk_rows, row_groups=groups, columns=columns)
            yield from (batch for batch in found if batch.num_rows)
            groups = []


def in_file(opened: Opened, without: Collection[str] = ()) -> OrderedRows:
    """The rows of a file, as `OrderedFile`; few of them are read at once and kept in memory."""
    rows = OrderedFile(opened, without)
    return OrderedTable(rows.table()) if rows.num_rows <= CHUNK_ROWS else rows


@contextmanager
def ordered(
    chunks: Iterable[pa.Table], run_bytes: int | None = None, *, constants: Mapping[str, pa.Scalar] | None = None
) -> Iterator[OrderedRows]:
    """The rows of the chunks, all of the same columns, sorted; they are there until the end of the block.

    A run has `run_bytes`, `RUN_BYTES` if it is not said otherwise. The rows have the columns `constants`, too, if there
    was a chunk.

    Errors: as `canonical_types`, and those of the chunks; `StoreUnavailable` when the temporary folder has no room.
    """
    constants = constants or {}
    with ExitStack() as stack:
        folder: Path | None = None
        runs: list[_Run] = []
        held: list[pa.Table] = []
        size = 0
        for chunk in chunks:
            held.append(canonical_types(chunk))
            size += chunk.nbytes
            if size >= (RUN_BYTES if run_bytes is None else run_bytes):
                with writing_aside():
                    folder = folder or stack.enter_context(scratch_folder())
                    _spill(canonical(pa.concat_tables(held)), runs, folder)
                held, size = [], 0
        if folder is None:
            rows = OrderedTable.of(pa.concat_tables(held) if held else pa.table({}))
            yield WithConstants(rows, constants) if held and constants else rows
            return
        with writing_aside():
            if size:
                _spill(canonical(pa.concat_tables(held)), runs, folder)
            held.clear()
            merged = _merged(runs, folder / "merged.parquet", constants)
        yield merged


@contextmanager
def in_order(rows: Rows) -> Iterator[OrderedRows]:
    """The rows, sorted if they are not; many are not sorted in memory, which would take another copy of them, or two.

    Errors: as `ordered`.
    """
    if isinstance(rows, OrderedRows):
        yield rows
        return
    chunks = (rows.slice(first, CHUNK_ROWS) for first in range(0, rows.num_rows, CHUNK_ROWS))
    with ordered(chunks if rows.num_rows else (rows,)) as found:
        yield found


@contextmanager
def writing_aside() -> Iterator[None]:
    """Errors inside: `StoreUnavailable` when the temporary folder has no room."""
    try:
        yield
    except OSError as error:
        where = tempfile.tempdir or "a temporary folder"
        raise StoreUnavailable(
            f"Sorting rows in {where} failed: {error}. Free space there, or set TMPDIR to another folder, and run the "
            "task again."
        ) from error


class _Run:
    """A file of sorted rows, written and then read in blocks."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self.last = schema.empty_table()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pa.ipc.new_stream(path, schema, options=options)

    def append(self, rows: pa.Table) -> None:
        self._writer.write_table(rows, max_chunksize=BLOCK_ROWS)
        self.last = rows.slice(rows.num_rows - 1).take([0])  # a copy, which does not keep all others in memory

    def goes_on_with(self, rows: pa.Table) -> bool:
        """Whether no row of these comes before the last one here."""
        return bool(canonical_order(pa.concat_tables([self.last, rows.slice(0, 1)]))[0].as_py() == 0)

    def blocks(self) -> Iterator[pa.Table]:
        self._writer.close()
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])


def _spill(rows: pa.Table, runs: list[_Run], folder: Path) -> None:
    if not runs or not runs[-1].goes_on_with(rows):
        runs.append(_Run(folder / f"{len(runs)}.arrow", rows.schema))
    runs[-1].append(rows)


def _merged(runs: Sequence[_Run], path: Path, constants: Mapping[str, pa.Scalar]) -> OrderedRows:
    schema = _with_constants(runs[0].schema, constants)
    repeated = {name: pa.repeat(value, CHUNK_ROWS) for name, value in constants.items()}
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in one_ahead(_regrouped(_in_order([run.blocks() for run in runs], runs[0].schema))):
            writer.write_table(_beside(rows, repeated, schema.names))
    for run in runs:
        run.path.unlink()
    return _Spilled(path, constants)


def _in_order(blocks: Sequence[Iterator[pa.Table]], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of sorted runs, sorted. Of each run a block or more is held, so that most of what is sorted goes out,
    however many runs there are. What comes before the last row held of any run is final, for none has more that
    belongs there.
    """
    held = [schema.empty_table() for _ in blocks]
    more = [True] * len(blocks)
    while True:
        for i, run in enumerate(blocks):
            while more[i] and held[i].num_rows < BLOCK_ROWS:
                block = next(run, None)
                more[i] = block is not None
                if block is not None:
                    held[i] = pa.concat_tables([held[i], block])
        ends = np.cumsum([rows.num_rows for rows in held])
        if not ends[-1]:
            return
        together = pa.concat_tables(held)
        order = canonical_order(together).to_numpy()
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        final = min(
            (place[end - 1] + 1 for end, goes_on in zip(ends, more, strict=True) if goes_on), default=len(order)
        )
        yield together.take(pa.array(order[:final]))
        taken = np.bincount(np.searchsorted(ends, order[:final], side="right"), minlength=len(held))
        held = [rows.slice(count) for rows, count in zip(held, taken, strict=True)]


def _regrouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `CHUNK_ROWS`, the last of fewer."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        while sum(each.num_rows for each in held) >= CHUNK_ROWS:
            together = pa.concat_tables(held)
            yield together.slice(0, CHUNK_ROWS)
            held = [together.slice(CHUNK_ROWS)]
    if any(each.num_rows for each in held):
        yield pa.concat_tables(held)
