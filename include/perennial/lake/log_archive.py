"""The log of a Delta table is kept short: old commits are packed into a few files beside it, and none is forgotten.

Whoever opens or commits lists the log, and on a disk that takes the longer the more files it has. So every thousand
commits that lie far enough back become one Parquet file, `_log_archive/<first version>.parquet`, with the columns
`version` and `text`, the content of the commit's file. Of checkpoints, which list all files of the table each, the
latest stay and one of each thousand's end: from the last of these that was packed every engine opens each later
version. Earlier ones are opened by `perennial.lake.opening`, from the packs.

A run may be killed anywhere, and two may run at once: a pack is whole under its name or not there, nothing is deleted
before the pack was read back and found the same, and what is deleted already is no error.
"""

import json
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyarrow import fs

from perennial import clock
from perennial.lake.storage import AT_ONCE, UNFINISHED, put, remove_files

log = logging.getLogger(__name__)

LOG, ARCHIVE = "_delta_log", "_log_archive"
PACKED = 1_000  # commits in a pack; packs that are there are of this size
KEPT = 1_000  # so many of the last commits are never packed; up to twice as many are in the log
ABANDONED = timedelta(days=1)  # a file that is unfinished for so long is finished by nobody
CHECKPOINTS = 100  # of so many of the last versions every checkpoint stays: a reader may have chosen one a moment ago

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
_PACK = re.compile(r"(\d{20})\.parquet")
_ROW_GROUP = 100  # commits that are read for one

Opened = Callable[[int], DeltaTable | None]


def commit_text(filesystem: fs.FileSystem, root: str, version: int) -> bytes:
    """What the file of that commit holds, or held before it was packed. Errors: `FileNotFoundError` for neither."""
    try:
        return in_log(filesystem, root, version)
    except FileNotFoundError:
        first = version // PACKED * PACKED
        found = _in_pack(filesystem, root, first, version, version).get(version)
        if found is None:
            raise
        return found


