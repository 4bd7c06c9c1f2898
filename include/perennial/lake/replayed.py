"""A table's latest version, replayed from the log for single partitions, and the next one committed.

To open a table, deltalake reads all that the log says of every file: 25 ms with 17,520 partitions, and 15 ms more to
commit (docs/adr/0017). Here the last checkpoint is read as columns, of which few are needed, and the commits after it
are read whole. A commit is a file of the log, `<version>.json`, which is put only if it is not there: as every engine
does it, so that of all writers of a version one wins.

That is done only for tables that are as we make them: what the log has to say beyond that is deltalake's to read, which
also makes tables, gives them new columns and writes checkpoints. Terms and format: the Delta transaction log protocol,
https://github.com/delta-io/delta/blob/master/PROTOCOL.md.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import Schema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction
from pyarrow import fs

from perennial import clock
from perennial.lake.delta_log import CHECKPOINT_EVERY, TABLE_PROPERTIES, DataFile, actions_of, data_file
from perennial.lake.log_archive import checkpoint_path, has_commit, last_checkpoint
from perennial.lake.log_end import LogEnd
from perennial.lake.schema import PARTITION_COLUMN
from perennial.lease import Lease

PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 2}
_TYPES = frozenset(
    {"string", "long", "integer", "short", "byte", "float", "double", "boolean", "binary", "date", "timestamp"}
)
# What is read of a checkpoint. A table of that protocol has nothing else that counts but what was removed.
_COLUMNS = (
    *("add.path", "add.partitionValues", "add.size", "add.stats", "txn.appId", "txn.version", "protocol"),
    *("metaData.schemaString", "metaData.partitionColumns", "metaData.configuration"),
)

# What comes of a file that is missing, or holds something else. deltalake may know better, or says what is wrong.
_DAMAGES = (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError)

Action = Mapping[str, Any]


class UnusualTableError(Exception):
    """The table is not as we make them, or not there: deltalake has to look."""


class ReplayedVersion:
    """The latest version; see `TableVersion`.

    `make_checkpoint` makes a checkpoint of the latest version. Errors, here and of `follow`: `UnusualTableError`; those
    of Arrow and of obstore, `OSError`.
    """

    def __init__(
        self, filesystem: fs.FileSystem, root: str, log_end: LogEnd, make_checkpoint: Callable[[], None]
    ) -> None:
        self._filesystem, self._root, self._log_end, self._make_checkpoint = filesystem, root, log_end, make_checkpoint
        self._listed = pa.table({})  # the checkpoint's files
        self._since: dict[str, Action | None] = {}  # by path those that were added after it, or removed: None
        self._paths: defaultdict[str, set[str]] = defaultdict(set)  # of files that were added after it, by partition
        self._tokens: dict[str, int] = {}
        self._columns: pa.Schema | None = None
        self._checkpoint = self._number = self._read_checkpoint()
        # From the checkpoint's own commit on: where that is gone, somebody has cleaned up, and later ones may be gone.
        if not self._replay(max(0, self._checkpoint)):
            raise UnusualTableError(f"{root} has no commit {max(0, self._checkpoint)}")
        if self._columns is None:
            raise UnusualTableError(f"{root} has no columns")

    @property
    def number(self) -> int:
        """See `TableVersion`."""
        return self._number

    @property
    def columns(self) -> pa.Schema:
        """See `TableVersion`."""
        assert self._columns is not None, "it was looked for at first"
        return self._columns

    def files_of(self, partitions: Collection[str]) -> dict[str, list[DataFile]]:
        """See `TableVersion`."""
        found = self._actions_of(partitions)
        return {each: [data_file(action) for action in actions] for each, actions in found.items() if actions}

    def tokens_of(self, partitions: Collection[str]) -> dict[str, int]:
        """See `TableVersion`."""
        return {each: self._tokens.get(each, 0) for each in partitions}

    def follow(self) -> None:
        """See `TableVersion`. Where its own commit is gone, those after it were cleaned up or packed, too."""
        own, following = (has_commit(self._filesystem, self._root, self._number + each) for each in (0, 1))
        if own and not following:
            return
        if not self._replay(self._number):
            raise UnusualTableError(f"{self._root} has no commit {self._number} any more")

    def takes(self, schema: pa.Schema, /) -> bool:
        """See `TableVersion`: the table's own columns."""
        return bool(schema == self.columns)

    def commit(
        self, written: Sequence[AddAction], schema: pa.Schema, said: dict[str, Any], partitions: Sequence[str]
    ) -> int:
        """See `TableVersion`. After every twentieth since the last checkpoint a new one is made."""
        assert self.takes(schema), "whoever commits asks first"
        now = _now()
        replaced = [
            {"remove": _remove(each, partition, now)}
            for partition, actions in self._actions_of(partitions).items()
            for each in actions
        ]
        mode = "Overwrite" if replaced else "Append"
        return self._append([_info(said, mode, now), *({"add": _add(each)} for each in written), *replaced])

    def fence(self, leases: Mapping[str, Lease], said: dict[str, Any]) -> int:
        """See `TableVersion`."""
        tokens = [{"txn": {"appId": each, "version": lease.fencing_token}} for each, lease in leases.items()]
        return self._append([_info(said, "Append", _now()), *tokens])

    def _append(self, actions: Sequence[Action]) -> int:
        version = self._number + 1
        content = "\n".join(json.dumps(each, separators=(",", ":")) for each in actions)
        if not self._log_end.put(version, content.encode()):
            raise CommitFailedError(f"{self._root} has a version {version} by now")
        if (version - self._checkpoint) % CHECKPOINT_EVERY == 0:
            self._make_checkpoint()
        return version

    def _actions_of(self, partitions: Collection[str]) -> dict[str, list[Action]]:
        """By path what added the files that each of the partitions has now."""
        found: dict[str, list[Action]] = {each: [] for each in partitions}
        if self._listed.num_rows:
            wanted = pa.array(found, pa.string())
            mine = self._listed.filter(pc.is_in(self._listed["partition"], value_set=wanted))
            for each in mine.to_pylist():
                if each["path"] not in self._since:
                    found[each["partition"]].append(each)
        for partition, actions in found.items():
            later = (self._since[path] for path in self._paths.get(partition, ()))
            actions += [action for action in later if action is not None]
            actions.sort(key=itemgetter("path"))
        return found

    def _read_checkpoint(self) -> int:
        """The version of the last checkpoint, of which the table is then; -1 where there is none."""
        try:
            version = last_checkpoint(self._filesystem, self._root)
            if version is None:
                return -1
            path = checkpoint_path(self._root, version)
            with pq.ParquetFile(path, filesystem=self._filesystem) as parquet:
                found = parquet.read(columns=list(_COLUMNS), use_threads=False)
            for kind in ("protocol", "metaData", "txn"):
                for each in found[kind].drop_null().to_pylist():
                    self._take(kind, each)
            added = found["add"].drop_null().combine_chunks()
            columns = {name: pc.struct_field(added, name) for name in ("path", "size", "stats")}
            self._listed = pa.table({"partition": pc.struct_field(added, "partitionValues").items, **columns})
        except _DAMAGES as error:
            raise UnusualTableError(f"the last checkpoint of {self._root} is unlike ours: {error!r}") from error
        return version

    def _replay(self, first: int) -> bool:
        """Go through the commits from that version on; whether there was one."""
        try:
            commits = self._log_end.commits(first)
            for version, text in commits:
                if version > self._number:
                    for action in actions_of(text):
                        for kind, content in action.items():
                            self._take(kind, content)
                    self._number = version
        except _DAMAGES as error:
            raise UnusualTableError(f"{self._root} has a log that is unlike ours: {error!r}") from error
        return bool(commits)

    def _take(self, kind: str, content: Action) -> None:
        """What one action changes. Errors: `UnusualTableError` for one that tables of ours don't have."""
        match kind:
            case "add":
                kept = {"path": content["path"], "size": content["size"], "stats": content.get("stats")}
                self._since[content["path"]] = kept
                self._paths[content["partitionValues"][PARTITION_COLUMN]].add(content["path"])
            case "remove":
                self._since[content["path"]] = None
            case "txn":
                self._tokens[content["appId"]] = content["version"]
            case "metaData":
                self._columns = _columns_in(content)
            case "protocol":
                if {name: value for name, value in content.items() if value is not None} != PROTOCOL:
                    raise UnusualTableError(f"{self._root} has another protocol")
            case "commitInfo":
                pass
            case _:
                raise UnusualTableError(f"{self._root} has a {kind}")


