"""What was decided and never done: a retraining whose run nobody started, or that ended before it judged anything."""

from datetime import datetime

from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.ports import Ports
from perennial.records.retraining import taken_by_hand
from perennial.spec.load import LoadedUseCase
from perennial.verdict import RETRAIN
from perennial.window import parse_instant

ASKING = (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)


def unstarted_retraining(use_case: LoadedUseCase, ports: Ports) -> RecordedDecision | None:
    """The last decision to retrain that is Airflow's, if no candidate was judged as of its moment or later.

    A judgement that comes later answers every decision before it. What was decided at the command line is left to the
    person there, who may be carrying it out. Errors: `StoreUnavailable`.
    """
    name, ledger = use_case.name, ports.ledger
    since = _trained_as_of(ledger.current_deployment(name, DeployedRole.CHAMPION))
    asked = [
        each
        for kind in ASKING
        for each in ledger.decisions(name, kind, since)
        if each.action == RETRAIN and not taken_by_hand(each)
    ]
    last = max(asked, key=lambda decision: decision.as_of, default=None)
    if last is None or ledger.decisions(name, DecisionKind.PROMOTE, last.as_of):
        return None
    return last


def _trained_as_of(champion: Deployment | None) -> datetime | None:
    """The moment of the champion's own training, which answers every decision made before it."""
    if champion is None:
        return None
    moment = champion.training.get("as_of")
    return parse_instant(moment) if isinstance(moment, str) else champion.effective_from
