"""The lake on Delta Lake tables, in a local folder or on S3.

A partition is one Parquet file, written here in canonical order, so that it keeps exactly the columns and the order it
was committed with; Delta's log says which file is the partition's. That makes three things simple. A version's rows are
the same bytes for ever, also when other partitions bring new columns. Reading opens the partition's file and no other.
A replacement is one commit: the new file in, the old one out.

What single partitions are read from and committed after is a `TableVersion`, which `Tables` finds. A commit lands on
exactly the version after it, or not at all: Delta's own rebasing is switched off, because it would accept both of two
first writers of a partition. Whoever loses reads again and tries again. So does whoever got no answer: the rows may be
there already. A partition whose lease was not given back is fenced: the next lease's fencing token becomes a Delta
application transaction, and a writer that finds a greater one than its own gives up. Other commits carry none, because
every table would keep one for each partition for ever, and opening it would take half as long again. A file whose
commit never came is unreachable, and is left to Delta's VACUUM: deleting it here could hit one whose commit did arrive,
while only the answer was lost.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties
from deltalake.transaction import AddAction
from pyarrow import fs

from perennial.digest import canonical, canonical_digest
from perennial.errors import RowsRemoved
from perennial.lake import old_files
from perennial.lake.committing import until_committed
from perennial.lake.delta_log import (
    DataFile,
    changed_files,
    digest_committed,
    drop_partitions,
    file_committed,
    files_by_partition,
    no_rows,
    without_partition,
    written_in,
)
from perennial.lake.forgetting import forget_in_files, without
from perennial.lake.log_archive import shorten
from perennial.lake.many_partitions import ManyPartitions
from perennial.lake.parquet import is_small, open_parquet
from perennial.lake.port import Commit, Forgotten, Keep, Stored, Written
from perennial.lake.schema import PARTITION_COLUMN
from perennial.lake.storage import reaching, remove_files
from perennial.lake.table_version import TableVersion
from perennial.lake.tables import Tables
from perennial.lease import Lease
from perennial.ordered import CHUNK_ROWS, OrderedRows, OrderedTable, Rows, batches, in_file, in_order


class DeltaLake(ManyPartitions):
    """Delta tables below `url`, a local folder or an s3:// URL.

    `storage_options` are empty for a folder; for S3, `perennial.lake.storage` makes them.
    """

    def __init__(self, url: str, storage_options: dict[str, str]) -> None:
        self._tables = Tables(url, storage_options)

    def replace(
        self, table: str, partition: str, rows: Rows, lease: Lease | None = None, *, anew: bool = False
    ) -> Commit:
        """See `Lake.replace`. Zero rows are committed too, as a file without rows, so that their columns are known.

        Errors: `SchemaMismatch`, with nothing written, when a column has another type than in the table;
        `StoreUnavailable` also when the race was lost forty times.
        """
        with in_order(rows) as ordered:
            digest = ordered.digest()
            written: AddAction | None = None

            def attempt() -> Commit:
                nonlocal written
                before, schema = self._before(table, [ordered.schema])
                self._refuse_if_passed(table, before, {partition: lease} if lease else {})
                if not anew and self._holds(table, before, partition, ordered.num_rows, digest):
                    return Commit(table, before.number, digest, ordered.num_rows)
                if written is None or anew:  # a file that an attempt before may have committed is not added once more
                    written = self._write(table, partition, ordered)
                facts = {"partition": partition, "digest": digest, "rows": ordered.num_rows}
                return Commit(table, before.commit([written], schema, facts, [partition]), digest, ordered.num_rows)

            return until_committed(f"Writing {partition} to {self.location(table)}", attempt)

    def version(self, table: str) -> int | None:
        """See `Lake.version`."""
        with reaching(f"Opening {self.location(table)}"):
            found = self._tables.at(table)
            return None if found is None else found.number

    def read(self, table: str, partition: str, *, version: int | None = None) -> pa.Table:
        """See `Lake.read`."""
        with reaching(f"Reading {partition} of {self.location(table)}"):
            if (file := self._committed(table, partition, version)) is not None:
                return self._rows_of(table, [file])
            found = self._tables.at(table, version)
            return pa.table({}) if found is None else self._rows(table, found, partition)

    def stream(
        self, table: str, partition: str, *, version: int | None = None, chunk_rows: int = 100_000
    ) -> Iterator[pa.Table]:
        """See `Lake.stream`. At most a row group of 100,000 rows and a chunk are in memory.

        The order is the file's, which was written in canonical order. Where another engine has split the partition
        into several files, they follow each other by name.
        """
        with reaching(f"Reading {partition} of {self.location(table)}"):
            if (file := self._committed(table, partition, version)) is not None:
                files = [file]
            else:
                found = self._tables.at(table, version)
                files = found.files_of([partition]).get(partition, []) if found else []
            for file in files:
                with self._parquet(table, file) as parquet:
                    for batch in batches(parquet, chunk_rows):
                        yield without_partition(pa.Table.from_batches([batch]))

    def committed_digest(self, table: str, partition: str, version: int) -> str | None:
        """See `Lake.committed_digest`."""
        with reaching(f"Reading the log of {self.location(table)}"):
            return digest_committed(self._tables.filesystem, self._tables.root(table), partition, version)

    def ordered(self, table: str, partition: str, *, version: int | None = None) -> OrderedRows:
        """See `Lake.ordered`. Rows that another engine has split into several files are read into memory."""
        with reaching(f"Reading {partition} of {self.location(table)}"):
            if (file := self._committed(table, partition, version)) is not None:
                return self._ordered(table, partition, file)
            found = self._tables.at(table, version)
            if found is None:
                return OrderedTable(pa.table({}))
            if len(files := found.files_of([partition]).get(partition, [])) == 1:
                return self._ordered(table, partition, files[0])
            return OrderedTable(self._rows(table, found, partition))

    def _ordered(self, table: str, partition: str, file: DataFile) -> OrderedRows:
        @contextmanager
        def open_again() -> Iterator[pq.ParquetFile]:
            with reaching(f"Reading {partition} of {self.location(table)}"), self._parquet(table, file) as parquet:
                yield parquet

        return in_file(open_again, without=(PARTITION_COLUMN,))

    @contextmanager
    def holding(self, table: str, version: int | None) -> Iterator[None]:
        """See `Lake.holding`."""
        with ExitStack() as stack:
            with reaching(f"Opening {self.location(table)}"):
                stack.enter_context(self._tables.holding(table, version))
            yield

    def changed_since(self, table: str, committed: Mapping[str, int]) -> frozenset[str]:
        """See `Lake.changed_since`. The file of the commit must be the partition's only one, and be there."""
        with reaching(f"Comparing {self.location(table)} with its log"):
            delta = self._tables.open(table)
            if delta is None:
                return frozenset(committed)
            root = self._tables.root(table)
            found = old_files.files_in(self._tables.filesystem, root)
            sizes = {each.path.removeprefix(f"{root}/"): each.size for each in found}
            return changed_files(delta, self._tables.filesystem, root, sizes, committed)

    def partitions(self, table: str) -> list[str]:
        """See `Lake.partitions`."""
        with reaching(f"Listing the partitions of {self.location(table)}"):
            delta = self._tables.open(table)
            if delta is None:
                return []
            actions = pa.table(delta.get_add_actions(flatten=True))
            filled = actions.filter(pc.fill_null(pc.not_equal(actions["num_records"], 0), True))
            return sorted(pc.unique(filled[f"partition.{PARTITION_COLUMN}"]).to_pylist())

    def optimize(self, table: str) -> int:
        """See `Lake.optimize`. Partitions have several files only where another engine wrote."""
        what = f"Optimizing {self.location(table)}"
        with reaching(what):
            delta = self._tables.open(table)
            files = {} if delta is None else files_by_partition(delta)
            split = sorted(partition for partition, paths in files.items() if len(paths) > 1)
        for partition in split:

            def attempt(partition: str = partition) -> int:
                before = self._tables.at(table)
                assert before is not None, "a table that has partitions is there"
                return self._put(table, before, partition, canonical(self._rows(table, before, partition)))

            until_committed(what, attempt)
        with reaching(what):
            delta = self._tables.open(table)
            if delta is not None:
                root = self._tables.root(table)
                shorten(delta, self._tables.filesystem, root, lambda version: self._tables.open(table, version))
        return len(split)

    def removable(self, table: str, keep: Keep, older_than: timedelta) -> list[str]:
        """See `Lake.removable`."""
        with reaching(f"Looking for old files of {self.location(table)}"):
            delta = self._tables.open(table)
            if delta is None:
                return []
            tables = self._tables
            root = tables.root(table)
            return old_files.unneeded(
                tables.filesystem, root, delta, keep, older_than, lambda version: tables.open(table, version)
            )

    def remove(self, table: str, keep: Keep, older_than: timedelta) -> list[str]:
        """See `Lake.remove`."""
        found = self.removable(table, keep, older_than)
        with reaching(f"Removing old files of {self.location(table)}"):
            old_files.remove(self._tables.filesystem, self._tables.root(table), found)
        return found

    def written(self, table: str) -> Mapping[str, Written]:
        """See `Lake.written`."""
        with reaching(f"Listing the partitions of {self.location(table)}"):
            delta = self._tables.open(table)
            return {} if delta is None else written_in(delta)

    def drop(self, table: str, partitions: Collection[str]) -> None:
        """See `Lake.drop`: one commit, and then the files; those that a kill leaves are old files from then on."""
        what = f"Dropping {len(partitions)} partitions of {self.location(table)}"

        def dropped() -> list[str]:
            delta = self._tables.open(table)
            return [] if delta is None else drop_partitions(delta, partitions)

        removed = until_committed(what, dropped)
        with reaching(what):
            old_files.remove(self._tables.filesystem, self._tables.root(table), removed)

    def stored(self, table: str) -> Stored:
        """See `Lake.stored`."""
        with reaching(f"Listing the files of {self.location(table)}"):
            return Stored.of(
                each.size for each in old_files.files_in(self._tables.filesystem, self._tables.root(table))
            )

    def erase(self, table: str) -> Stored:
        """See `Lake.erase`: a commit without any file, and then no file is left beside the log."""
        what = f"Erasing {self.location(table)}"

        def empty() -> None:
            delta = self._tables.open(table)
            if delta is not None and delta.get_add_actions().num_rows:
                delta.delete(commit_properties=CommitProperties(max_commit_retries=0))

        until_committed(what, empty)
        with reaching(what):
            found = old_files.files_in(self._tables.filesystem, self._tables.root(table))
            for each in found:
                self._tables.filesystem.delete_file(each.path)
            return Stored.of(each.size for each in found)

    def forget(self, table: str, column: str, value: str) -> Forgotten:
        """See `Lake.forget`: new files for the present version, then old ones rewritten in their places."""
        what = f"Removing rows from {self.location(table)}"
        for partition in self.partitions(table):

            def replaced(partition: str = partition) -> None:
                before = self._tables.at(table)
                assert before is not None, "a table that has partitions is there"
                try:
                    held = self._rows(table, before, partition)
                except RowsRemoved:  # its file is lost, and whoever was in it with it
                    return
                rows = canonical(without(held, column, value))
                if rows.num_rows < held.num_rows:
                    self._put(table, before, partition, rows)

            until_committed(what, replaced)
        with reaching(what):
            paths = [each.path for each in old_files.files_in(self._tables.filesystem, self._tables.root(table))]
            return forget_in_files(self._tables.filesystem, paths, column, value, CHUNK_ROWS)

    def location(self, table: str) -> str:
        """See `Lake.location`."""
        return self._tables.location(table)

    def _holds(self, table: str, before: TableVersion, partition: str, rows: int, digest: str) -> bool:
        """Whether the partition has just these rows; not where its file is lost, which is why it is written again."""
        files = before.files_of([partition]).get(partition, [])
        counts = [file.rows for file in files]
        if not files or (None not in counts and sum(count or 0 for count in counts) != rows):
            return False
        try:
            if len(files) == 1:
                return self._ordered(table, partition, files[0]).digest() == digest
            return canonical_digest(self._rows_of(table, files)) == digest
        except RowsRemoved:
            return False

    def _put(self, table: str, before: TableVersion, partition: str, rows: pa.Table) -> int:
        """Commit rows in canonical form, with no other columns than the table's, after that version; the new one."""
        facts = {"partition": partition, "digest": canonical_digest(rows), "rows": rows.num_rows}
        return before.commit([self._write(table, partition, rows)], before.columns, facts, [partition])

    def _committed(self, table: str, partition: str, version: int | None) -> DataFile | None:
        """The file that this version's own commit wrote, without opening the table, which costs the more the longer
        the past is. The ledger names versions by the commits that wrote its rows, so that this is the usual case.
        """
        if version is None:
            return None
        return file_committed(self._tables.filesystem, self._tables.root(table), partition, version)

    def _rows(self, table: str, found: TableVersion, partition: str) -> pa.Table:
        files = found.files_of([partition]).get(partition)
        return self._rows_of(table, files) if files else no_rows(found.columns)

    def _rows_of(self, table: str, files: Sequence[DataFile]) -> pa.Table:
        parts = []
        for file in files:
            with self._parquet(table, file) as parquet:
                parts.append(without_partition(parquet.read(use_threads=not is_small(parquet.metadata.num_rows))))
        if len(parts) == 1:
            return parts[0].combine_chunks()
        return canonical(pa.concat_tables(parts, promote_options="default"))

    def _parquet(self, table: str, file: DataFile) -> pq.ParquetFile:
        root = self._tables.root(table)
        try:
            return open_parquet(self._tables.filesystem, f"{root}/{file.path}", file.rows)
        except FileNotFoundError as error:
            raise RowsRemoved(
                f"{file.path} of {self.location(table)} no longer exists: retention or somebody removed it. The "
                "ledger still records what it held, but its rows can't be read again."
            ) from error

    def _write(self, table: str, partition: str, rows: Rows) -> AddAction:
        ordered = OrderedTable(rows) if isinstance(rows, pa.Table) else rows
        path = f"{old_files.folder_of(partition)}/{uuid4().hex}.parquet"
        target = f"{self._tables.root(table)}/{path}"
        if isinstance(self._tables.filesystem, fs.LocalFileSystem):
            self._tables.filesystem.create_dir(target.rpartition("/")[0], recursive=True)
        try:
            with self._tables.filesystem.open_output_stream(target) as sink:
                ordered.write_parquet(sink)
        except Exception:
            remove_files(self._tables.filesystem, [target])  # a part of a file, which no commit has named yet
            raise
        info = self._tables.filesystem.get_file_info(target)
        return AddAction(
            path=path,
            size=info.size,
            partition_values={PARTITION_COLUMN: partition},
            modification_time=info.mtime_ns // 1_000_000,
            data_change=True,
            stats=json.dumps({"numRecords": ordered.num_rows}),
        )
