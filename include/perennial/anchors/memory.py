"""Anchors in memory, for tests and dry runs."""

from collections.abc import Iterator

from perennial.anchors.port import Anchor


class InMemoryAnchors:
    """A list of anchors."""

    def __init__(self) -> None:
        self._kept: list[Anchor] = []

    def put(self, anchor: Anchor) -> str:
        """See `Anchors.put`."""
        self._kept = sorted([*self._kept, anchor], key=lambda each: each.made_at)
        return f"memory: {anchor.made_at:%Y-%m-%dT%H:%M:%S.%fZ}"

    def newest(self) -> Anchor | None:
        """See `Anchors.newest`."""
        return self._kept[-1] if self._kept else None

    def all(self) -> Iterator[Anchor]:
        """See `Anchors.all`."""
        return iter(list(self._kept))
