"""A version of a Delta table as jobs need it: what single partitions have in it, and how the next one is committed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction
from pyarrow import fs

from perennial.lake.delta_log import DataFile, columns_of, data_files
from perennial.lake.log_archive import has_commit
from perennial.lake.schema import PARTITION_COLUMN
from perennial.lease import Lease


class TableVersion(Protocol):
    """A version of a table. Errors of every method: those of deltalake, of Arrow and of obstore, `OSError`."""

    @property
    def number(self) -> int:
        """The version's number."""

    @property
    def columns(self) -> pa.Schema:
        """The table's columns but that of the partitions."""

    def files_of(self, partitions: Collection[str]) -> dict[str, list[DataFile]]:
        """By path the files of those of the partitions that have any."""

    def tokens_of(self, partitions: Collection[str]) -> dict[str, int]:
        """The fencing token that each of the partitions has seen, 0 for none."""

    def follow(self) -> None:
        """Become the version that is the latest now. Errors: `UnusualTableError` when it has to be looked for anew."""

    def takes(self, schema: pa.Schema, /) -> bool:
        """Whether `commit` can put rows with these columns after this version."""

    def commit(
        self, written: Sequence[AddAction], schema: pa.Schema, said: dict[str, Any], partitions: Sequence[str]
    ) -> int:
        """Put the files in the places of the partitions', in the version after this one or not at all; that version.

        `said` is what the commit says of itself. Errors: `CommitFailedError`, when a rival was first.
        """

    def fence(self, leases: Mapping[str, Lease], said: dict[str, Any]) -> int:
        """Commit the leases' fencing tokens, each as an application transaction that has its partition's name.

        Errors: as `commit`.
        """


class OpenedVersion:
    """A version as deltalake opens it: any table, and any engine's. The more files it has, the longer that takes."""

    def __init__(self, delta: DeltaTable, filesystem: fs.FileSystem, root: str) -> None:
        self._delta, self._filesystem, self._root = delta, filesystem, root
        self._listed: tuple[int, pa.Table] | None = None

    @property
    def number(self) -> int:
        """See `TableVersion`."""
        return self._delta.version()

    @property
    def columns(self) -> pa.Schema:
        """See `TableVersion`."""
        return columns_of(self._delta)

    def files_of(self, partitions: Collection[str]) -> dict[str, list[DataFile]]:
        """See `TableVersion`. The files are listed once."""
        actions = self._actions()
        wanted = pa.array(list(partitions), pa.string())
        mine = actions.filter(pc.is_in(actions[f"partition.{PARTITION_COLUMN}"], value_set=wanted))
        names = (f"partition.{PARTITION_COLUMN}", "path", "num_records")
        return data_files(zip(*(mine[name].to_pylist() for name in names), strict=True))

    def tokens_of(self, partitions: Collection[str]) -> dict[str, int]:
        """See `TableVersion`."""
        return {each: self._delta.transaction_version(each) or 0 for each in partitions}

    def follow(self) -> None:
        """See `TableVersion`. deltalake lists the log, which on a disk takes longer the more commits there were: so it
        does only where there is a newer one.
        """
        if has_commit(self._filesystem, self._root, self.number + 1):
            self._delta.update_incremental()

    def takes(self, _: pa.Schema, /) -> bool:
        """See `TableVersion`: any."""
        return True

    def commit(
        self, written: Sequence[AddAction], schema: pa.Schema, said: dict[str, Any], partitions: Sequence[str]
    ) -> int:
        """See `TableVersion`."""
        held = self._actions()[f"partition.{PARTITION_COLUMN}"]
        there = pc.any(pc.is_in(held, pa.array(partitions, pa.string()))).as_py()
        # To put files in an empty place is the quicker of the two; but only the other one brings new columns.
        replaced = there or schema != self.columns
        version = self.number + 1
        self._delta.create_write_transaction(
            [*written],
            mode="overwrite" if replaced else "append",
            schema=schema.append(pa.field(PARTITION_COLUMN, pa.string())),
            partition_by=[PARTITION_COLUMN],
            partition_filters=[(PARTITION_COLUMN, "in", list(partitions))] if replaced else None,
            commit_properties=CommitProperties(custom_metadata=said, max_commit_retries=0),
        )
        return version

    def fence(self, leases: Mapping[str, Lease], said: dict[str, Any]) -> int:
        """See `TableVersion`."""
        version = self.number + 1
        self._delta.create_write_transaction(
            [],
            mode="append",
            schema=pa.schema(self._delta.schema().to_arrow()),
            partition_by=[PARTITION_COLUMN],
            commit_properties=CommitProperties(
                custom_metadata=said,
                max_commit_retries=0,
                app_transactions=[Transaction(each, lease.fencing_token) for each, lease in leases.items()],
            ),
        )
        return version

    def _actions(self) -> pa.Table:
        if self._listed is None or self._listed[0] != self.number:
            self._listed = self.number, pa.table(self._delta.get_add_actions(flatten=True))
        return self._listed[1]
