"""The log of a Delta table: which files a partition has, and how a commit is added."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction
from pyarrow import fs

from perennial.digest import canonical_types
from perennial.lake.log_archive import LOG, commit_text, commit_texts, last_checkpoint
from perennial.lake.port import Written
from perennial.lake.schema import PARTITION_COLUMN
from perennial.lease import Lease

DIGEST, PARTITION = "digest", "partition"  # among what a commit of ours says of itself
PARTITIONS = "partitions"  # … and one that wrote many: by partition what one of its own would say

# Old versions are the versioning of the data: no engine may clean them away on its own. Checkpoints keep opening cheap.
TABLE_PROPERTIES = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.checkpointInterval": "20",
}


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of the table: its path below the table's folder, and how many rows it has, if the log says so."""

    path: str
    rows: int | None


class Listing:
    """The files of the version of a table that is open, which Delta lists the longer the more partitions there are."""

    def __init__(self, delta: DeltaTable) -> None:
        self.version = delta.version()
        self._actions = pa.table(delta.get_add_actions(flatten=True))

    def of(self, partition: str) -> list[DataFile]:
        """The partition's files."""
        mine = self._actions.filter(pc.equal(self._actions[f"partition.{PARTITION_COLUMN}"], partition))
        columns = (column.to_pylist() for column in mine.sort_by("path").select(["path", "num_records"]))
        return [DataFile(unquote(path), rows) for path, rows in zip(*columns, strict=True)]


def files_of_many(delta: DeltaTable, partitions: Collection[str]) -> dict[str, list[DataFile]]:
    """The files of those of the partitions that have any."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    wanted = pa.array(list(partitions), pa.string())
    mine = actions.filter(pc.is_in(actions[f"partition.{PARTITION_COLUMN}"], value_set=wanted)).sort_by("path")
    found: dict[str, list[DataFile]] = {}
    names = (f"partition.{PARTITION_COLUMN}", "path", "num_records")
    for partition, path, rows in zip(*(mine[name].to_pylist() for name in names), strict=True):
        found.setdefault(partition, []).append(DataFile(unquote(path), rows))
    return found


def files_by_partition(delta: DeltaTable) -> dict[str, list[str]]:
    """The paths of every partition's files in the version that is open."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    found: dict[str, list[str]] = {}
    columns = (actions[f"partition.{PARTITION_COLUMN}"].to_pylist(), actions["path"].to_pylist())
    for partition, path in zip(*columns, strict=True):
        found.setdefault(partition, []).append(unquote(path))
    return found


