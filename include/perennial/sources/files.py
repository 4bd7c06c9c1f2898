"""Rows of CSV or Parquet files in a local folder."""

import re
from datetime import datetime
from pathlib import Path

from perennial.errors import EmptyWindow, InvalidSpec, SourceUnavailable, UndecodableText
from perennial.sources.port import Extract
from perennial.sources.tabular import Layout, TabularFile, filled, gather, is_data
from perennial.spec.models import Limits
from perennial.spec.problems import shown
from perennial.window import Window


class FileSource:
    """The files that match `pattern` in the folder `path`; both may hold strftime directives.

    A relative path starts at `folder`, the use case's. Files whose names start with `_` or `.` are left out.
    """

    def __init__(self, path: str, pattern: str, *, folder: Path, layout: Layout) -> None:
        self._path = path
        self._pattern = pattern
        self._folder = folder
        self._layout = layout

    def fetch(self, window: Window, as_of: datetime, limits: Limits) -> Extract:
        """See `Source.fetch`. Errors also: `EmptyWindow` when no file matches, `SchemaMismatch`."""
        address = f"{self._path.rstrip('/')}/{self._pattern}"
        matching = [TabularFile(path, _origin(path)) for path in self._matching(window)]
        if not matching:
            raise EmptyWindow(
                f"{address}: no file matches for {window} below {self._folder}. "
                "Check that the window's files were delivered, and `path` and `pattern` in the spec."
            )
        return gather(matching, self._layout, window, as_of, limits, address=address)

    def _matching(self, window: Window) -> list[Path]:
        """Path and pattern are filled in together, so that their dates agree."""
        self._require_root()
        found: set[Path] = set()
        try:
            for name in filled(f"{self._path}\n{self._pattern}", window):
                path, _, pattern = name.partition("\n")
                found.update(
                    file for file in (self._folder / path).glob(pattern) if file.is_file() and is_data(file.name)
                )
        except (ValueError, NotImplementedError, re.error) as error:
            raise InvalidSpec(
                f"The pattern {shown(self._pattern)!r} below {shown(self._path)!r} can't be used: {error}. "
                "Write names with *, ? and [], relative to `path`."
            ) from error
        except OSError as error:
            raise SourceUnavailable(f"{self._path} can't be listed: {error}. Check that it is readable.") from error
        return sorted(found)

    def _require_root(self) -> None:
        """The path up to its first directive must be there: else it is the disk that is missing, not the data."""
        fixed, directive, _ = self._path.partition("%")
        root = self._folder / (fixed.rpartition("/")[0] if directive else fixed)
        if not root.is_dir():
            raise SourceUnavailable(
                f"The folder {root} is not there. Check that it is mounted, and `path` in the spec; "
                "a relative path starts at the use case's folder."
            )


def _origin(path: Path) -> str:
    """The path as the ledger will know it."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UndecodableText(
            f"{str(path)!a}: the file's name is not UTF-8, so it can't be recorded. Rename the file."
        ) from error
    return str(path)
