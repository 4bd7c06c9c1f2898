"""Rows of CSV or Parquet files in a local folder."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from perennial.errors import EmptyWindow, InvalidSpec, SourceUnavailable, UndecodableText
from perennial.sources.data_files import sorted_out
from perennial.sources.naming import DatedName
from perennial.sources.port import Extract
from perennial.sources.tabular import Layout, TabularFile, gather
from perennial.spec.models import Limits
from perennial.spec.problems import shown
from perennial.window import Window


class FileSource:
    """The files that match `pattern` in the folder `path`; both may hold strftime directives. A folder that matches
    stands for the files in it.

    A relative path starts at `folder`, the use case's. Path and pattern are filled in together, so that their dates
    agree: `names` has one on each line. See `perennial.sources.data_files` for files that are no data.
    """

    def __init__(self, path: str, pattern: str, *, folder: Path, layout: Layout, names: DatedName) -> None:
        self._path = path
        self._pattern = pattern
        self._folder = folder
        self._layout = layout
        self._names = names

    def fetch(self, window: Window, as_of: datetime, limits: Limits) -> Extract:
        """See `Source.fetch`. Errors also: `EmptyWindow` when no file matches, `SchemaMismatch`."""
        address = f"{self._path.rstrip('/')}/{self._pattern}"
        self._require_root()
        found: dict[str, list[Path]] = {name: list(self._matching(name)) for name in self._names.around(window)}
        every = sorted({path for paths in found.values() for path in paths})
        data, unfinished = sorted_out([(str(path), self._below(path)) for path in every], address)
        own = {str(path) for name in self._names.of(window) for path in found[name]}
        if not own.intersection(data):
            raise EmptyWindow(
                f"{address}: no file matches for {window} below {self._folder}{unfinished}. "
                "Check that the window's files were delivered, and `path` and `pattern` in the spec."
            )
        named = {str(path): name for name, paths in reversed(found.items()) for path in paths}
        files = [
            TabularFile(Path(path), _origin(Path(path)), self._names.at_home(named[path], window)) for path in data
        ]
        extract = gather(files, self._layout, window, as_of, limits, address=address)
        return replace(extract, remarks=(*extract.remarks, f"{address}{unfinished}.")) if unfinished else extract

    def _matching(self, name: str) -> Iterator[Path]:
        path, _, pattern = name.partition("\n")
        try:
            for match in (self._folder / path).glob(pattern):
                yield from (file for file in match.rglob("*") if file.is_file()) if match.is_dir() else [match]
        except (ValueError, NotImplementedError, re.error) as error:
            raise InvalidSpec(
                f"The pattern {shown(self._pattern)!r} below {shown(self._path)!r} can't be used: {error}. "
                "Write names with *, ? and [], relative to `path`."
            ) from error
        except OSError as error:
            raise SourceUnavailable(f"{self._path} can't be listed: {error}. Check that it is readable.") from error

    def _below(self, path: Path) -> tuple[str, ...]:
        """The parts of the file's path below the part of the spec's path that holds no directive."""
        return path.relative_to(self._root()).parts

    def _require_root(self) -> None:
        """The path up to its first directive must be there: else it is the disk that is missing, not the data."""
        root = self._root()
        if not root.is_dir():
            raise SourceUnavailable(
                f"The folder {root} is not there. Check that it is mounted, and `path` in the spec; "
                "a relative path starts at the use case's folder."
            )

    def _root(self) -> Path:
        fixed, directive, _ = self._path.partition("%")
        return self._folder / (fixed.rpartition("/")[0] if directive else fixed)


def _origin(path: Path) -> str:
    """The path as the ledger will know it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UndecodableText(
            f"{str(path)!a}: the file's name is not UTF-8, so it can't be recorded. Rename the file."
        ) from error
    return str(path)
