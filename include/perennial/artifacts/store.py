"""Bytes under their digest, as files in a local folder or objects on S3."""

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cached_property

from pyarrow import fs

from perennial.encoding import bytes_digest
from perennial.errors import UntrustedModel
from perennial.lake.storage import open_filesystem, put, reaching

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtifactStore:
    """Files named by their content's sha-256, below `url`: a local folder or an s3:// URL.

    `storage_options` are the lake's.
    """

    def __init__(self, url: str, storage_options: dict[str, str]) -> None:
        self._url = url
        self._options = storage_options

    def put(self, content: bytes) -> str:
        """See `Artifacts.put`. A reader sees all of the bytes or none."""
        digest = bytes_digest(content)
        with reaching(f"Keeping {len(content):,} bytes in {self._url}"):
            system, folder = self._place
            put(system, f"{folder}/{digest}", content)
        return digest

    def get(self, digest: str) -> bytes:
        """See `Artifacts.get`."""
        if not _DIGEST.fullmatch(digest):
            raise UntrustedModel(f"{digest[:80]!r} is not a sha-256 in hex, so there are no bytes to look for.")
        with reaching(f"Reading {digest} from {self._url}"):
            content = self._read(digest)
        if content is None:
            raise UntrustedModel(f"{self._url} has no bytes with the digest {digest}. Train the model again.")
        found = bytes_digest(content)
        if found != digest:
            raise UntrustedModel(
                f"The bytes kept as {digest} in {self._url} have the digest {found}: they were damaged or replaced, "
                "so they are not used. Find out who wrote there, and train the model again."
            )
        return content

    def sizes(self, digests: Collection[str]) -> Mapping[str, int]:
        """See `Artifacts.sizes`."""
        named = [digest for digest in digests if _DIGEST.fullmatch(digest)]
        with reaching(f"Looking for {len(named):,} files in {self._url}"):
            system, folder = self._place
            infos = system.get_file_info([f"{folder}/{digest}" for digest in named])
        found = zip(named, infos, strict=True)
        return {digest: int(info.size) for digest, info in found if info.type is fs.FileType.File}

    def remove(self, digests: Collection[str]) -> None:
        """See `Artifacts.remove`."""
        there = self.sizes(digests)
        with reaching(f"Removing {len(there):,} files from {self._url}"):
            system, folder = self._place
            for digest in there:
                with suppress(FileNotFoundError):
                    system.delete_file(f"{folder}/{digest}")

    @cached_property
    def _place(self) -> tuple[fs.FileSystem, str]:
        return open_filesystem(self._url, self._options)

    def _read(self, digest: str) -> bytes | None:
        system, folder = self._place
        path = f"{folder}/{digest}"
        if system.get_file_info(path).type is not fs.FileType.File:
            return None
        with system.open_input_stream(path) as stream:
            content: bytes = stream.read()
            return content