def _columns_in(metadata: Action) -> pa.Schema:
    """The columns but that of the partitions.

    Errors: `UnusualTableError` for a table with other partitions, properties or kinds of columns than ours.
    """
    schema = metadata["schemaString"]
    if (
        metadata["partitionColumns"] != [PARTITION_COLUMN]
        or not dict(metadata["configuration"]).items() <= TABLE_PROPERTIES.items()
        or not all(_is_plain(field) for field in json.loads(schema)["fields"])
    ):
        raise UnusualTableError("the table has other properties than ours")
    return pa.schema([each for each in pa.schema(Schema.from_json(schema).to_arrow()) if each.name != PARTITION_COLUMN])


def _is_plain(field: Action) -> bool:
    """Whether the column holds single values, of which nothing is demanded."""
    kind = field["type"]
    return not field["metadata"] and (kind in _TYPES or (isinstance(kind, str) and kind.startswith("decimal(")))


def _info(said: dict[str, Any], mode: str, now: int) -> Action:
    parameters = {"mode": mode, "partitionBy": json.dumps([PARTITION_COLUMN])}
    told = {"timestamp": now, "operation": "WRITE", "operationParameters": parameters, "engineInfo": "perennial"}
    return {"commitInfo": told | said}


def _now() -> int:
    return int(clock.now().timestamp() * 1_000)


def _add(written: AddAction) -> Action:
    return {
        "path": written.path,
        "partitionValues": dict(written.partition_values),
        "size": written.size,
        "modificationTime": written.modification_time,
        "dataChange": written.data_change,
        "stats": written.stats,
    }


def _remove(added: Action, partition: str, now: int) -> Action:
    return {
        "path": added["path"],
        "deletionTimestamp": now,
        "dataChange": True,
        "extendedFileMetadata": True,
        "partitionValues": {PARTITION_COLUMN: partition},
        "size": added["size"],
    }