def commit_texts(filesystem: fs.FileSystem, root: str, versions: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """`commit_text` of many, by version; a pack is read once, and a commit that is nowhere is left out."""
    packs = packs_of(filesystem, root)
    thousands: defaultdict[int, list[int]] = defaultdict(list)
    for version in sorted(set(versions)):
        thousands[version // PACKED * PACKED].append(version)

    for first, wanted in thousands.items():
        if first in packs:
            held = _in_pack(filesystem, root, first, wanted[0], wanted[-1])
            yield from ((version, held[version]) for version in wanted if version in held)
        else:
            yield from _texts(lambda version: commit_text(filesystem, root, version), wanted).items()


def packs_of(filesystem: fs.FileSystem, root: str) -> list[int]:
    """The first versions of the packs, sorted."""
    return sorted(_numbered(filesystem, f"{root}/{ARCHIVE}", _PACK))


def is_packed(filesystem: fs.FileSystem, root: str, version: int) -> bool:
    """Whether the commit of that version may not be in the log any more."""
    pack = filesystem.get_file_info(_pack_path(root, version // PACKED * PACKED))
    return bool(pack.type is fs.FileType.File)


def has_commit(filesystem: fs.FileSystem, root: str, version: int) -> bool:
    """Whether the commit of that version is in the log. Versions have no gaps: without it, the one before is the latest
    or packed.
    """
    return bool(filesystem.get_file_info(_commit(root, version)).type is fs.FileType.File)


def commit_name(version: int) -> str:
    """The name of the commit's file in the log."""
    return f"{version:020d}.json"


def commit_version(name: str) -> int | None:
    """The version of the commit whose file has that name; None for any other file."""
    found = _COMMIT.fullmatch(name)
    return int(found[1]) if found else None


def shorten(delta: DeltaTable, filesystem: fs.FileSystem, root: str, opened: Opened) -> None:
    """Give the version that is open, the present one, a checkpoint, and pack the commits that lie far enough before it.

    Where another engine has cleaned commits away, these and later ones stay as they are: packs have no gaps.
    `opened` opens another version. Errors: those of deltalake and of Arrow, `OSError`.
    """
    newest = delta.version()
    _remove_unfinished(filesystem, root)
    commits = _numbered(filesystem, f"{root}/{LOG}", _COMMIT)
    checkpoints = _numbered(filesystem, f"{root}/{LOG}", _CHECKPOINT)
    packs = packs_of(filesystem, root)
    beginning = _beginning(newest, commits, packs)
    before = None
    if beginning - PACKED not in packs and beginning - 1 in commits - checkpoints:
        before = opened(beginning - 1)
    if before is not None:
        before.create_checkpoint()
    if before is not None or last_checkpoint(filesystem, root) != newest:
        delta.create_checkpoint()  # after the other one: what is written last counts as the newest
    packing = sorted(version for version in commits if version < beginning)
    if packing:
        _require_all_files(delta, filesystem, root)
    for first in sorted({version // PACKED * PACKED for version in packing}):
        _pack(filesystem, root, first, [version for version in packing if first <= version < first + PACKED])
    # Only now: until the last of them is packed, a version among them may be made of all commits before it.
    remove_files(filesystem, [_commit(root, version) for version in packing])
    spare = (version for version in checkpoints if (version + 1) % PACKED or version + 1 < beginning)
    remove_files(filesystem, [checkpoint_path(root, version) for version in spare if version < newest - CHECKPOINTS])


def unpack(filesystem: fs.FileSystem, root: str) -> int:
    """Put the commits of all packs back into the log, and remove the packs; how many. Errors: as `shorten`."""
    count = 0
    for first in packs_of(filesystem, root):
        held = _in_pack(filesystem, root, first)
        there = _numbered(filesystem, f"{root}/{LOG}", _COMMIT)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            missing = [version for version in held if version not in there]
            list(threads.map(lambda each, held=held: put(filesystem, _commit(root, each), held[each]), missing))
        filesystem.delete_file(_pack_path(root, first))
        count += len(held)
    return count


def last_checkpoint(filesystem: fs.FileSystem, root: str) -> int | None:
    """The version of the newest checkpoint, None where there is none."""
    try:
        with filesystem.open_input_stream(f"{root}/{LOG}/_last_checkpoint") as stream:
            return int(json.loads(stream.read())["version"])
    except FileNotFoundError:
        return None


def _beginning(newest: int, commits: Collection[int], packs: Collection[int]) -> int:
    """The first version whose commit stays in the log: all before it are packed, or can be."""
    wanted = max(0, (newest - KEPT) // PACKED * PACKED)
    for first in range(0, wanted, PACKED):
        if first not in packs and any(version not in commits for version in range(first, first + PACKED)):
            return first
    return wanted


def _remove_unfinished(filesystem: fs.FileSystem, root: str) -> None:
    """Remove what packings that were killed long ago had begun to write; a younger file may be written just now."""
    long_ago = clock.now() - ABANDONED
    infos = filesystem.get_file_info(fs.FileSelector(f"{root}/{ARCHIVE}", allow_not_found=True))
    left = [info.path for info in infos if info.base_name.endswith(UNFINISHED) and info.mtime < long_ago]
    remove_files(filesystem, left)


def _require_all_files(delta: DeltaTable, filesystem: fs.FileSystem, root: str) -> None:
    """From now on the newest checkpoint alone says which files the table has. Errors: `OSError` when it does not."""
    path = checkpoint_path(root, delta.version())
    with pq.ParquetFile(path, filesystem=filesystem) as parquet:
        added = parquet.read(columns=["add.path"]).column("add").combine_chunks()
    files = set(pc.struct_field(added, "path").drop_null().to_pylist())
    if files != set(pa.table(delta.get_add_actions())["path"].to_pylist()):
        raise OSError(
            f"{path} does not name the files of its own version; nothing was packed. Remove it and _last_checkpoint"
        )


def _pack(filesystem: fs.FileSystem, root: str, first: int, versions: Sequence[int]) -> None:
    """Pack a thousand commits, of which those of `versions` are in the log still, or see that they are packed."""
    texts = _texts(lambda version: in_log(filesystem, root, version), versions)  # less what a rival has just removed
    if not _holds(filesystem, root, first, texts):
        if len(texts) < PACKED:
            raise OSError(
                f"{_pack_path(root, first)} does not hold the same commits as the log, and the log does not have all "
                "of them. Nothing was removed. Bring this file back from a backup; if the table itself was restored "
                "from an older one, remove the files here that are newer than it"
            )
        content = pa.table({"version": pa.array(texts, pa.int64()), "text": [each.decode() for each in texts.values()]})
        sink = pa.BufferOutputStream()
        pq.write_table(content, sink, compression="zstd", row_group_size=_ROW_GROUP)
        put(filesystem, _pack_path(root, first), sink.getvalue().to_pybytes())
        if not _holds(filesystem, root, first, texts):
            raise OSError(f"{_pack_path(root, first)} is not what was written there; nothing was removed")
        log.info("%s: packed the commits %d to %d", root, first, first + PACKED - 1)


def _holds(filesystem: fs.FileSystem, root: str, first: int, texts: Mapping[int, bytes]) -> bool:
    """Whether there is a whole pack that has all of these commits as they are."""
    try:
        held = _in_pack(filesystem, root, first)
    except pa.ArrowInvalid:
        return False
    return list(held) == list(range(first, first + PACKED)) and texts.items() <= held.items()


def _texts(read: Callable[[int], bytes], versions: Sequence[int]) -> dict[int, bytes]:
    """What is read of each version, but of those that are not there. An object store is asked for many at once."""

    def text(version: int) -> bytes | None:
        try:
            return read(version)
        except FileNotFoundError:
            return None

    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = zip(versions, threads.map(text, versions), strict=True)
        return {version: text for version, text in found if text is not None}


def in_log(filesystem: fs.FileSystem, root: str, version: int) -> bytes:
    """What the log's file of that commit holds. Errors: `FileNotFoundError`."""
    with filesystem.open_input_stream(_commit(root, version)) as stream:
        content: bytes = stream.read()
    return content


def _in_pack(
    filesystem: fs.FileSystem, root: str, first: int, since: int | None = None, until: int | None = None
) -> dict[int, bytes]:
    """The commits that a pack holds, all or those of some versions; none where there is no such pack."""
    wanted = None if since is None else [("version", ">=", since), ("version", "<=", until)]
    try:
        rows = pq.read_table(_pack_path(root, first), filesystem=filesystem, partitioning=None, filters=wanted)
    except FileNotFoundError:
        return {}
    return {version: text.encode() for version, text in zip(*rows.to_pydict().values(), strict=True)}


def _numbered(filesystem: fs.FileSystem, folder: str, names: re.Pattern[str]) -> set[int]:
    """The versions in the names of the folder's files, of those with such a name."""
    infos = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return {int(match[1]) for info in infos if (match := names.fullmatch(info.base_name))}


def _commit(root: str, version: int) -> str:
    return f"{root}/{LOG}/{commit_name(version)}"


def checkpoint_path(root: str, version: int) -> str:
    """Where the checkpoint of that version is."""
    return f"{root}/{LOG}/{version:020d}.checkpoint.parquet"


def _pack_path(root: str, first: int) -> str:
    return f"{root}/{ARCHIVE}/{first:020d}.parquet"
