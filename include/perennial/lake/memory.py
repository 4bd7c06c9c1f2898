"""The lake in memory, for tests and dry runs: same contract, gone with the process."""

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import pyarrow as pa

from perennial import clock
from perennial.digest import canonical, canonical_digest
from perennial.errors import RowsLost, RowsRemoved
from perennial.lake.forgetting import without
from perennial.lake.history import Gone, TableHistory
from perennial.lake.port import Commit, Forgotten, Keep, Stored, Written, no_such_version
from perennial.lake.schema import merged_schema
from perennial.lease import Lease
from perennial.ordered import OrderedRows, OrderedTable, Rows


class InMemoryLake:
    """Every version of every table."""

    def __init__(self) -> None:
        self._tables: dict[str, TableHistory] = {}
        self._tokens: dict[tuple[str, str], int] = {}
        self._at: dict[tuple[str, str], datetime] = {}
        self._lock = threading.RLock()

    def replace(
        self, table: str, partition: str, rows: Rows, lease: Lease | None = None, *, anew: bool = False
    ) -> Commit:
        """See `Lake.replace`."""
        leases = {} if lease is None else {partition: lease}
        return self._replaced(table, {partition: rows}, leases, anew=anew)[partition]

    def replace_many(
        self, table: str, partitions: Mapping[str, pa.Table], leases: Mapping[str, Lease]
    ) -> Mapping[str, Commit]:
        """See `Lake.replace_many`."""
        return self._replaced(table, partitions, leases, anew=False)

    def _replaced(
        self, table: str, partitions: Mapping[str, Rows], leases: Mapping[str, Lease], *, anew: bool
    ) -> dict[str, Commit]:
        ordered = {
            partition: canonical(rows) if isinstance(rows, pa.Table) else rows.table()
            for partition, rows in partitions.items()
        }
        digests = {partition: canonical_digest(rows) for partition, rows in ordered.items()}
        with self._lock:
            self._refuse_if_passed(table, leases)
            history = self._tables.get(table, TableHistory())
            schema = history.schemas[-1] if history.schemas else pa.schema([])
            for rows in ordered.values():
                schema = merged_schema(table, schema, rows.schema)
            changed = {
                partition: rows
                for partition, rows in ordered.items()
                if anew or not _holds(history, partition, digests[partition])
            }
            if not history.schemas:
                history.commit(schema, {})
            version = history.newest if not changed else history.commit(schema, changed)
            assert version is not None, "a table has a version once it is written to"
            if changed:
                self._tables[table] = history
            for partition in changed:
                self._at[table, partition] = clock.now()
            return {
                partition: Commit(table, version, digests[partition], rows.num_rows)
                for partition, rows in ordered.items()
            }

    def fence(self, table: str, leases: Mapping[str, Lease]) -> None:
        """See `Lake.fence`."""
        with self._lock:
            self._refuse_if_passed(table, leases)
            self._tokens.update({(table, partition): lease.fencing_token for partition, lease in leases.items()})

    def _refuse_if_passed(self, table: str, leases: Mapping[str, Lease]) -> None:
        for partition, lease in leases.items():
            lease.refuse_if_passed(self._tokens.get((table, partition), 0), self.location(table))

    def version(self, table: str) -> int | None:
        """See `Lake.version`."""
        return self._history(table).newest

    def read(self, table: str, partition: str, *, version: int | None = None) -> pa.Table:
        """See `Lake.read`."""
        with self._lock:
            self._require(table, version)
            history = self._history(table)
            if history.newest is None:
                return pa.table({})
            wanted = history.newest if version is None else version
            found = history.at(partition, wanted)
        if found is Gone.ERASED:
            raise RowsRemoved(f"What {partition} of {table} held in version {version} was erased.")
        if isinstance(found, pa.Table):
            return found
        empty = history.schemas[wanted].empty_table()
        return empty.select(sorted(empty.column_names))

    def read_many(self, table: str, partitions: Mapping[str, int | None]) -> Mapping[str, pa.Table]:
        """See `Lake.read_many`."""
        return {name: self.read(table, name, version=version) for name, version in partitions.items()}

    def stream(
        self, table: str, partition: str, *, version: int | None = None, chunk_rows: int = 100_000
    ) -> Iterator[pa.Table]:
        """See `Lake.stream`."""
        rows = self.read(table, partition, version=version)
        for start in range(0, rows.num_rows, chunk_rows):
            yield rows.slice(start, chunk_rows)

    def committed_digest(self, table: str, partition: str, version: int) -> str | None:
        """See `Lake.committed_digest`."""
        with self._lock:
            history = self._history(table)
            held = history.at(partition, version) if history.has(version) else Gone.ABSENT
            before = history.at(partition, version - 1) if version else Gone.ABSENT
        return canonical_digest(held) if isinstance(held, pa.Table) and held is not before else None

    def ordered(self, table: str, partition: str, *, version: int | None = None) -> OrderedRows:
        """See `Lake.ordered`."""
        return OrderedTable(self.read(table, partition, version=version))

    @contextmanager
    def holding(self, table: str, version: int | None) -> Iterator[None]:
        """See `Lake.holding`; there is nothing to look for but whether it is there."""
        self._require(table, version)
        yield

    def changed_since(self, table: str, committed: Mapping[str, int]) -> frozenset[str]:
        """See `Lake.changed_since`."""
        with self._lock:
            history = self._history(table)
            present = history.present()
            same = {
                partition
                for partition, version in committed.items()
                if partition in present
                and history.has(version)
                and history.at(partition, version) is present[partition]
            }
        return frozenset(committed.keys() - same)

    def partitions(self, table: str) -> list[str]:
        """See `Lake.partitions`."""
        with self._lock:
            return sorted(partition for partition, rows in self._history(table).present().items() if rows.num_rows)

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
        with self._lock:
            present = self._history(table).present()
            return {name: Written(self._at[table, name], rows.nbytes, rows.num_rows) for name, rows in present.items()}

    def drop(self, table: str, partitions: Collection[str]) -> None:
        """See `Lake.drop`."""
        with self._lock:
            history = self._history(table)
            found = sorted(history.present().keys() & set(partitions))
            if found:
                history.erase(found)
                history.commit(history.schemas[-1], dict.fromkeys(found, Gone.ABSENT))

    def stored(self, table: str) -> Stored:
        """See `Lake.stored`; what would be a file is what a partition holds."""
        with self._lock:
            return Stored.of(rows.nbytes for rows in self._history(table).tables())

    def erase(self, table: str) -> Stored:
        """See `Lake.erase`."""
        with self._lock:
            found, history = self.stored(table), self._history(table)
            present = history.present()
            history.erase(history.partitions)
            if present:
                history.commit(history.schemas[-1], dict.fromkeys(present, Gone.ABSENT))
            return found

    def forget(self, table: str, column: str, value: str) -> Forgotten:
        """See `Lake.forget`."""
        removed: list[int] = []

        def forgotten(rows: pa.Table) -> pa.Table:
            kept = without(rows, column, value)
            removed.append(rows.num_rows - kept.num_rows)
            return kept

        with self._lock:
            self._history(table).rewrite(forgotten)
        return Forgotten(sum(each > 0 for each in removed), sum(removed))

    def location(self, table: str) -> str:
        """See `Lake.location`; other engines find nothing there."""
        return f"memory://{table}"

    def copy(self) -> "InMemoryLake":
        """A lake with the same content; what is written to either is not in the other."""
        with self._lock:
            other = InMemoryLake()
            other._tables = {table: history.copy() for table, history in self._tables.items()}
            other._tokens, other._at = dict(self._tokens), dict(self._at)
            return other

    def _history(self, table: str) -> TableHistory:
        return self._tables.get(table) or TableHistory()

    def _require(self, table: str, version: int | None) -> None:
        history = self._history(table)
        if version is not None and not history.has(version):
            raise RowsLost(no_such_version(self.location(table), version, history.newest))


def _holds(history: TableHistory, partition: str, digest: str) -> bool:
    held = Gone.ABSENT if history.newest is None else history.at(partition, history.newest)
    return isinstance(held, pa.Table) and canonical_digest(held) == digest
