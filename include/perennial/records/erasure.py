"""Tombstones: what the ledger says of entities that were erased. They hold a digest of the key, and never the key.

A tombstone is written before anything is removed, and an entry of its own says when all was. The digest is slow to
compute and salted, so that nobody finds the key by trying a few; who can try all keys that there may be finds it.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.port import Ledger
from perennial.ledger.rules import recorded_order
from perennial.window import Window

WINDOWS, ENTITY, TOMBSTONE = "windows", "entity", "tombstone"  # in the details of the entries
REVISIONS = "revisions"  # of a window there: how many rows each of its revisions had
_COST, _BLOCK, _PARALLEL, _LENGTH = 2**14, 8, 1, 16  # scrypt (RFC 7914): 16 MiB, and about 50 ms


def pseudonym(entity: str, salt: str) -> str:
    """What stands for the entity, as hex; `salt` is hex, too."""
    made = hashlib.scrypt(
        entity.encode(), salt=bytes.fromhex(salt), n=_COST, r=_BLOCK, p=_PARALLEL, dklen=_LENGTH, maxmem=2**26
    )
    return made.hex()


def named(entity: str, use_case: str, ledger: Ledger) -> tuple[str, Mapping[str, Any]]:
    """What stands for the entity in the use case's tombstones, and how that was made. All of them share one salt."""
    before = tombstones(use_case, ledger)
    salt = before[0].details[ENTITY]["salt"] if before else secrets.token_hex(16)
    digest = pseudonym(entity, salt)
    return digest, {"scrypt": digest, "salt": salt, "n": _COST, "r": _BLOCK, "p": _PARALLEL}


def tombstones(use_case: str, ledger: Ledger) -> Sequence[Intervention]:
    """The use case's tombstones, in the order they were recorded. An entry that names no entity is none."""
    found = ledger.interventions(use_case, InterventionKind.ENTITY_ERASED)
    return [each for each in found if each.details.keys() >= {ENTITY, WINDOWS}]


def of_entity(entity: str, use_case: str, ledger: Ledger) -> Sequence[Intervention]:
    """The tombstones of an entity. It is recognised by its key, which they don't hold."""
    found = tombstones(use_case, ledger)
    digests = {salt: pseudonym(entity, salt) for salt in {each.details[ENTITY]["salt"] for each in found}}
    return [each for each in found if each.subject == digests[each.details[ENTITY]["salt"]]]


def from_revision(window: Window, revision: int, use_case: str, ledger: Ledger) -> tuple[int, Sequence[Intervention]]:
    """How many rows of a revision were erased, and the tombstones that say so.

    Of several tombstones of an entity, written because one run did not come to its end, each counts the same rows.
    """
    rows: dict[str, int] = {}
    found = []
    for each in tombstones(use_case, ledger):
        here = next((found for found in each.details[WINDOWS] if found["window"] == window.key), None)
        number = here[REVISIONS].get(str(revision), 0) if here else 0
        if number:
            rows[each.subject] = max(number, rows.get(each.subject, 0))
            found.append(each)
    return sum(rows.values()), found


def unfinished(subject: str, use_case: str, ledger: Ledger) -> Intervention | None:
    """The entity's last tombstone, if no entry says that all was removed since."""
    mine = [each for each in tombstones(use_case, ledger) if each.subject == subject]
    done = [
        each for each in ledger.interventions(use_case, InterventionKind.ERASURE_FINISHED) if each.subject == subject
    ]
    return mine[-1] if mine and not (done and recorded_order(done[-1]) > recorded_order(mine[-1])) else None


def told(found: Sequence[Intervention]) -> str:
    """When and by whom entities were erased, in words that follow on a noun.

    >>> from datetime import UTC, datetime
    >>> at = datetime(2024, 5, 1, tzinfo=UTC)
    >>> ada = Intervention("parcels", InterventionKind.ENTITY_ERASED, "", "ada", "", {}, "", at)
    >>> told([ada]), told([ada, ada])
    ('erased on 2024-05-01 by ada', 'erased on 2024-05-01 by ada, and on 2024-05-01 by ada')
    """
    return "erased " + ", and ".join(f"on {each.recorded_at:%Y-%m-%d} by {each.actor}" for each in found)
