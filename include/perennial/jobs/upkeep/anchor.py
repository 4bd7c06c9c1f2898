"""Anchor: what was recorded since the last anchor is verified, and where the chains end is written down elsewhere."""

from dataclasses import dataclass
from datetime import datetime

from perennial.anchors.port import Anchor, Anchors, ChainEnd
from perennial.errors import LedgerAltered
from perennial.jobs.upkeep import verify
from perennial.ledger.chain import Chain
from perennial.wording import counted

NEWEST = 100_000  # entries of each kind that are looked at for one without a link
TOLD = 5
NEXT = (
    "Nothing in Perennial changes or removes entries, so somebody did it in the database. Keep the database as it "
    "is, take a copy of it and of the anchors, compare the named entries with a backup from before, and find out who "
    "can write to the schema ledger as its owner."
)


@dataclass(frozen=True)
class Anchored:
    """How many entries were verified, and where the new anchor is: None when nothing was recorded since the last."""

    chains: int
    entries: int
    anchor: str | None


def run(ledger: Chain, anchors: Anchors, now: datetime) -> Anchored:
    """Verify what was recorded since the newest anchor (everything, when there is none), and make a new one.

    Errors: `LedgerAltered` when something was altered: then no anchor is made; `StoreUnavailable`, `InvalidAnchor`.
    """
    last = anchors.newest()
    verified = verify.run(ledger, ()) if last is None else verify.run_since(ledger, last, NEWEST)
    if verified.alterations:
        raise LedgerAltered(told(verified))
    ends = tuple(chain.end for chain in verified.chains)
    changed = last is None or last.chains != ends
    where = anchors.put(Anchor(now, ends)) if changed else None
    return Anchored(len(verified.chains), sum(chain.entries for chain in verified.chains), where)


def anchor_of(ledger: Chain, now: datetime) -> Anchor:
    """Where the chains end now; nothing is verified. Errors: `StoreUnavailable`."""
    ends = (ChainEnd(link.use_case, link.position, link.digest) for link in ledger.last_links())
    return Anchor(now, tuple(ends))


def told(verified: verify.VerifiedLedger) -> str:
    """What was found, and what to do, for people."""
    first = " ".join(str(each) for each in verified.named[:TOLD])
    more = verified.alterations - TOLD
    rest = f" And {more:,} more: `perennial ledger verify` names them." if more > 0 else ""
    return f"The ledger shows {counted(verified.alterations, 'alteration')}. {first}{rest} {NEXT}"
