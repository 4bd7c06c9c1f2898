"""Which files of a Delta table nobody needs any more: those that were replaced long ago, or never committed.

The table's present version says which files count, and the log which were replaced and when. Only where there are old
files is anything else asked: what is needed of their partitions, and which files these versions have.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from math import ceil

from deltalake import DeltaTable
from pyarrow import fs

from perennial.lake.delta_log import changes_of, files_by_partition, files_committed_by
from perennial.lake.log_archive import ARCHIVE, LOG
from perennial.lake.port import Keep
from perennial.lake.storage import remove_files

_OURS = re.compile(r"([A-Za-z0-9._-]{1,80})/[0-9a-f]{32}\.parquet")

Opened = Callable[[int], DeltaTable | None]


def folder_of(partition: str) -> str:
    """The folder of the partition's files, for people who look; the log is what counts."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", partition)[:80]


def unneeded(
    filesystem: fs.FileSystem, root: str, delta: DeltaTable, keep: Keep, older_than: timedelta, opened: Opened
) -> list[str]:
    """The files that were replaced, or written without a commit, before that, and that none of `keep` needs; sorted.

    `delta` is the present version, `opened` opens another. Errors: those of deltalake and of Arrow, `OSError`.
    """
    hours = ceil(older_than.total_seconds() / 3600)
    named = delta.vacuum(hours, True, enforce_retention_duration=False, full=True)
    old = set(_there(filesystem, root, named))  # Delta goes on naming what is gone already
    if not old:
        return []
    folders = {match[1] if (match := _OURS.fullmatch(name)) else None for name in old}
    everywhere = None in folders  # another engine wrote: its folders may have other names
    wanted = keep(lambda partition: everywhere or folder_of(partition) in folders)
    newest = delta.version()  # a lake that was brought back may lack versions that are named
    pairs = {(key, version) for key, versions in wanted.items() for version in versions if version <= newest}
    return sorted(old - _files_of(filesystem, root, pairs, opened))


def files_in(filesystem: fs.FileSystem, root: str) -> list[fs.FileInfo]:
    """The files with rows in the table's folder, those of old versions too. Errors: `OSError`."""
    selector = fs.FileSelector(root, allow_not_found=True, recursive=True)
    files = [each for each in filesystem.get_file_info(selector) if each.type is fs.FileType.File]
    return [each for each in files if not each.path.removeprefix(root).startswith((f"/{LOG}/", f"/{ARCHIVE}/"))]


def remove(filesystem: fs.FileSystem, root: str, names: Iterable[str]) -> None:
    """Delete these files of the table. Errors: as `remove_files`."""
    remove_files(filesystem, [f"{root}/{name}" for name in names])


def _there(filesystem: fs.FileSystem, root: str, names: Collection[str]) -> list[str]:
    infos = filesystem.get_file_info([f"{root}/{name}" for name in names])
    return [name for name, info in zip(names, infos, strict=True) if info.type is not fs.FileType.NotFound]


def _files_of(filesystem: fs.FileSystem, root: str, pairs: Collection[tuple[str, int]], opened: Opened) -> set[str]:
    """The files that these partitions have in these versions.

    Most versions are needed for the partition that their own commit wrote; for the others the log is read once.
    """
    ordered = sorted(pairs)
    wrote = files_committed_by(filesystem, root, {version for _, version in ordered})
    own = [wrote[version].get(partition) for partition, version in ordered]
    found = {file.path for file in own if file is not None}
    others: dict[int, set[str]] = {}
    for (partition, version), file in zip(ordered, own, strict=True):
        if file is None:
            others.setdefault(version, set()).add(partition)
    return found | (_by_the_log(filesystem, root, others, opened) if others else set())


def _by_the_log(
    filesystem: fs.FileSystem, root: str, wanted: Mapping[int, Collection[str]], opened: Opened
) -> set[str]:
    """The files of the partitions in each version, from all commits up to the last; opened, where commits are gone."""
    commits = changes_of(filesystem, root, range(max(wanted) + 1))
    if len(commits) <= max(wanted):
        tables = {version: files_by_partition(delta) for version in wanted if (delta := opened(version)) is not None}
        return {path for version, of in tables.items() for key in wanted[version] for path in of.get(key, ())}
    found: set[str] = set()
    partition_of: dict[str, str] = {}
    paths: dict[str, set[str]] = {}
    for version, changes in commits.items():
        for path in changes.removed:
            paths.get(partition_of.get(path, ""), set()).discard(path)
        for path, partition in changes.added.items():
            partition_of[path] = partition
            paths.setdefault(partition, set()).add(path)
        for partition in wanted.get(version, ()):
            found |= paths.get(partition, set())
    return found
