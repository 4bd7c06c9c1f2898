"""When the champion was last replaced, and when replacing it was last tried, in the data's time."""

from datetime import datetime

from perennial.ledger.entries import DecisionKind, DeployedRole
from perennial.ledger.port import Ledger

RETRAIN = "retrain"


def last_deployed_at(use_case: str, ledger: Ledger) -> datetime | None:
    """From when on the current champion has been in force."""
    champion = ledger.current_deployment(use_case, DeployedRole.CHAMPION)
    return champion.effective_from if champion else None


def last_retrain_at(use_case: str, before: datetime, ledger: Ledger) -> datetime | None:
    """When a retraining was last decided on or judged, before the moment `before`."""
    wished = [
        decision.as_of
        for kind in (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)
        for decision in ledger.decisions(use_case, kind)
        if decision.action == RETRAIN
    ]
    judged = [decision.as_of for decision in ledger.decisions(use_case, DecisionKind.PROMOTE)]
    return max((moment for moment in wished + judged if moment < before), default=None)
