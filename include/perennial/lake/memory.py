"""The lake in memory, for tests and dry runs: same contract, gone with the process."""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pyarrow as pa

from perennial import clock
from perennial.digest import canonical, canonical_digest
from perennial.errors import RowsLost, RowsRemoved
from perennial.lake.forgetting import without
from perennial.lake.port import Commit, Forgotten, Keep, Stored, Written, no_such_version
from perennial.lake.schema import merged_schema
from perennial.lease import Lease
from perennial.ordered import OrderedRows, OrderedTable, Rows


@dataclass(frozen=True)
class _Version:
    schema: pa.Schema
    partitions: dict[str, pa.Table] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()


class InMemoryLake:
    """Every version of every table, as a dict from partition to rows."""

    def __init__(self) -> None:
        self._tables: dict[str, list[_Version]] = {}
        self._tokens: dict[tuple[str, str], int] = {}
        self._at: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def replace(
        self, table: str, partition: str, rows: Rows, lease: Lease | None = None, *, anew: bool = False
    ) -> Commit:
        """See `Lake.replace`."""
        ordered = canonical(rows) if isinstance(rows, pa.Table) else rows.table()
        digest = canonical_digest(ordered)
        with self._lock:
            if lease is not None:
                lease.refuse_if_passed(self._tokens.get((table, partition), 0), self.location(table))
            versions = self._tables.get(table) or [_Version(ordered.schema)]
            last = versions[-1]
            schema = merged_schema(table, last.schema, ordered.schema)
            held = last.partitions.get(partition)
            if anew or held is None or canonical_digest(held) != digest:
                versions = [*versions, _Version(schema, {**last.partitions, partition: ordered})]
                self._tables[table] = versions
                self._at[table, partition] = clock.now()
                if lease is not None:
                    self._tokens[table, partition] = lease.fencing_token
            return Commit(table, len(versions) - 1, digest, ordered.num_rows)

    def fence(self, table: str, partition: str, lease: Lease) -> None:
        """See `Lake.fence`."""
        with self._lock:
            lease.refuse_if_passed(self._tokens.get((table, partition), 0), self.location(table))
            self._tokens[table, partition] = lease.fencing_token

    def version(self, table: str) -> int | None:
        """See `Lake.version`."""
        versions = self._tables.get(table)
        return len(versions) - 1 if versions else None

    def read(self, table: str, partition: str, *, version: int | None = None) -> pa.Table:
        """See `Lake.read`."""
        versions = self._tables.get(table, [])
        if version is not None and version not in range(len(versions)):
            raise RowsLost(no_such_version(self.location(table), version, self.version(table)))
        if not versions:
            return pa.table({})
        found = versions[-1 if version is None else version]
        if partition in found.erased:
            raise RowsRemoved(f"What {partition} of {table} held in version {version} was erased.")
        empty = found.schema.empty_table()
        return found.partitions.get(partition, empty.select(sorted(empty.column_names)))

    def stream(
        self, table: str, partition: str, *, version: int | None = None, chunk_rows: int = 100_000
    ) -> Iterator[pa.Table]:
        """See `Lake.stream`."""
        rows = self.read(table, partition, version=version)
        for start in range(0, rows.num_rows, chunk_rows):
            yield rows.slice(start, chunk_rows)

    def ordered(self, table: str, partition: str, *, version: int | None = None) -> OrderedRows:
        """See `Lake.ordered`."""
        return OrderedTable(self.read(table, partition, version=version))

    @contextmanager
    def holding(self, table: str, version: int | None) -> Iterator[None]:
        """See `Lake.holding`; there is nothing to look for but whether it is there."""
        if version is not None and version not in range(len(self._tables.get(table, []))):
            raise RowsLost(no_such_version(self.location(table), version, self.version(table)))
        yield

    def changed_since(self, table: str, committed: Mapping[str, int]) -> frozenset[str]:
        """See `Lake.changed_since`."""
        versions = self._tables.get(table, [])
        same = {
            partition
            for partition, version in committed.items()
            if version in range(len(versions))
            and (made := versions[version].partitions.get(partition)) is not None
            and versions[-1].partitions.get(partition) is made
        }
        return frozenset(committed.keys() - same)

    def partitions(self, table: str) -> list[str]:
        """See `Lake.partitions`."""
        versions = self._tables.get(table, [])
        return sorted(key for key, rows in versions[-1].partitions.items() if rows.num_rows) if versions else []

    def optimize(self, table: str) -> int:
        """See `Lake.optimize`; there are no files."""
        del table
        return 0

    def removable(self, table: str, keep: Keep, older_than: timedelta) -> list[str]:
        """See `Lake.removable`; there are no files."""
        del table, keep, older_than
        return []

    def remove(self, table: str, keep: Keep, older_than: timedelta) -> list[str]:
        """See `Lake.remove`; there are no files."""
        return self.removable(table, keep, older_than)

    def written(self, table: str) -> Mapping[str, Written]:
        """See `Lake.written`."""
        versions = self._tables.get(table, [])
        held = versions[-1].partitions if versions else {}
        return {name: Written(self._at[table, name], rows.nbytes) for name, rows in held.items()}

    def drop(self, table: str, partitions: Collection[str]) -> None:
        """See `Lake.drop`."""
        with self._lock:
            versions = self._tables.get(table, [])
            found = versions[-1].partitions.keys() & set(partitions) if versions else set()
            if found:
                kept = [
                    replace(
                        each,
                        partitions={name: rows for name, rows in each.partitions.items() if name not in found},
                        erased=each.erased | (each.partitions.keys() & found),
                    )
                    for each in versions
                ]
                self._tables[table] = [*kept, replace(kept[-1], erased=frozenset())]

    def stored(self, table: str) -> Stored:
        """See `Lake.stored`; what would be a file is what a partition holds."""
        versions = self._tables.get(table, [])
        held = {id(rows): rows for version in versions for rows in version.partitions.values()}
        return Stored(len(held), sum(rows.nbytes for rows in held.values()))

    def erase(self, table: str) -> Stored:
        """See `Lake.erase`."""
        with self._lock:
            found = self.stored(table)
            versions = self._tables.get(table)
            if versions:
                gone = [_Version(each.schema, {}, each.erased | each.partitions.keys()) for each in versions]
                last = [_Version(versions[-1].schema)] if versions[-1].partitions else []
                self._tables[table] = [*gone, *last]
            return found

    def forget(self, table: str, column: str, value: str) -> Forgotten:
        """See `Lake.forget`."""
        with self._lock:
            held = {id(rows): rows for each in self._tables.get(table, []) for rows in each.partitions.values()}
            kept = {key: without(rows, column, value) for key, rows in held.items()}
            if table in self._tables:
                self._tables[table] = [
                    replace(each, partitions={name: kept[id(rows)] for name, rows in each.partitions.items()})
                    for each in self._tables[table]
                ]
            removed = [held[key].num_rows - kept[key].num_rows for key in held]
            return Forgotten(sum(each > 0 for each in removed), sum(removed))

    def copy(self) -> "InMemoryLake":
        """A lake with the same content; what is written to either is not in the other."""
        with self._lock:
            other = InMemoryLake()
            other._tables, other._tokens, other._at = dict(self._tables), dict(self._tokens), dict(self._at)
            return other

    def location(self, table: str) -> str:
        """See `Lake.location`; other engines find nothing there."""
        return f"memory://{table}"
