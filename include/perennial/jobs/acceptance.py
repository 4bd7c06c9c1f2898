"""Rows that a rule caught and a person let in: per snapshot and rule, as interventions in the ledger."""

from perennial.fingerprint import json_digest
from perennial.ledger.entries import InterventionKind
from perennial.ledger.port import Ledger
from perennial.spec.load import LoadedUseCase


def accepted_rules(use_case: str, snapshot_digest: str, ledger: Ledger) -> frozenset[str]:
    """The rules whose catch in exactly this snapshot was accepted."""
    entries = ledger.interventions(use_case, InterventionKind.ROWS_ACCEPTED)
    return frozenset(e.details["rule"] for e in entries if e.details["snapshot_digest"] == snapshot_digest)


def suite_digest_with(use_case: LoadedUseCase, accepted: frozenset[str]) -> str:
    """What the verdict depends on: the suite, and what was accepted. Without that, it is the suite's own digest."""
    if not accepted:
        return use_case.suite_digest
    return json_digest({"suite": use_case.suite_digest, "accepted": sorted(accepted)})
