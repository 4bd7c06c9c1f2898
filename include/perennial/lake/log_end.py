"""The end of a table's log: the commits from some version on, and the next one."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from obstore.store import ObjectStore
from pyarrow import fs

from perennial.lake.log_archive import LOG, commit_name, commit_version, in_log, is_packed
from perennial.lake.storage import AT_ONCE, names_from, put_new


class LogEnd:
    """The end of the log of the table whose folder is `root` in the file system, and `table` in the store.

    `open_store` opens the store. Errors of every method: those of Arrow and of obstore, `OSError`.
    """

    def __init__(self, filesystem: fs.FileSystem, root: str, open_store: Callable[[], ObjectStore], table: str) -> None:
        self._filesystem, self._root, self._open_store, self._folder = filesystem, root, open_store, f"{table}/{LOG}"

    def commits(self, first: int) -> list[tuple[int, bytes]]:
        """The versions that there are from `first` on, and what the file of each holds.

        Errors: `FileNotFoundError` when a version is missing before others.
        """
        versions = sorted(version for version in map(commit_version, self._names(first)) if version is not None)
        if versions != list(range(first, first + len(versions))):
            raise FileNotFoundError(f"{self._root} lacks a commit before version {versions[-1]}, from {first} on")
        if isinstance(self._filesystem, fs.LocalFileSystem):
            texts = [in_log(self._filesystem, self._root, version) for version in versions]
        else:
            with ThreadPoolExecutor(AT_ONCE) as threads:
                texts = list(threads.map(lambda version: in_log(self._filesystem, self._root, version), versions))
        return list(zip(versions, texts, strict=True))

    def put(self, version: int, content: bytes) -> bool:
        """Put the file of that version unless it was put before; whether it was put now.

        Whoever looked at the log a thousand commits ago finds the place of the next one empty again: it is packed.
        """
        path = f"{self._folder}/{commit_name(version)}"
        if not put_new(self._open_store(), path, content):
            return False
        if is_packed(self._filesystem, self._root, version):
            self._filesystem.delete_file(f"{self._root}/{LOG}/{commit_name(version)}")
            return False
        return True

    def _names(self, first: int) -> list[str]:
        name_of_first = commit_name(first)
        if not isinstance(self._filesystem, fs.LocalFileSystem):
            return names_from(self._open_store(), self._folder, name_of_first)
        with os.scandir(f"{self._root}/{LOG}") as found:
            return [name for each in found if (name := each.name) >= name_of_first]
