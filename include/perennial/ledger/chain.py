"""The chain: a use case's deployments, decisions, approvals and interventions carry the digest of the entry before.

Each chained entry has one link, made in the same transaction. A link's digest covers the digest of the entry's content
and the digest of the link before, so that the last digest stands for everything before it: who wrote it down elsewhere
(an anchor, see `perennial.anchors`) can prove later that nothing was changed, removed, put in between or reordered.

An entry's content is hashed in a canonical form, version `FORM`: its fields without `id`, as JSON in UTF-8 with sorted
keys and no spaces; instants in UTC with microseconds; a float that is a whole number is written as one, so that what
comes back from PostgreSQL has the digest of what was written. A field at its default is left out: an entry of before a
field was added keeps its digest. Therefore a new field of a chained kind needs a default, and no field or default that
is there may change.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Protocol

from perennial.ledger.entries import Approval, ApprovalRequest, Deployment, Intervention, RecordedDecision
from perennial.ledger.rows import to_row

FORM = 1
GENESIS = ""  # what the first link of a chain carries instead of the digest of one before

ChainedEntry = Deployment | RecordedDecision | Intervention | ApprovalRequest | Approval

# To let a kind join: a line here, a member of `ChainedEntry`, and a trigger `linked` on its table, made as the
# migration of the chain makes them.
CHAINED: dict[type[ChainedEntry], str] = {
    Deployment: "deployment",
    RecordedDecision: "decision",
    Intervention: "intervention",
    ApprovalRequest: "approval_request",
    Approval: "approval",
}

_EXACT = 2**53


@dataclass(frozen=True)
class Link:
    """The place of one entry in its use case's chain; `position` counts from 1.

    `content` is the digest of the entry, `previous` that of the link before. `adopted` links were made by the upgrade
    to the first version with chains, of entries that were there: they prove nothing about the time before it.
    """

    use_case: str
    position: int
    kind: str
    entry_id: int
    form: int
    adopted: bool
    content: str
    previous: str
    digest: str


class Chain(Protocol):
    """What verifying asks of the ledger. No answer is longer than the number of use cases, or a limit."""

    def last_links(self) -> Sequence[Link]:
        """The last link of each chain, by use case."""

    def links_at(self, positions: Mapping[str, int]) -> Mapping[str, Link]:
        """The links at one position for each use case named; without those that are not there."""

    def linked(self, use_case: str, after: int, limit: int) -> Sequence[tuple[Link, ChainedEntry | None]]:
        """The first `limit` links after a position, in order, each with its entry; None where that is gone."""

    def link_with(self, use_case: str, *, digest: str | None = None, content: str | None = None) -> Link | None:
        """The first link of the use case with that digest, or that content; a search through the whole chain."""

    def unlinked(self, limit: int, use_case: str | None = None, newest: int | None = None) -> Sequence[ChainedEntry]:
        """Up to `limit` entries without a link, of one use case or of all.

        With `newest`, only the last so many entries of each kind are looked at.
        """


def content_digest(entry: ChainedEntry) -> str:
    """The sha-256 of a stored entry's canonical form, as hex."""
    said_nothing = {
        field.name
        for field in fields(entry)
        if field.default is not MISSING and getattr(entry, field.name) == field.default
    }
    row = {name: value for name, value in to_row(entry).items() if name not in said_nothing}
    return row_digest(CHAINED[type(entry)], row)


def row_digest(kind: str, row: Mapping[str, Any]) -> str:
    """The same of an entry's column values, without `id` and without those at their default."""
    return _digest([FORM, kind, row])


def link_after(
    previous: Link | None, use_case: str, kind: str, entry_id: int, content: str, *, adopted: bool = False
) -> Link:
    """The link of an entry with that content after the link before; None where it is the first."""
    before = GENESIS if previous is None else previous.digest
    position = 1 if previous is None else previous.position + 1
    digest = _link_digest(use_case, kind, entry_id, FORM, adopted, content, before)
    return Link(use_case, position, kind, entry_id, FORM, adopted, content, before, digest)


def link_of(previous: Link | None, entry: ChainedEntry) -> Link:
    """The link of a stored entry after the link before."""
    assert entry.id is not None, "a stored entry has an id"
    return link_after(previous, entry.use_case, CHAINED[type(entry)], entry.id, content_digest(entry))


def is_sound(link: Link) -> bool:
    """Whether the link has the digest of what it says. Its position follows from its `previous`, and is not covered."""
    said = (link.use_case, link.kind, link.entry_id, link.form, link.adopted, link.content, link.previous)
    return link.form == FORM and link.digest == _link_digest(*said)


def _link_digest(*said: object) -> str:
    return _digest(["link", *said])


def _digest(value: object) -> str:
    text = json.dumps(_canonical(value), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    return value
