"""The log of a Delta table: which files a partition has, and how a commit is added."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction
from pyarrow import fs

from perennial.digest import canonical_types
from perennial.lake.schema import PARTITION_COLUMN
from perennial.lease import Lease

LOG = "_delta_log"
READERS = 16
DIGEST, PARTITION = "digest", "partition"  # among what a commit of ours says of itself


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of the table: its path below the table's folder, and how many rows it has, if the log says so."""

    path: str
    rows: int | None


def files_of(delta: DeltaTable, partition: str) -> list[DataFile]:
    """The partition's files in the version that is open. It takes longer the more partitions the table has."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    mine = actions.filter(pc.equal(actions[f"partition.{PARTITION_COLUMN}"], partition)).sort_by("path")
    counts = mine["num_records"].to_pylist()
    return [DataFile(unquote(path), rows) for path, rows in zip(mine["path"].to_pylist(), counts, strict=True)]


def file_committed(filesystem: fs.FileSystem, root: str, partition: str, version: int) -> DataFile | None:
    """The partition's one file, if the commit of that version wrote it; read from that commit alone.

    A commit of ours that writes a partition leaves it with this one file, whatever was there before. None for any other
    commit: then the table has to be opened.
    """
    try:
        with filesystem.open_input_stream(f"{root}/{LOG}/{version:020d}.json") as stream:
            actions = list(_actions(stream.read()))
    except FileNotFoundError:
        return None
    said: dict[str, Any] = next((each["commitInfo"] for each in actions if "commitInfo" in each), {})
    added = [each["add"] for each in actions if "add" in each]
    if said.get(PARTITION) != partition or DIGEST not in said or len(added) != 1:
        return None
    if added[0]["partitionValues"].get(PARTITION_COLUMN) != partition:
        return None
    rows = json.loads(added[0].get("stats") or "{}").get("numRecords")
    return DataFile(unquote(added[0]["path"]), rows)


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

    def is_same(partition: str) -> bool:
        file = file_committed(filesystem, root, partition, committed[partition])
        return file is not None and held[partition] == [file.path]

    with ThreadPoolExecutor(READERS) as pool:  # an object store is asked for many commits at once
        same = pool.map(is_same, committed)
        return frozenset(partition for partition, each in zip(committed, same, strict=True) if not each)


def _actions(content: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in content.splitlines() if line)


def columns_of(delta: DeltaTable) -> pa.Schema:
    """The table's columns but that of the partitions."""
    return pa.schema([field for field in pa.schema(delta.schema().to_arrow()) if field.name != PARTITION_COLUMN])


def without_partition(rows: pa.Table) -> pa.Table:
    """The rows as they were given to be written: in canonical types, columns by name."""
    names = sorted(name for name in rows.column_names if name != PARTITION_COLUMN)
    return canonical_types(rows.select(names))


def commit(
    delta: DeltaTable, written: list[AddAction], schema: pa.Schema, facts: dict[str, Any], lease: Lease | None
) -> int:
    """Put the files in the place of the partition's, in the version after `delta`'s or not at all; that version.

    With nothing written, the commit changes no rows. Errors: those of deltalake, when a rival was first.
    """
    partition = facts["partition"]
    # To put files in an empty place is the quicker of the two; but only the other one brings new columns.
    replaced = bool(written and (files_of(delta, partition) or schema != columns_of(delta)))
    version = delta.version() + 1
    delta.create_write_transaction(
        [*written],
        mode="overwrite" if replaced else "append",
        schema=schema.append(pa.field(PARTITION_COLUMN, pa.string())),
        partition_by=[PARTITION_COLUMN],
        partition_filters=[(PARTITION_COLUMN, "=", partition)] if replaced else None,
        commit_properties=CommitProperties(
            custom_metadata=facts,
            max_commit_retries=0,
            app_transactions=[Transaction(partition, lease.fencing_token)] if lease else None,
        ),
    )
    return version
