"""The Delta tables below one URL: where they are, and how a version of one is found. It can be held, too."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow import fs

from perennial.lake.delta_log import created
from perennial.lake.log_end import LogEnd
from perennial.lake.opening import opened
from perennial.lake.replayed import ReplayedVersion, UnusualTableError
from perennial.lake.storage import S3_SCHEME, local_path, open_filesystem, open_path, open_store
from perennial.lake.table_version import OpenedVersion, TableVersion

Key = tuple[str, int | None]  # a table, and its version; None for the latest one


class Tables:
    """The tables below `url`; `options` as of `DeltaLake`.

    Errors of every method: those of deltalake, of Arrow and of obstore, `OSError`.
    """

    def __init__(self, url: str, options: dict[str, str]) -> None:
        self.url = url.rstrip("/") if url.startswith(S3_SCHEME) else local_path(url)
        self.options = options
        self._held: dict[Key, TableVersion | None] = {}

    @cached_property
    def filesystem(self) -> fs.FileSystem:
        """Arrow's way to what is below the URL."""
        return open_filesystem(self.url, self.options)[0]

    def location(self, table: str) -> str:
        """See `Lake.location`."""
        return f"{self.url}/{table}"

    def root(self, table: str) -> str:
        """The table's path in the file system."""
        return open_path(self.location(table))

    def at(self, table: str, version: int | None = None) -> TableVersion | None:
        """The table as of that version, or as it is; None where there is none, and no version was named.

        Errors: `RowsLost` for a version that the table does not have.
        """
        with suppress(UnusualTableError):  # by now, and not yet when it was looked at first
            if (held := self._find(table, version)) is not None:
                return held
        found = self._latest(table) if version is None else self.opened(table, version)
        if (table, version) in self._held:
            self._held[table, version] = found
        return found

    @contextmanager
    def holding(self, table: str, version: int | None) -> Iterator[None]:
        """Inside, that version is looked for once; the latest is brought up to date whenever it is asked for."""
        if (table, version) in self._held:  # and is until the outer end
            yield
            return
        self._held[table, version] = self.at(table, version)
        try:
            yield
        finally:
            self._held.pop((table, version), None)

    def opened(self, table: str, version: int | None = None) -> OpenedVersion | None:
        """`at`, as deltalake opens it."""
        delta = self.open(table, version)
        return None if delta is None else OpenedVersion(delta, self.filesystem, self.root(table))

    def open(self, table: str, version: int | None = None) -> DeltaTable | None:
        """`opened`, for what is asked of a whole table."""
        return opened(self.location(table), self.options, self.filesystem, version)

    def create(self, table: str, columns: pa.Schema) -> OpenedVersion:
        """The table, made with these columns if it is not there."""
        delta = created(self.location(table), columns, self.options)
        return OpenedVersion(delta, self.filesystem, self.root(table))

    def _latest(self, table: str) -> TableVersion | None:
        def make_checkpoint() -> None:
            DeltaTable(self.location(table), storage_options=self.options).create_checkpoint()

        try:
            root = self.root(table)
            log_end = LogEnd(self.filesystem, root, lambda: open_store(self.url, self.options), table)
            return ReplayedVersion(self.filesystem, root, log_end, make_checkpoint)
        except UnusualTableError:
            return self.opened(table)

    def _find(self, table: str, version: int | None) -> TableVersion | None:
        held, latest = self._held.get((table, version)), self._held.get((table, None))
        if version is None:
            if held is not None:
                held.follow()
            return held
        # The latest moves on: what was that version a moment ago may be a newer one.
        return next((each for each in (held, latest) if each is not None and each.number == version), None)
