"""Anchors as small files in a local folder or objects on S3, in a folder for each year."""

from collections.abc import Iterator
from datetime import UTC
from functools import cached_property

from pyarrow import fs

from perennial.anchors.port import Anchor, anchor_bytes, read_anchor
from perennial.errors import InvalidAnchor
from perennial.lake.storage import open_filesystem, put, reaching


class AnchorStore:
    """Anchors below `url`: a local folder or an s3:// URL. `storage_options` are the lake's."""

    def __init__(self, url: str, storage_options: dict[str, str]) -> None:
        self._url = url
        self._options = storage_options

    def put(self, anchor: Anchor) -> str:
        """See `Anchors.put`. No anchor is ever overwritten: its name is its moment, in microseconds."""
        name = f"{anchor.made_at.astimezone(UTC):%Y/%Y-%m-%dT%H%M%S.%fZ}.json"
        return write_anchor(f"{self._url.rstrip('/')}/{name}", anchor, self._options)

    def newest(self) -> Anchor | None:
        """See `Anchors.newest`. Only the last year's folder is listed."""
        for year in reversed(self._listed(self._folder, fs.FileType.Directory)):
            for file in reversed(self._listed(year, fs.FileType.File)):
                return self._read(file)
        return None

    def all(self) -> Iterator[Anchor]:
        """See `Anchors.all`."""
        for year in self._listed(self._folder, fs.FileType.Directory):
            for file in self._listed(year, fs.FileType.File):
                yield self._read(file)

    @cached_property
    def _place(self) -> tuple[fs.FileSystem, str]:
        return open_filesystem(self._url, self._options)

    @property
    def _folder(self) -> str:
        return self._place[1]

    def _listed(self, folder: str, wanted: fs.FileType) -> list[str]:
        with reaching(f"Looking for anchors in {self._url}"):
            found = self._place[0].get_file_info(fs.FileSelector(folder, allow_not_found=True))
            extension = "json" if wanted is fs.FileType.File else ""  # what is being written has another
            return sorted(each.path for each in found if each.type is wanted and each.extension == extension)

    def _read(self, path: str) -> Anchor:
        with reaching(f"Reading the anchor {path}"), self._place[0].open_input_stream(path) as stream:
            content: bytes = stream.read()
        return read_anchor(content, path)


def write_anchor(url: str, anchor: Anchor, options: dict[str, str]) -> str:
    """Write an anchor to a file or an s3:// URL, which is returned. A reader sees all of it or none.

    Errors: `StoreUnavailable`.
    """
    with reaching(f"Writing the anchor {url}"):
        system, path = open_filesystem(url, options)
        put(system, path, anchor_bytes(anchor))
    return url


def anchor_at(url: str, options: dict[str, str]) -> Anchor:
    """The anchor in a file or at an s3:// URL. Errors: `StoreUnavailable`; `InvalidAnchor`, also when there is none."""
    with reaching(f"Reading the anchor {url}"):
        system, path = open_filesystem(url, options)
        if system.get_file_info(path).type is not fs.FileType.File:
            raise InvalidAnchor(f"There is no anchor at {url}. Give a file that `perennial ledger anchor --to` wrote.")
        with system.open_input_stream(path) as stream:
            content: bytes = stream.read()
    return read_anchor(content, url)
