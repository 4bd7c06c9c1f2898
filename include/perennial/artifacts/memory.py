"""Bytes under their digest, in memory, for tests and dry runs."""

from collections.abc import Collection, Mapping

from perennial.encoding import bytes_digest
from perennial.errors import UntrustedModel


class InMemoryArtifacts:
    """A dict from digest to bytes."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """See `Artifacts.put`."""
        digest = bytes_digest(content)
        self._contents[digest] = content
        return digest

    def get(self, digest: str) -> bytes:
        """See `Artifacts.get`."""
        if digest not in self._contents:
            raise UntrustedModel(f"There are no bytes with the digest {digest[:80]!r} in memory.")
        return self._contents[digest]

    def sizes(self, digests: Collection[str]) -> Mapping[str, int]:
        """See `Artifacts.sizes`."""
        return {digest: len(self._contents[digest]) for digest in digests if digest in self._contents}

    def remove(self, digests: Collection[str]) -> None:
        """See `Artifacts.remove`."""
        for digest in digests:
            self._contents.pop(digest, None)