def written_in(delta: DeltaTable) -> dict[str, Written]:
    """When each partition of the version that is open was written last, and the bytes and rows of its files."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    names = (f"partition.{PARTITION_COLUMN}", "modification_time", "size_bytes", "num_records")
    found: dict[str, Written] = {}
    for partition, at, size, rows in zip(*(actions[name].to_pylist() for name in names), strict=True):
        moment = datetime.fromtimestamp(at / 1_000, UTC)
        before = found.get(partition, Written(moment, 0, 0))
        found[partition] = Written(max(before.at, moment), before.bytes + size, before.rows + (rows or 0))
    return found


def drop_partitions(delta: DeltaTable, partitions: Collection[str]) -> list[str]:
    """Commit that these partitions have no files, and name those that they had.

    Errors: those of deltalake, when a rival was first.
    """
    files = files_by_partition(delta)
    found = sorted(set(partitions) & files.keys())
    if found:
        quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in found)
        delta.delete(f"{PARTITION_COLUMN} IN ({quoted})", commit_properties=CommitProperties(max_commit_retries=0))
    return [path for partition in found for path in files[partition]]


@dataclass(frozen=True)
class Changes:
    """What a commit did: the files that it added, each with its partition, and those that it took out."""

    added: dict[str, str]
    removed: frozenset[str]


def changes_of(filesystem: fs.FileSystem, root: str, versions: Iterable[int]) -> dict[int, Changes]:
    """What the commits of these versions did, by version; those that are nowhere any more are left out."""

    def changes(actions: list[dict[str, Any]]) -> Changes:
        added = [each["add"] for each in actions if "add" in each]
        return Changes(
            {unquote(each["path"]): each["partitionValues"].get(PARTITION_COLUMN) or "" for each in added},
            frozenset(unquote(each["remove"]["path"]) for each in actions if "remove" in each),
        )

    return {version: changes(_actions(text)) for version, text in commit_texts(filesystem, root, versions)}


def is_followed(filesystem: fs.FileSystem, root: str, version: int) -> bool:
    """Whether the log has the commit after that version: then that version is not the present one.

    Versions have no gaps, and engines that clean up a log leave what was committed in the last days.
    """
    return bool(filesystem.get_file_info(f"{root}/{LOG}/{version + 1:020d}.json").type is fs.FileType.File)


def file_committed(filesystem: fs.FileSystem, root: str, partition: str, version: int) -> DataFile | None:
    """The partition's one file, if the commit of that version wrote it; read from that commit alone.

    None for any other commit: then the table has to be opened.
    """
    return files_committed(filesystem, root, version).get(partition)


def files_committed(filesystem: fs.FileSystem, root: str, version: int) -> dict[str, DataFile]:
    """By partition the one file that the commit of that version wrote, if it is one of ours that wrote any.

    Such a commit leaves a partition that it writes with this one file, whatever was there before.
    """
    return _files_in(_commit(filesystem, root, version))


def files_committed_by(
    filesystem: fs.FileSystem, root: str, versions: Iterable[int]
) -> defaultdict[int, dict[str, DataFile]]:
    """`files_committed` of many versions, by version."""
    read = commit_texts(filesystem, root, versions)
    return defaultdict(dict, {version: _files_in(_actions(text)) for version, text in read})


def _files_in(actions: list[dict[str, Any]]) -> dict[str, DataFile]:
    facts = _said(actions)
    added = [each["add"] for each in actions if "add" in each]
    files = {each["partitionValues"].get(PARTITION_COLUMN): each for each in added}
    if len(files) != len(added) or any(DIGEST not in facts.get(each, ()) for each in files):
        return {}
    return {partition: _data_file(each) for partition, each in files.items()}


def _data_file(added: dict[str, Any]) -> DataFile:
    return DataFile(unquote(added["path"]), json.loads(added.get("stats") or "{}").get("numRecords"))


def transactions_of(delta: DeltaTable, filesystem: fs.FileSystem, root: str) -> dict[str, int]:
    """The version of every application transaction that the table has seen, which Delta tells for one at a time only.

    From the last checkpoint and the commits since. Errors: `FileNotFoundError` when they are not where ours are.
    """
    checkpoint = last_checkpoint(filesystem, root)
    if checkpoint is None or checkpoint > delta.version():
        checkpoint, seen = -1, {}
    else:
        path = f"{root}/{LOG}/{checkpoint:020d}.checkpoint.parquet"
        known = pq.read_table(path, columns=["txn"], filesystem=filesystem).column("txn").drop_null().to_pylist()
        seen = {each["appId"]: each["version"] for each in known if each["appId"] is not None}
    since = range(checkpoint + 1, delta.version() + 1)
    commits = dict(commit_texts(filesystem, root, since))
    if len(commits) < len(since):
        raise FileNotFoundError(f"{root} lacks commits since version {checkpoint}")
    for text in commits.values():
        seen |= {each["txn"]["appId"]: each["txn"]["version"] for each in _actions(text, only="txn")}
    return seen


def digest_committed(filesystem: fs.FileSystem, root: str, partition: str, version: int) -> str | None:
    """The digest of what the commit of that version gave the partition; None where it is not ours, or of another."""
    found: str | None = _said(_commit(filesystem, root, version)).get(partition, {}).get(DIGEST)
    return found


def _said(actions: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What a commit says of each partition that it wrote, if it is one of ours."""
    said: dict[str, Any] = next((each["commitInfo"] for each in actions if "commitInfo" in each), {})
    by_partition: dict[str, dict[str, Any]] = said.get(PARTITIONS, {said.get(PARTITION): said})
    return by_partition


