"""What the rest of the system asks of the lake."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from perennial.lease import Lease
from perennial.ordered import OrderedRows, Rows
from perennial.window import Window


@dataclass(frozen=True)
class Commit:
    """One partition as committed: the table version that holds it, and the digest of its rows."""

    table: str
    version: int
    digest: str
    rows: int


@dataclass(frozen=True)
class Stored:
    """The files with rows that a table has in its store, those of old versions too, and their bytes."""

    files: int
    bytes: int

    @classmethod
    def of(cls, sizes: Iterable[int]) -> "Stored":
        """Files of these sizes."""
        found = list(sizes)
        return cls(len(found), sum(found))


@dataclass(frozen=True)
class Written:
    """When a partition was written last, and the bytes and rows of its files."""

    at: datetime
    bytes: int
    rows: int


@dataclass(frozen=True)
class Forgotten:
    """How many rows were removed of how many files, old versions' counted; `unread` files could not be looked into."""

    files: int
    rows: int
    unread: tuple[str, ...] = ()


Keep = Callable[[Callable[[str], bool]], Mapping[str, Collection[int]]]
"""What of a table is needed still: asked with a test of partitions, it gives the versions in which each partition that
passes the test is needed. Versions of others may be among them, and are not asked for."""


class Lake(Protocol):
    """Tables of rows, partitioned by window (or by another key), whose old versions stay readable.

    A partition is named by a string: `window.key` for windows. The stored column `partition_key` holds it; callers
    neither write nor see it. Errors of every method: `StoreUnavailable` when the store does not answer.
    """

    def replace(
        self, table: str, partition: str, rows: Rows, lease: Lease | None = None, *, anew: bool = False
    ) -> Commit:
        """Make `rows` the whole content of the partition, in one atomic commit.

        When the partition already holds exactly these rows (same digest), nothing is written and the version that
        holds them is returned; with `anew`, they get a version of their own all the same. Losing a race against
        another writer of the table is retried inside; so is a commit whose answer was lost, after looking whether it
        arrived. Zero rows empty the partition.
        Errors: `LeaseLost` when the partition is fenced for a later lease.
        """

    def replace_many(
        self, table: str, partitions: Mapping[str, pa.Table], leases: Mapping[str, Lease]
    ) -> Mapping[str, Commit]:
        """`replace` of many partitions, each with its lease: those that change are written in one atomic commit.

        The commit says of each partition what one of its own would say, so that it is found by the version alone.
        Errors: `LeaseLost` when one of the partitions is fenced for a later lease; none is written then.
        """

    def fence(self, table: str, leases: Mapping[str, Lease]) -> None:
        """From now on each partition refuses every writer whose fencing token is smaller than its lease's.

        Errors: `LeaseLost` when one of them is fenced for a later lease; none is fenced then.
        """

    def version(self, table: str) -> int | None:
        """The table's present version, None when there is no such table."""

    def read(self, table: str, partition: str, *, version: int | None = None) -> pa.Table:
        """The partition's rows, in canonical order (see `perennial.digest`), as of `version` (default: now).

        A partition that is not there has zero rows. Errors: `RowsRemoved` when retention took them; `RowsLost` when the
        table has no such version, or is not there though a version is named.
        """

    def read_many(self, table: str, partitions: Mapping[str, int | None]) -> Mapping[str, pa.Table]:
        """`read` of many partitions, each as of its version (None: now). They are in memory together."""

    def stream(
        self, table: str, partition: str, *, version: int | None = None, chunk_rows: int = 100_000
    ) -> Iterator[pa.Table]:
        """`read`, in chunks of at most `chunk_rows` rows."""

    def committed_digest(self, table: str, partition: str, version: int) -> str | None:
        """The digest of the rows that the commit of that version gave the partition, as the table's log says it.

        No row is read. None where that commit wrote another partition, or was another engine's.
        """

    def ordered(self, table: str, partition: str, *, version: int | None = None) -> OrderedRows:
        """`read`, without having the rows in memory: what the partition holds now can be gone through in chunks, and
        be digested, as often as need be. Errors: as `read`, here or when they are gone through.
        """

    def holding(self, table: str, version: int | None) -> AbstractContextManager[None]:
        """Inside, many partitions of that version are read in one go: it is looked for once.

        With None, the present version is read and written in one go: what others commit meanwhile is seen as ever.
        Errors: `RowsLost` as in `read`.
        """

    def changed_since(self, table: str, committed: Mapping[str, int]) -> frozenset[str]:
        """The partitions that are not now, in the present version, what the commit of the given version made of them.

        No row is read: it is told by the table's log and by the sizes of its files. A partition may be named although
        its rows are the same, such as one that was written anew.
        """

    def partitions(self, table: str) -> list[str]:
        """The partitions that hold rows, sorted."""

    def optimize(self, table: str) -> int:
        """Make opening and reading cheap again: one file per partition, and a checkpoint. Returns the number of
        partitions changed.

        No row changes, and no version becomes unreadable.
        """

    def removable(self, table: str, keep: Keep, older_than: timedelta) -> list[str]:
        """The files that `remove` would remove, sorted."""

    def remove(self, table: str, keep: Keep, older_than: timedelta) -> list[str]:
        """Remove older files that neither the present version nor one of `keep` needs, and return their names.

        `keep` is asked just before, and only if there are older files. Versions to keep that the table does not have
        need none. A file's age counts from when it was replaced, or written if its commit never came.
        """

    def written(self, table: str) -> Mapping[str, "Written"]:
        """When each partition was written that the present version has, and what it takes."""

    def drop(self, table: str, partitions: Collection[str]) -> None:
        """Take the partitions out of the present version, and remove their files.

        Reading what a version held of them is refused with `RowsRemoved`. Those that are not there are none to drop.
        """

    def stored(self, table: str) -> Stored:
        """What the table takes in its store; nothing where there is no such table."""

    def erase(self, table: str) -> Stored:
        """Remove every row of every version from the store; what was removed.

        The versions stay known: reading what one of them held is refused with `RowsRemoved`. What the store itself
        keeps of deleted files (a bucket with versions, backups) is not reached.
        """

    def forget(self, table: str, column: str, value: str) -> Forgotten:
        """Remove the rows whose `column`, written as text, is `value` from every version of the table.

        The versions stay readable under their numbers, without these rows: what was committed has another digest then.
        Done again, it finishes what was cut off, and does nothing more. Rows that are committed meanwhile may stay:
        hold the windows, or ask once more. `unread` files are no version's, or damaged: a writer that was killed left
        them, or writes them just now.
        """

    def location(self, table: str) -> str:
        """The URL at which other engines find the Delta table."""


