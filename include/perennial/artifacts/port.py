"""What the rest of the system asks of the store for model bytes that are not registered yet."""

from typing import Protocol


class Artifacts(Protocol):
    """Bytes under the digest of their content. Errors of every method: `StoreUnavailable`."""

    def put(self, content: bytes) -> str:
        """Keep the bytes; their sha-256, as hex. Keeping the same bytes again changes nothing."""

    def get(self, digest: str) -> bytes:
        """The bytes of that digest, checked against it. Errors: `UntrustedModel` when they differ or are missing."""
