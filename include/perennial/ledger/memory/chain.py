"""The chain of the ledger in memory."""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence

from perennial.clock import Clock
from perennial.ledger.chain import CHAINED, ChainedEntry, Link, link_of
from perennial.ledger.memory.entries import EntriesInMemory
from perennial.ledger.rows import Entry


class ChainInMemory(EntriesInMemory):
    """Entries in memory, of which those of chained kinds get their link when they are appended."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._links: defaultdict[str, list[Link]] = defaultdict(list)

    def last_links(self) -> Sequence[Link]:
        """The last link of each chain, by use case."""
        with self._lock:
            return [links[-1] for _, links in sorted(self._links.items()) if links]

    def links_at(self, positions: Mapping[str, int]) -> Mapping[str, Link]:
        """The links at one position for each use case named."""
        with self._lock:
            return {
                use_case: link
                for use_case, position in positions.items()
                for link in self._links.get(use_case, ())
                if link.position == position
            }

    def linked(self, use_case: str, after: int, limit: int) -> Sequence[tuple[Link, ChainedEntry | None]]:
        """The first `limit` links after a position, in order, each with its entry."""
        with self._lock:
            links = [link for link in self._links.get(use_case, ()) if link.position > after][:limit]
            stored = self._chained()
            return [(link, copy.deepcopy(stored.get((link.kind, link.entry_id)))) for link in links]

    def link_with(self, use_case: str, *, digest: str | None = None, content: str | None = None) -> Link | None:
        """The first link of the use case with that digest, or that content."""
        wanted = (("digest", digest), ("content", content))
        with self._lock:
            found = (
                link
                for link in self._links.get(use_case, ())
                if all(value is None or getattr(link, name) == value for name, value in wanted)
            )
            return next(found, None)

    def unlinked(self, limit: int, use_case: str | None = None, newest: int | None = None) -> Sequence[ChainedEntry]:
        """Up to `limit` entries without a link; with `newest`, of the last so many of each kind."""
        with self._lock:
            linked = {(link.kind, link.entry_id) for links in self._links.values() for link in links}
            found: list[ChainedEntry] = []
            for kind, name in CHAINED.items():
                entries = [entry for entry in self._chained().values() if type(entry) is kind]
                recent = entries if newest is None else entries[-newest:]
                found += [entry for entry in recent if (name, entry.id) not in linked]
            return copy.deepcopy([entry for entry in found if use_case in (None, entry.use_case)][:limit])

    def _append(self, entry: Entry) -> Entry:
        stored = super()._append(entry)
        if isinstance(stored, ChainedEntry):
            links = self._links[stored.use_case]
            links.append(link_of(links[-1] if links else None, stored))
        return stored

    def _chained(self) -> dict[tuple[str, int | None], ChainedEntry]:
        entries = (entry for kind in CHAINED for entry in self._by_kind[kind])
        return {(CHAINED[type(e)], e.id): e for e in entries if isinstance(e, ChainedEntry)}
