"""Verify: that no chained entry of the ledger was changed, removed, put in between or reordered.

The chain alone shows what somebody did who did not make all later links anew. Who may do anything in the database can
do that too, or cut the chain at its end, or bring back an old backup: only anchors that were kept elsewhere show it.

Entries are read a page at a time, and findings beyond `NAMED` are only counted: memory does not grow with the ledger.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from perennial.anchors.port import Anchor, ChainEnd
from perennial.errors import UnknownUseCase
from perennial.jobs.upkeep.altered import (
    Alteration,
    Place,
    after,
    alterations_of,
    rewritten,
    shorter,
    without_link,
)
from perennial.ledger.chain import Chain, Link
from perennial.progress import OnWindow, WindowsDone, nobody

PAGE = 500  # entries
NAMED = 100  # alterations


@dataclass(frozen=True)
class VerifiedChain:
    """The chain of a use case: how many `entries` of it were read, up to its `end`.

    `adopted` of those were linked by the upgrade to the first version with chains: that they say what was recorded
    before that is not proved.
    """

    use_case: str
    entries: int
    adopted: int
    end: ChainEnd


@dataclass(frozen=True)
class VerifiedLedger:
    """What was found: `alterations` in all, of which `named` are the first. None, and the ledger is intact.

    `anchors` were compared, the newest made at `anchored_at`: None when there is none.
    """

    chains: tuple[VerifiedChain, ...]
    anchors: int
    anchored_at: datetime | None
    alterations: int
    named: tuple[Alteration, ...]


def run(
    ledger: Chain, anchors: Iterable[Anchor], use_case: str | None = None, *, on_entries: OnWindow = nobody
) -> VerifiedLedger:
    """Read every chain (or one) from its beginning, and compare it with anchors, the oldest first.

    Errors: `UnknownUseCase` when neither the ledger nor an anchor has a chain of that name; `StoreUnavailable`;
    `InvalidAnchor`.
    """
    ends = [link for link in ledger.last_links() if use_case in (None, link.use_case)]
    found = _Found()
    compared = _compare(ledger, ends, anchors, use_case, found)
    if use_case is not None and not ends and not found.count:
        raise UnknownUseCase(
            f"The ledger has no chain of a use case {use_case!r}; it has "
            f"{', '.join(link.use_case for link in ledger.last_links()) or 'none at all'}."
        )
    total = sum(link.position for link in ends)
    chains: list[VerifiedChain] = []
    for end in ends:
        read = sum(chain.entries for chain in chains)
        chains.append(_read(ledger, Place(), end, found, _counted(on_entries, read, total)))
    found.add(map(without_link, ledger.unlinked(NAMED, use_case)))
    return VerifiedLedger(tuple(chains), compared.anchors, compared.newest, found.count, tuple(found.named))


def run_since(ledger: Chain, anchor: Anchor, newest: int) -> VerifiedLedger:
    """Compare with one anchor, and read what was recorded since. Its cost does not grow with the length of the chains.

    Entries without a link are looked for among the `newest` of each kind. Errors: `StoreUnavailable`.
    """
    ends = ledger.last_links()
    found = _Found()
    compared = _compare(ledger, ends, [anchor], None, found)
    begun = {end.use_case: Place(end.position, end.digest) for end in compared.agreed.values()}
    chains = [
        _read(ledger, begun.get(end.use_case, Place()), end, found, nobody)
        for end in ends
        if end.use_case not in compared.differ
    ]
    found.add(map(without_link, ledger.unlinked(NAMED, newest=newest)))
    return VerifiedLedger(tuple(chains), 1, anchor.made_at, found.count, tuple(found.named))


class _Found:
    """What has been found so far."""

    def __init__(self) -> None:
        self.count = 0
        self.named: list[Alteration] = []

    def add(self, alterations: Iterable[Alteration]) -> None:
        for each in alterations:
            self.count += 1
            if len(self.named) < NAMED:
                self.named.append(each)


@dataclass(frozen=True)
class _Compared:
    """How many anchors there were, and which chains agree with the last of them or differ from one."""

    anchors: int
    newest: datetime | None
    agreed: Mapping[str, ChainEnd]
    differ: frozenset[str]


def _compare(
    ledger: Chain, ends: Iterable[Link], anchors: Iterable[Anchor], use_case: str | None, found: _Found
) -> _Compared:
    """Of each chain, only the first anchor that it differs from is told: it differs from later ones, too."""
    lengths = {link.use_case: link.position for link in ends}
    count, newest = 0, None
    agreed: dict[str, ChainEnd] = {}
    differ: set[str] = set()
    for anchor in anchors:
        count += 1
        newest = anchor.made_at if newest is None else max(newest, anchor.made_at)
        wanted = [end for end in anchor.chains if use_case in (None, end.use_case) and end.use_case not in differ]
        links = ledger.links_at({end.use_case: end.position for end in wanted})
        for end in wanted:
            link, length = links.get(end.use_case), lengths.get(end.use_case, 0)
            before = agreed.get(end.use_case)
            if link is not None and link.digest == end.digest:
                if before is None or before.position < end.position:
                    agreed[end.use_case] = end
                continue
            differ.add(end.use_case)
            if link is None and length < end.position:
                found.add([shorter(end, anchor.made_at, length)])
            else:
                found.add([rewritten(end, anchor.made_at, 0 if before is None else before.position, link)])
    return _Compared(count, newest, agreed, frozenset(differ))


def _read(ledger: Chain, begun: Place, end: Link, found: _Found, on_entries: OnWindow) -> VerifiedChain:
    place, entries, adopted = begun, 0, 0
    while place.position < end.position:
        page = [each for each in ledger.linked(end.use_case, place.position, PAGE) if each[0].position <= end.position]
        if not page:  # somebody removes what we read
            break
        for link, entry in page:
            found.add(alterations_of(ledger, place, link, entry))
            place, entries, adopted = after(link), entries + 1, adopted + link.adopted
        on_entries(WindowsDone(entries, end.position, 0))
    return VerifiedChain(end.use_case, entries, adopted, ChainEnd(end.use_case, end.position, end.digest))


def _counted(on_entries: OnWindow, before: int, total: int) -> OnWindow:
    """What is told of one chain, as a part of all."""
    return lambda done: on_entries(WindowsDone(before + done.done, total, 0))
