"""Many partitions of a Delta table at once: written by one commit, and read without a look at the table for each.

A training set is made of thousands of small windows. What one commit, one opening of the table, or one small file costs
is then most of the time, so that these are shared, or waited for side by side.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction
from pyarrow import fs

from perennial.digest import canonical, canonical_digest
from perennial.errors import RowsRemoved
from perennial.lake.committing import until_committed
from perennial.lake.delta_log import PARTITIONS, DataFile, files_committed_by, no_rows, without_partition
from perennial.lake.parquet import is_small
from perennial.lake.port import Commit
from perennial.lake.schema import merged_schema
from perennial.lake.storage import AT_ONCE, reaching
from perennial.lake.table_version import TableVersion
from perennial.lake.tables import Tables
from perennial.lease import Lease
from perennial.stacked import canonical_digest_each, canonical_each, stacked

Given = TypeVar("Given")
Made = TypeVar("Made")

AT_ONCE_ON_DISK = 4  # with more threads they wait for each other


class ManyPartitions(ABC):
    """The part of `DeltaLake` that works on many partitions."""

    _tables: Tables

    @abstractmethod
    def location(self, table: str) -> str:
        """See `Lake.location`."""

    @abstractmethod
    def _write(self, table: str, partition: str, ordered: pa.Table) -> AddAction: ...

    @abstractmethod
    def _rows_of(self, table: str, files: Sequence[DataFile]) -> pa.Table: ...

    @abstractmethod
    def _parquet(self, table: str, file: DataFile) -> pq.ParquetFile: ...

    def replace_many(
        self, table: str, partitions: Mapping[str, pa.Table], leases: Mapping[str, Lease]
    ) -> Mapping[str, Commit]:
        """See `Lake.replace_many`. Errors: as `DeltaLake.replace`."""
        ordered = dict(zip(partitions, canonical_each(list(partitions.values())), strict=True))
        digests = dict(zip(ordered, canonical_digest_each(list(ordered.values())), strict=True))
        schemas = list(dict.fromkeys(rows.schema for rows in ordered.values()))
        written: dict[str, AddAction] = {}

        def attempt() -> int:
            before, schema = self._before(table, schemas)
            self._refuse_if_passed(table, before, leases)
            held = before.files_of(ordered)
            there = [partition for partition in ordered if partition in held]
            same = self._at_once(lambda each: self._digest_of(table, held[each]) == digests[each], there)
            changed = sorted(ordered.keys() - {each for each, is_same in zip(there, same, strict=True) if is_same})
            if not changed:
                return before.number
            new = [each for each in changed if each not in written]  # others an earlier attempt may have committed
            written.update(
                zip(new, self._at_once(lambda each: self._write(table, each, ordered[each]), new), strict=True)
            )
            facts = {each: {"digest": digests[each], "rows": ordered[each].num_rows} for each in changed}
            return before.commit([written[each] for each in changed], schema, {PARTITIONS: facts}, changed)

        what = f"Writing {len(ordered)} partitions to {self.location(table)}"
        version = until_committed(what, attempt) if ordered else 0
        return {each: Commit(table, version, digests[each], rows.num_rows) for each, rows in ordered.items()}

    def fence(self, table: str, leases: Mapping[str, Lease]) -> None:
        """See `Lake.fence`: a commit without data, or none where every partition has seen its lease. It makes the table
        where there is none yet.
        """

        def attempt() -> None:
            before = self._tables.at(table) or self._tables.create(table, pa.schema([]))
            seen = self._refuse_if_passed(table, before, leases)
            behind = {each: lease for each, lease in leases.items() if seen[each] != lease.fencing_token}
            if behind:
                before.fence(behind, {PARTITIONS: {}})

        until_committed(f"Fencing {len(leases)} partitions of {self.location(table)}", attempt)

    def read_many(self, table: str, partitions: Mapping[str, int | None]) -> Mapping[str, pa.Table]:
        """See `Lake.read_many`. A commit is read once for all partitions that it wrote; so is the table, for others."""
        root = self._tables.root(table)
        with reaching(f"Reading {len(partitions)} partitions of {self.location(table)}"):
            versions = {version for version in partitions.values() if version is not None}
            commits = files_committed_by(self._tables.filesystem, root, versions)
            files: dict[str, Sequence[DataFile]] = {}
            elsewhere: dict[int | None, list[str]] = {}
            for partition, version in partitions.items():
                file = None if version is None else commits[version].get(partition)
                if file is None:
                    elsewhere.setdefault(version, []).append(partition)
                else:
                    files[partition] = [file]
            found: dict[str, pa.Table] = {}
            for version, names in elsewhere.items():
                at = self._tables.at(table, version)
                held = at.files_of(names) if at else {}
                files |= held
                nothing = no_rows(at.columns) if at else pa.table({})
                found |= dict.fromkeys((each for each in names if each not in held), nothing)
            return found | self._rows_of_each(table, files)

    def _rows_of_each(self, table: str, files: Mapping[str, Sequence[DataFile]]) -> dict[str, pa.Table]:
        """Many small files are read side by side; to take them in is one thread's work, and done once for all."""
        few = {each: its[0] for each, its in files.items() if len(its) == 1 and is_small(its[0].rows)}
        opened = self._at_once(lambda each: self._parquet(table, few[each]), list(few))
        small = [each.read(use_threads=False) for each in opened]
        if (together := stacked(small)) is not None:
            small = together.of(without_partition(together.rows)).apart()
        else:
            small = [without_partition(rows).combine_chunks() for rows in small]
        others = [each for each in files if each not in few]
        large = self._at_once(lambda each: self._rows_of(table, files[each]), others)
        return dict(zip([*few, *others], [*small, *large], strict=True))

    def _digest_of(self, table: str, files: Sequence[DataFile]) -> str | None:
        """The digest of the rows that the files hold; None where one is lost, which is why they are written again."""
        try:
            return canonical_digest(canonical(self._rows_of(table, files)))
        except RowsRemoved:
            return None

    def _at_once(self, work: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
        """What the work makes of each, in their order. Most of it is waiting, in an object store much more than on a
        disk.
        """
        if len(given) < 2:  # noqa: PLR2004 - no thread for one
            return [work(each) for each in given]
        most = AT_ONCE_ON_DISK if isinstance(self._tables.filesystem, fs.LocalFileSystem) else AT_ONCE
        shares = [given[start::most] for start in range(min(most, len(given)))]
        with ThreadPoolExecutor(len(shares)) as threads:
            made = list(threads.map(lambda share: [work(each) for each in share], shares))
        return [made[number % most][number // most] for number in range(len(given))]

    def _before(self, table: str, arriving: Sequence[pa.Schema]) -> tuple[TableVersion, pa.Schema]:
        """The version after which rows with these columns can be committed, and the columns that the table has then.

        Errors: `SchemaMismatch`; those of deltalake and of Arrow, `OSError`.
        """
        before = self._tables.at(table)
        schema = _merged(table, before.columns if before else pa.schema([]), arriving)
        if before is None or not before.takes(schema):
            before = self._tables.opened(table) or self._tables.create(table, schema)  # or what a rival has just made
            schema = _merged(table, before.columns, arriving)
        return before, schema

    def _refuse_if_passed(self, table: str, before: TableVersion, leases: Mapping[str, Lease]) -> dict[str, int]:
        """The fencing tokens that the partitions have seen. Errors: `LeaseLost` for one greater than its lease's."""
        seen = before.tokens_of(leases)
        for partition, lease in leases.items():
            lease.refuse_if_passed(seen[partition], self.location(table))
        return seen


def _merged(table: str, known: pa.Schema, arriving: Sequence[pa.Schema]) -> pa.Schema:
    for each in arriving:
        known = merged_schema(table, known, each)
    return known
