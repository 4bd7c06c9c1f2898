"""Rows of CSV or Parquet files in a local folder."""

import os
import re
from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from fnmatch import filter as filter_names
from pathlib import Path

import pyarrow as pa

from perennial.errors import EmptyWindow, InvalidSpec, SourceUnavailable, UndecodableText
from perennial.sources.damage import unreadable
from perennial.sources.data_files import sorted_out
from perennial.sources.intake import whole
from perennial.sources.naming import DatedName
from perennial.sources.port import Extract, Source
from perennial.sources.tabular import Layout, TabularFile, gather
from perennial.spec.models import Limits
from perennial.spec.problems import shown
from perennial.window import Window

_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Files:
    """The files that match `pattern` in the folder `path`; both may hold strftime directives. A folder that matches
    stands for the files in it.

    A relative path starts at `folder`, the use case's. See `perennial.sources.data_files` for files that are no data.
    """

    path: str
    pattern: str
    folder: Path

    @property
    def names(self) -> str:
        """Path and pattern, one on each line: they are filled in together, so that their dates agree."""
        return f"{self.path}\n{self.pattern}"

    @property
    def address(self) -> str:
        """What they are called in messages."""
        return f"{self.path.rstrip('/')}/{self.pattern}"

    def found(self, names: Iterable[str]) -> dict[str, list[Path]]:
        """The files that each filled-in name matches, those that are no data among them.

        Errors: `InvalidSpec`; `SourceUnavailable`, also where the path up to its first directive is not there: then it
        is the disk that is missing, not the data.
        """
        root = self._root
        if not root.is_dir():
            raise SourceUnavailable(
                f"The folder {root} is not there. Check that it is mounted, and `path` in the spec; "
                "a relative path starts at the use case's folder."
            )
        listings: dict[Path, dict[str, bool]] = {}
        return {name: list(self._matching(name, listings)) for name in names}

    def data(self, found: Iterable[Path]) -> tuple[list[str], str]:
        """Of the files found those that are data, and what is said of unfinished ones: see `sorted_out`."""
        return sorted_out([(str(path), path.relative_to(self._root).parts) for path in found], self.address)

    def _matching(self, name: str, listings: dict[Path, dict[str, bool]]) -> Iterator[Path]:
        """The files that the filled-in name matches. `listings` are the folders that were listed before."""
        path, _, pattern = name.partition("\n")
        folder = self.folder / path
        try:
            if "/" in pattern or "**" in pattern or not pattern:
                matches = [(match, match.is_dir()) for match in folder.glob(pattern)]
            else:
                if folder not in listings:
                    listings[folder] = _listed(folder)
                matches = [(folder / each, listings[folder][each]) for each in _matched(listings[folder], pattern)]
            for match, is_folder in matches:
                yield from (file for file in match.rglob("*") if file.is_file()) if is_folder else [match]
        except (ValueError, NotImplementedError, re.error) as error:
            raise InvalidSpec(
                f"The pattern {shown(self.pattern)!r} below {shown(self.path)!r} can't be used: {error}. "
                "Write names with *, ? and [], relative to `path`."
            ) from error
        except OSError as error:
            raise SourceUnavailable(f"{self.path} can't be listed: {error}. Check that it is readable.") from error

    @property
    def _root(self) -> Path:
        """The path up to its first directive."""
        fixed, directive, _ = self.path.partition("%")
        return self.folder / (fixed.rpartition("/")[0] if directive else fixed)


class FileSource(Source):
    """The rows of `files`, whose names `names` fills in."""

    def __init__(self, files: Files, *, layout: Layout, names: DatedName) -> None:
        self._files = files
        self._layout = layout
        self._names = names

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """See `Source.fetch`. Errors also: `EmptyWindow` when no file matches, `SchemaMismatch`."""
        return whole(self.parts(window, as_of, limits, keys), self._files.address)

    def parts(
        self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None
    ) -> Generator[Extract, None, None]:
        """See `Source.parts`. Errors: as `fetch`."""
        address = self._files.address
        span = self._names.span(window, as_of)
        found = self._files.found(self._names.around(span))
        data, unfinished = self._files.data(sorted({path for paths in found.values() for path in paths}))
        own = {str(path) for name in self._names.of(span) for path in found[name]}
        if not own.intersection(data):
            raise EmptyWindow(
                f"{address}: no file matches for {window} below {self._files.folder}{unfinished}. "
                "Check that the window's files were delivered, and `path` and `pattern` in the spec."
            )
        named = {str(path): name for name, paths in reversed(found.items()) for path in paths}
        files = [self._file(Path(path), named[path], window) for path in data]
        said = f"{address}{unfinished}." if unfinished else ""
        yield from gather(files, self._layout, window, as_of, limits, keys, address=address, said=said)

    def _file(self, path: Path, name: str, window: Window) -> TabularFile:
        origin = _origin(path)
        try:
            found = path.stat()
        except OSError as error:
            raise unreadable(origin, error) from error
        stamp = f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
        return TabularFile(origin, stamp, self._layout.home(self._names, name, window), lambda: nullcontext(path))


def _origin(path: Path) -> str:
    """The path as the ledger will know it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UndecodableText(
            f"{str(path)!a}: the file's name is not UTF-8, so it can't be recorded. Rename the file."
        ) from error
    return str(path)


def _listed(folder: Path) -> dict[str, bool]:
    """What is in the folder, and whether it is a folder itself; nothing when the folder is not there."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.is_dir() for entry in sorted(entries, key=lambda entry: entry.name)}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _matched(listing: dict[str, bool], pattern: str) -> list[str]:
    """The names that match. `listing` is sorted, so that what a pattern starts with is found quickly."""
    start = _MAGIC.split(pattern, maxsplit=1)[0]
    if start == pattern:
        return [pattern] if pattern in listing else []
    names = list(listing)
    beginning = bisect_left(names, start)
    end = bisect_left(names, start + "\U0010ffff") if start else len(names)
    return filter_names(names[beginning:end], pattern)
