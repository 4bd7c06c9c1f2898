"""What the rest of the system asks of the store for model bytes that are not registered yet."""

from collections.abc import Collection, Mapping
from typing import Protocol


class Artifacts(Protocol):
    """Bytes under the digest of their content. Errors of every method: `StoreUnavailable`."""

    def put(self, content: bytes) -> str:
        """Keep the bytes; their sha-256, as hex. Keeping the same bytes again changes nothing."""

    def get(self, digest: str) -> bytes:
        """The bytes of that digest, checked against it. Errors: `UntrustedModel` when they differ or are missing."""

    def sizes(self, digests: Collection[str]) -> Mapping[str, int]:
        """How many bytes are kept under each of the digests; those of which none are kept are left out."""

    def remove(self, digests: Collection[str]) -> None:
        """Keep these bytes no longer; those that are not kept are none to remove."""