def no_such_version(location: str, version: int, newest: int | None) -> str:
    """What to say of a version that somebody was given and that is not there."""
    found = "is not there" if newest is None else f"has no version {version}; its newest is {newest}"
    return (
        f"{location} {found}. The ledger names version {version}, so this lake is older than the ledger, or it is "
        "another lake: check PERENNIAL_LAKE_URL, and whether an older backup was restored. If there is a newer "
        "backup of the lake, restore that. Else `perennial reconcile` names the windows whose rows are lost, and "
        "what to do."
    )


def raw_table(use_case: str) -> str:
    """Where a use case's snapshots are."""
    return f"raw/{use_case}"


def quarantine_table(use_case: str) -> str:
    """Where rows that a row-level check caught are."""
    return f"quarantine/{use_case}"


def predictions_table(use_case: str) -> str:
    """Where a use case's batches are."""
    return f"predictions/{use_case}"


def shadow_table(use_case: str) -> str:
    """Where the predictions of rows by the model that did not serve them are, while a roll-out lasts."""
    return f"shadow/{use_case}"


def labels_table(use_case: str) -> str:
    """Where outcomes are, as they were collected."""
    return f"labels/{use_case}"


def training_table(use_case: str) -> str:
    """Where assembled training sets are; a partition is one training set."""
    return f"training/{use_case}"


def window_partition(window: Window) -> str:
    """The partition of a window."""
    return window.key