def changed_files(
    delta: DeltaTable, filesystem: fs.FileSystem, root: str, sizes: Mapping[str, int], committed: Mapping[str, int]
) -> frozenset[str]:
    """The partitions, of those with the version of their commit, that don't have that commit's file alone.

    A file that is not among `sizes`, those of the files that are there, or has another size there, is as good as gone.
    """
    actions = pa.table(delta.get_add_actions(flatten=True))
    names = (f"partition.{PARTITION_COLUMN}", "path", "size_bytes")
    held: defaultdict[str, list[str]] = defaultdict(list)
    for partition, path, size in zip(*(actions[name].to_pylist() for name in names), strict=True):
        file = unquote(path)
        held[partition].append(file if sizes.get(file) == size else "")

    wrote = files_committed_by(filesystem, root, committed.values())

    def is_same(partition: str) -> bool:
        file = wrote[committed[partition]].get(partition)
        return file is not None and held[partition] == [file.path]

    return frozenset(partition for partition in committed if not is_same(partition))


def _commit(filesystem: fs.FileSystem, root: str, version: int) -> list[dict[str, Any]]:
    """The actions of the commit of that version; none where it is nowhere."""
    try:
        return _actions(commit_text(filesystem, root, version))
    except FileNotFoundError:
        return []


def _actions(commit: bytes, only: str = "") -> list[dict[str, Any]]:
    """The actions of a commit, all of them or those of one kind."""
    actions = (json.loads(line) for line in commit.splitlines() if only.encode() in line)
    return [each for each in actions if only in each or not only]


def columns_of(delta: DeltaTable) -> pa.Schema:
    """The table's columns but that of the partitions."""
    return pa.schema([field for field in pa.schema(delta.schema().to_arrow()) if field.name != PARTITION_COLUMN])


def no_rows(delta: DeltaTable) -> pa.Table:
    """What a partition without rows holds: the table's columns."""
    return without_partition(columns_of(delta).empty_table())


def without_partition(rows: pa.Table) -> pa.Table:
    """The rows as they were given to be written: in canonical types, columns by name."""
    names = sorted(name for name in rows.column_names if name != PARTITION_COLUMN)
    return canonical_types(rows.select(names))


def created(location: str, columns: pa.Schema, options: dict[str, str]) -> DeltaTable:
    """The table, made with these columns if it is not there. Errors: those of deltalake."""
    return DeltaTable.create(
        location,
        columns.append(pa.field(PARTITION_COLUMN, pa.string())),
        mode="ignore",
        partition_by=[PARTITION_COLUMN],
        configuration=TABLE_PROPERTIES,
        storage_options=options,
        commit_properties=CommitProperties(max_commit_retries=0),  # of two that create it, the later looks again
    )


def commit_rows(
    delta: DeltaTable,
    written: Sequence[AddAction],
    schema: pa.Schema,
    said: dict[str, Any],
    partitions: Sequence[str],
) -> int:
    """Put the files in the places of the partitions', in the version after `delta`'s or not at all; that version.

    `said` is what the commit says of itself. Errors: those of deltalake, when a rival was first.
    """
    held = pa.table(delta.get_add_actions(flatten=True))[f"partition.{PARTITION_COLUMN}"]
    there = pc.any(pc.is_in(held, pa.array(partitions, pa.string()))).as_py()
    # To put files in an empty place is the quicker of the two; but only the other one brings new columns.
    replaced = there or schema != columns_of(delta)
    version = delta.version() + 1
    delta.create_write_transaction(
        [*written],
        mode="overwrite" if replaced else "append",
        schema=schema.append(pa.field(PARTITION_COLUMN, pa.string())),
        partition_by=[PARTITION_COLUMN],
        partition_filters=[(PARTITION_COLUMN, "in", list(partitions))] if replaced else None,
        commit_properties=CommitProperties(custom_metadata=said, max_commit_retries=0),
    )
    return version


def commit_fences(delta: DeltaTable, leases: Mapping[str, Lease]) -> None:
    """Commit the leases' fencing tokens, each as an application transaction that has its partition's name.

    Errors: those of deltalake, when a rival was first.
    """
    delta.create_write_transaction(
        [],
        mode="append",
        schema=pa.schema(delta.schema().to_arrow()),
        partition_by=[PARTITION_COLUMN],
        commit_properties=CommitProperties(
            custom_metadata={PARTITIONS: {}},
            max_commit_retries=0,
            app_transactions=[Transaction(each, lease.fencing_token) for each, lease in leases.items()],
        ),
    )
