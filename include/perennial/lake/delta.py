"""The lake on Delta Lake tables, in a local folder or on S3.

A partition is one Parquet file, written here in canonical order, so that it keeps exactly the columns and the order it
was committed with; Delta's log says which file is the partition's. That makes three things simple. A version's rows are
the same bytes for ever, also when other partitions bring new columns. Reading opens the partition's file and no other.
A replacement is one commit: the new file in, the old one out.

A commit lands on exactly the version after the one that was read, or not at all: Delta's own rebasing is switched off,
because it would accept both of two first writers of a partition. Whoever loses reads again and tries again. So does
whoever got no answer: the rows may be there already. A partition whose lease was not given back is fenced: the next
lease's fencing token becomes a Delta application transaction, and a writer that finds a greater one than its own gives
up. Other commits carry none, because every table would keep one for each partition for ever, and opening it would take
half as long again. A file whose commit never came is unreachable, and is left to Delta's VACUUM: deleting it here could
hit one whose commit did arrive, while only the answer was lost.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction
from pyarrow import fs

from perennial.digest import canonical, canonical_digest
from perennial.errors import RowsRemoved
from perennial.lake import old_files
from perennial.lake.committing import until_committed
from perennial.lake.delta_log import (
    DataFile,
    changed_files,
    columns_of,
    commit_rows,
    created,
    digest_committed,
    drop_partitions,
    file_committed,
    files_by_partition,
    is_followed,
    no_rows,
    without_partition,
    written_in,
)
from perennial.lake.forgetting import forget_in_files, without
from perennial.lake.held import HeldTables
from perennial.lake.log_archive import shorten
from perennial.lake.many_partitions import ManyPartitions
from perennial.lake.opening import opened
from perennial.lake.parquet import is_small, open_parquet
from perennial.lake.port import Commit, Forgotten, Keep, Stored, Written
from perennial.lake.schema import PARTITION_COLUMN, merged_schema
from perennial.lake.storage import S3_SCHEME, local_path, open_filesystem, open_path, reaching, remove_files
from perennial.lease import Lease
from perennial.ordered import CHUNK_ROWS, OrderedRows, OrderedTable, Rows, batches, in_file, in_order


class DeltaLake(ManyPartitions):
    """Delta tables below `url`, a local folder or an s3:// URL.

    `storage_options` are empty for a folder; for S3, `perennial.lake.storage` makes them.
    """

    def __init__(self, url: str, storage_options: dict[str, str]) -> None:
        self._url = url.rstrip("/") if url.startswith(S3_SCHEME) else local_path(url)
        self._options = storage_options
        self._held = HeldTables()

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
                delta = self._open(table)
                schema = merged_schema(table, columns_of(delta) if delta else pa.schema([]), ordered.schema)
                if delta is None:
                    delta = self._create(table, schema)  # or open what a rival has just created, with its own columns
                    schema = merged_schema(table, columns_of(delta), ordered.schema)
                self._refuse_if_passed(table, delta, partition, lease)
                if not anew and self._holds(table, delta, partition, ordered.num_rows, digest):
                    return Commit(table, delta.version(), digest, ordered.num_rows)
                if written is None or anew:  # a file that an attempt before may have committed is not added once more
                    written = self._write(table, partition, ordered)
                facts = {"partition": partition, "digest": digest, "rows": ordered.num_rows}
                version = commit_rows(delta, [written], schema, facts, [partition])
                return Commit(table, version, digest, ordered.num_rows)

            return until_committed(f"Writing {partition} to {self.location(table)}", attempt)

    def version(self, table: str) -> int | None:
        """See `Lake.version`."""
        with reaching(f"Opening {self.location(table)}"):
            delta = self._open(table)
            return None if delta is None else delta.version()

    def read(self, table: str, partition: str, *, version: int | None = None) -> pa.Table:
        """See `Lake.read`."""
        with reaching(f"Reading {partition} of {self.location(table)}"):
            if (file := self._committed(table, partition, version)) is not None:
                return self._rows_of(table, [file])
            delta = self._open(table, version)
            if delta is None:
                return pa.table({})
            return self._rows(table, delta, partition)

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
                delta = self._open(table, version)
                files = self._held.files_of(delta, partition) if delta else []
            for file in files:
                with self._parquet(table, file) as parquet:
                    for batch in batches(parquet, chunk_rows):
                        yield without_partition(pa.Table.from_batches([batch]))

    def committed_digest(self, table: str, partition: str, version: int) -> str | None:
        """See `Lake.committed_digest`."""
        with reaching(f"Reading the log of {self.location(table)}"):
            return digest_committed(self._filesystem, open_path(self.location(table)), partition, version)

    def ordered(self, table: str, partition: str, *, version: int | None = None) -> OrderedRows:
        """See `Lake.ordered`. Rows that another engine has split into several files are read into memory."""
        with reaching(f"Reading {partition} of {self.location(table)}"):
            if (file := self._committed(table, partition, version)) is not None:
                return self._ordered(table, partition, file)
            delta = self._open(table, version)
            if delta is None:
                return OrderedTable(pa.table({}))
            if len(files := self._held.files_of(delta, partition)) == 1:
                return self._ordered(table, partition, files[0])
            return OrderedTable(self._rows(table, delta, partition))

    def _ordered(self, table: str, partition: str, file: DataFile) -> OrderedRows:
        @contextmanager
        def open_again() -> Iterator[pq.ParquetFile]:
            with reaching(f"Reading {partition} of {self.location(table)}"), self._parquet(table, file) as parquet:
                yield parquet

        return in_file(open_again, without=(PARTITION_COLUMN,))

    @contextmanager
    def holding(self, table: str, version: int | None) -> Iterator[None]:
        """See `Lake.holding`."""
        with reaching(f"Opening {self.location(table)}"):
            self._held.keep(table, version, self._open(table, version))
        try:
            yield
        finally:
            self._held.let_go(table, version)

    def changed_since(self, table: str, committed: Mapping[str, int]) -> frozenset[str]:
        """See `Lake.changed_since`. The file of the commit must be the partition's only one, and be there."""
        with reaching(f"Comparing {self.location(table)} with its log"):
            delta = self._open(table)
            if delta is None:
                return frozenset(committed)
            root = open_path(self.location(table))
            found = old_files.files_in(self._filesystem, root)
            sizes = {each.path.removeprefix(f"{root}/"): each.size for each in found}
            return changed_files(delta, self._filesystem, root, sizes, committed)

    def partitions(self, table: str) -> list[str]:
        """See `Lake.partitions`."""
        with reaching(f"Listing the partitions of {self.location(table)}"):
            delta = self._open(table)
            if delta is None:
                return []
            actions = pa.table(delta.get_add_actions(flatten=True))
            filled = actions.filter(pc.fill_null(pc.not_equal(actions["num_records"], 0), True))
            return sorted(pc.unique(filled[f"partition.{PARTITION_COLUMN}"]).to_pylist())

    def optimize(self, table: str) -> int:
        """See `Lake.optimize`. Partitions have several files only where another engine wrote."""
        what = f"Optimizing {self.location(table)}"
        with reaching(what):
            delta = self._open(table)
            files = {} if delta is None else files_by_partition(delta)
            split = sorted(partition for partition, paths in files.items() if len(paths) > 1)
        for partition in split:

            def attempt(partition: str = partition) -> int:
                delta = self._open(table)
                assert delta is not None, "a table that has partitions is there"
                rows = canonical(self._rows(table, delta, partition))
                facts = {"partition": partition, "digest": canonical_digest(rows), "rows": rows.num_rows}
                return commit_rows(delta, [self._write(table, partition, rows)], columns_of(delta), facts, [partition])

            until_committed(what, attempt)
        with reaching(what):
            delta = self._open(table)
            if delta is not None:
                root = open_path(self.location(table))
                shorten(delta, self._filesystem, root, lambda version: self._open(table, version))
        return len(split)

    def removable(self, table: str, keep: Keep, older_than: timedelta) -> list[str]:
        """See `Lake.removable`."""
        with reaching(f"Looking for old files of {self.location(table)}"):
            delta = self._open(table)
            if delta is None:
                return []
            root = open_path(self.location(table))
            return old_files.unneeded(
                self._filesystem, root, delta, keep, older_than, lambda version: self._open(table, version)
            )

    def remove(self, table: str, keep: Keep, older_than: timedelta) -> list[str]:
        """See `Lake.remove`."""
        found = self.removable(table, keep, older_than)
        with reaching(f"Removing old files of {self.location(table)}"):
            old_files.remove(self._filesystem, open_path(self.location(table)), found)
        return found

    def written(self, table: str) -> Mapping[str, Written]:
        """See `Lake.written`."""
        with reaching(f"Listing the partitions of {self.location(table)}"):
            delta = self._open(table)
            return {} if delta is None else written_in(delta)

    def drop(self, table: str, partitions: Collection[str]) -> None:
        """See `Lake.drop`: one commit, and then the files; those that a kill leaves are old files from then on."""
        what = f"Dropping {len(partitions)} partitions of {self.location(table)}"

        def dropped() -> list[str]:
            delta = self._open(table)
            return [] if delta is None else drop_partitions(delta, partitions)

        removed = until_committed(what, dropped)
        with reaching(what):
            old_files.remove(self._filesystem, open_path(self.location(table)), removed)

    def stored(self, table: str) -> Stored:
        """See `Lake.stored`."""
        with reaching(f"Listing the files of {self.location(table)}"):
            return Stored.of(
                each.size for each in old_files.files_in(self._filesystem, open_path(self.location(table)))
            )

    def erase(self, table: str) -> Stored:
        """See `Lake.erase`: a commit without any file, and then no file is left beside the log."""
        what = f"Erasing {self.location(table)}"

        def empty() -> None:
            delta = self._open(table)
            if delta is not None and delta.get_add_actions().num_rows:
                delta.delete(commit_properties=CommitProperties(max_commit_retries=0))

        until_committed(what, empty)
        with reaching(what):
            found = old_files.files_in(self._filesystem, open_path(self.location(table)))
            for each in found:
                self._filesystem.delete_file(each.path)
            return Stored.of(each.size for each in found)

    def forget(self, table: str, column: str, value: str) -> Forgotten:
        """See `Lake.forget`: new files for the present version, then old ones rewritten in their places."""
        what = f"Removing rows from {self.location(table)}"
        for partition in self.partitions(table):

            def replaced(partition: str = partition) -> None:
                delta = self._open(table)
                assert delta is not None, "a table that has partitions is there"
                try:
                    before = self._rows(table, delta, partition)
                except RowsRemoved:  # its file is lost, and whoever was in it with it
                    return
                rows = canonical(without(before, column, value))
                if rows.num_rows < before.num_rows:
                    facts = {"partition": partition, "digest": canonical_digest(rows), "rows": rows.num_rows}
                    commit_rows(delta, [self._write(table, partition, rows)], columns_of(delta), facts, [partition])

            until_committed(what, replaced)
        with reaching(what):
            paths = [each.path for each in old_files.files_in(self._filesystem, open_path(self.location(table)))]
            return forget_in_files(self._filesystem, paths, column, value, CHUNK_ROWS)

    def location(self, table: str) -> str:
        """See `Lake.location`."""
        return f"{self._url}/{table}"

    def _refuse_if_passed(self, table: str, delta: DeltaTable, partition: str, lease: Lease | None) -> None:
        if lease is not None:
            lease.refuse_if_passed(delta.transaction_version(partition) or 0, self.location(table))

    @cached_property
    def _filesystem(self) -> fs.FileSystem:
        return open_filesystem(self._url, self._options)[0]

    def _open(self, table: str, version: int | None = None) -> DeltaTable | None:
        root = open_path(self.location(table))
        if (
            held := self._held.find(table, version, lambda last: is_followed(self._filesystem, root, last))
        ) is not None:
            return held
        return opened(self.location(table), self._options, self._filesystem, version)

    def _create(self, table: str, columns: pa.Schema) -> DeltaTable:
        return created(self.location(table), columns, self._options)

    def _holds(self, table: str, delta: DeltaTable, partition: str, rows: int, digest: str) -> bool:
        """Whether the partition has just these rows; not where its file is lost, which is why it is written again."""
        files = self._held.files_of(delta, partition)
        counts = [file.rows for file in files]
        if not files or (None not in counts and sum(count or 0 for count in counts) != rows):
            return False
        try:
            if len(files) == 1:
                return self._ordered(table, partition, files[0]).digest() == digest
            return canonical_digest(self._rows(table, delta, partition)) == digest
        except RowsRemoved:
            return False

    def _committed(self, table: str, partition: str, version: int | None) -> DataFile | None:
        """The file that this version's own commit wrote, without opening the table, which costs the more the longer
        the past is. The ledger names versions by the commits that wrote its rows, so that this is the usual case.
        """
        if version is None:
            return None
        return file_committed(self._filesystem, open_path(self.location(table)), partition, version)

    def _rows(self, table: str, delta: DeltaTable, partition: str) -> pa.Table:
        files = self._held.files_of(delta, partition)
        return self._rows_of(table, files) if files else no_rows(delta)

    def _rows_of(self, table: str, files: Sequence[DataFile]) -> pa.Table:
        parts = []
        for file in files:
            with self._parquet(table, file) as parquet:
                parts.append(without_partition(parquet.read(use_threads=not is_small(parquet.metadata.num_rows))))
        if len(parts) == 1:
            return parts[0].combine_chunks()
        return canonical(pa.concat_tables(parts, promote_options="default"))

    def _parquet(self, table: str, file: DataFile) -> pq.ParquetFile:
        root = open_path(self.location(table))
        try:
            return open_parquet(self._filesystem, f"{root}/{file.path}", file.rows)
        except FileNotFoundError as error:
            raise RowsRemoved(
                f"{file.path} of {self.location(table)} no longer exists: retention or somebody removed it. The "
                "ledger still records what it held, but its rows can't be read again."
            ) from error

    def _write(self, table: str, partition: str, rows: Rows) -> AddAction:
        ordered = OrderedTable(rows) if isinstance(rows, pa.Table) else rows
        path = f"{old_files.folder_of(partition)}/{uuid4().hex}.parquet"
        target = f"{open_path(self.location(table))}/{path}"
        if not self._url.startswith(S3_SCHEME):
            self._filesystem.create_dir(target.rpartition("/")[0], recursive=True)
        try:
            with self._filesystem.open_output_stream(target) as sink:
                ordered.write_parquet(sink)
        except Exception:
            remove_files(self._filesystem, [target])  # a part of a file, which no commit has named yet
            raise
        info = self._filesystem.get_file_info(target)
        return AddAction(
            path=path,
            size=info.size,
            partition_values={PARTITION_COLUMN: partition},
            modification_time=info.mtime_ns // 1_000_000,
            data_change=True,
            stats=json.dumps({"numRecords": ordered.num_rows}),
        )
