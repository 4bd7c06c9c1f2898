"""The log of a Delta table: which files a partition has, and how a commit is added."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from pyarrow import fs

from perennial.digest import canonical_types
from perennial.lake.log_archive import commit_text, commit_texts
from perennial.lake.port import Written
from perennial.lake.schema import PARTITION_COLUMN

DIGEST, PARTITION = "digest", "partition"  # among what a commit of ours says of itself
PARTITIONS = "partitions"  # … and one that wrote many: by partition what one of its own would say

CHECKPOINT_EVERY = 20  # commits

# Old versions are the versioning of the data: no engine may clean them away on its own. Checkpoints keep opening cheap.
TABLE_PROPERTIES = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.checkpointInterval": f"{CHECKPOINT_EVERY}",
}


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of the table: its path below the table's folder, and how many rows it has, if the log says so."""

    path: str
    rows: int | None


def data_files(found: Iterable[tuple[str, str, int | None]]) -> dict[str, list[DataFile]]:
    """By partition, and by path, the files of which partition, path as the log has it, and rows are given."""
    files: dict[str, list[DataFile]] = {}
    for partition, path, rows in sorted(found):
        files.setdefault(partition, []).append(DataFile(unquote(path), rows))
    return files


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

    return {version: changes(actions_of(text)) for version, text in commit_texts(filesystem, root, versions)}


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
    return defaultdict(dict, {version: _files_in(actions_of(text)) for version, text in read})


def _files_in(actions: list[dict[str, Any]]) -> dict[str, DataFile]:
    facts = _said(actions)
    added = [each["add"] for each in actions if "add" in each]
    files = {each["partitionValues"].get(PARTITION_COLUMN): each for each in added}
    if len(files) != len(added) or any(DIGEST not in facts.get(each, ()) for each in files):
        return {}
    return {partition: data_file(each) for partition, each in files.items()}


def data_file(added: Mapping[str, Any]) -> DataFile:
    """The file that an action of the log adds."""
    return DataFile(unquote(added["path"]), _rows_said(added.get("stats")))


def _rows_said(stats: str | None) -> int | None:
    """How many rows a file has by its statistics; None where they don't say it."""
    try:
        rows = json.loads(stats or "{}").get("numRecords")
    except (ValueError, AttributeError):
        return None
    return rows if isinstance(rows, int) else None


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
        return actions_of(commit_text(filesystem, root, version))
    except FileNotFoundError:
        return []


def actions_of(commit: bytes) -> list[dict[str, Any]]:
    """The actions of a commit."""
    return [json.loads(line) for line in commit.splitlines() if line]


def columns_of(delta: DeltaTable) -> pa.Schema:
    """The table's columns but that of the partitions."""
    return pa.schema([field for field in pa.schema(delta.schema().to_arrow()) if field.name != PARTITION_COLUMN])


def no_rows(columns: pa.Schema) -> pa.Table:
    """What a partition without rows holds: the table's columns."""
    return without_partition(columns.empty_table())


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
