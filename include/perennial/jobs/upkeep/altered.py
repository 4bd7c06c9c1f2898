"""What was done to a chained entry of the ledger, found from its link, the link before, and the entry itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from perennial.anchors.port import ChainEnd
from perennial.ledger.chain import CHAINED, GENESIS, Chain, ChainedEntry, Link, content_digest, is_sound


class What(StrEnum):
    """What was done."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    REWRITTEN = "rewritten"
    SHORTER = "shorter than its anchor"


@dataclass(frozen=True)
class Alteration:
    """What was done to which entry, or near which one; `said` explains it in sentences.

    `position` is its place in the use case's chain, None when it has none. `recorded_at` is what the entry says now,
    None when it is gone.
    """

    what: What
    use_case: str
    position: int | None
    kind: str | None
    entry_id: int | None
    recorded_at: datetime | None
    said: str

    def __str__(self) -> str:
        place = "" if self.position is None else f", entry {self.position:,} of the chain"
        named = "" if self.kind is None else f" ({self.kind} {self.entry_id}"
        when = "" if self.recorded_at is None else f", recorded {self.recorded_at:%Y-%m-%d %H:%M:%SZ}"
        return f"{self.use_case}{place}{named}{when}{')' if named else ''}: {self.what}. {self.said}"


@dataclass(frozen=True)
class Place:
    """How far a chain was read, and the digest that the next link must carry; None when that can't be known."""

    position: int = 0
    digest: str | None = GENESIS


def after(link: Link) -> Place:
    """The place after a link that was read."""
    return Place(link.position, link.digest if is_sound(link) else None)


def alterations_of(chain: Chain, before: Place, link: Link, entry: ChainedEntry | None) -> Iterator[Alteration]:
    """What was done to the link that follows `before`, and to its entry. Errors: `StoreUnavailable`."""
    in_place = _of_place(chain, before, link, entry)
    if in_place is not None:
        yield in_place
    in_entry = _of_entry(chain, link, entry)
    if in_entry is not None:
        yield in_entry


def without_link(entry: ChainedEntry) -> Alteration:
    """An entry that is in no chain."""
    said = (
        "It has no link in the chain: it was put into the database without Perennial, or its link was removed from "
        "ledger.chain."
    )
    kind = CHAINED[type(entry)]
    return Alteration(What.INSERTED, entry.use_case, None, kind, entry.id, entry.recorded_at, said)


def shorter(anchored: ChainEnd, made_at: datetime, length: int) -> Alteration:
    """A chain that ends before the position of its anchor."""
    gone = _range(length + 1, anchored.position)
    said = (
        f"The anchor of {_moment(made_at)} was made of {anchored.position:,} entries, but there are only {length:,}: "
        f"{gone} removed, or the database was restored from a backup that is older than the anchor."
    )
    return Alteration(What.SHORTER, anchored.use_case, anchored.position, None, None, None, said)


def rewritten(anchored: ChainEnd, made_at: datetime, agreed: int, link: Link | None) -> Alteration:
    """A chain whose link at the anchor's position is another; up to `agreed` it is that of an older anchor."""
    named = _range(agreed + 1, anchored.position)
    said = (
        f"The chain is not the one that the anchor of {_moment(made_at)} was made of: {named} changed, removed or put "
        "in, with new links for all that follow; or the database was restored from an older backup and went on from "
        "there; or the anchor is that of another ledger."
    )
    kind, entry_id = (None, None) if link is None else (link.kind, link.entry_id)
    return Alteration(What.REWRITTEN, anchored.use_case, anchored.position, kind, entry_id, None, said)


def _of_place(chain: Chain, before: Place, link: Link, entry: ChainedEntry | None) -> Alteration | None:
    if link.position != before.position + 1:
        gone = _range(before.position + 1, link.position - 1)
        return _alteration(What.REMOVED, link, entry, f"Just before it, {gone} removed from the chain.")
    if not is_sound(link):
        said = "Its link in ledger.chain was changed: it does not have the digest of what it says."
        return _alteration(What.CHANGED, link, entry, said)
    if before.digest is None or link.previous == before.digest:
        return None
    followed = _position_of(chain, link.use_case, link.previous)
    if followed is None:
        said = "The entry that it followed is gone: that one was removed, or was changed together with its link."
        return _alteration(What.REMOVED, link, entry, said)
    for put_in, its_entry in chain.linked(link.use_case, followed, 1) if followed < before.position else ():
        if put_in.previous == link.previous:
            said = f"It was put between those that are now number {followed:,} and {link.position:,} of the chain."
            return _alteration(What.INSERTED, put_in, its_entry, said)
    said = f"It followed the entry that is now number {followed:,} of the chain."
    return _alteration(What.REORDERED, link, entry, said)


def _position_of(chain: Chain, use_case: str, digest: str) -> int | None:
    """Where the link with that digest is now."""
    if digest == GENESIS:
        return 0
    found = chain.link_with(use_case, digest=digest)
    return None if found is None else found.position


def _of_entry(chain: Chain, link: Link, entry: ChainedEntry | None) -> Alteration | None:
    if entry is None:
        said = "The entry is gone; its link in the chain says that it was recorded."
        return _alteration(What.REMOVED, link, entry, said)
    digest = content_digest(entry)
    if digest == link.content:
        return None
    other = chain.link_with(link.use_case, content=digest)
    if other is None:
        return _alteration(What.CHANGED, link, entry, "It no longer says what was recorded.")
    said = f"It says what was recorded as entry {other.position:,} of the chain ({other.kind} {other.entry_id})."
    return _alteration(What.REORDERED, link, entry, said)


def _alteration(what: What, link: Link, entry: ChainedEntry | None, said: str) -> Alteration:
    recorded_at = None if entry is None else entry.recorded_at
    return Alteration(what, link.use_case, link.position, link.kind, link.entry_id, recorded_at, said)


def _range(first: int, last: int) -> str:
    return f"entry {first:,} was" if first >= last else f"entries {first:,} to {last:,} were"


def _moment(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%SZ}"
