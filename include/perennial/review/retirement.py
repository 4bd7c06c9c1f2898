"""Whether a use case has ended, for its page."""

from dataclasses import dataclass
from datetime import datetime

from perennial.ledger.entries import InterventionKind
from perennial.ledger.port import Ledger
from perennial.records.retirement import ending


@dataclass(frozen=True)
class EndedUseCase:
    """When the use case was decommissioned, by whom and why; `erased` are the classes of data that are gone."""

    at: datetime
    by: str
    reason: str
    erased: tuple[str, ...]


def run(use_case: str, ledger: Ledger) -> EndedUseCase | None:
    """What the ledger says of the end; None while the use case goes on. Errors: `StoreUnavailable`."""
    entry = ending(use_case, ledger)
    if entry is None or entry.recorded_at is None:
        return None
    done = ledger.interventions(use_case, InterventionKind.DATA_ERASED)
    erased = [str(each.details.get("class", "not named")) for each in done]
    return EndedUseCase(entry.recorded_at, entry.actor, entry.reason, tuple(dict.fromkeys(erased)))
