"""Decide whether to retrain, from what is on record, and put the decision on record."""

from datetime import datetime

from perennial.jobs.retraining_evidence import gather
from perennial.ledger.entries import DecisionKind, DeployedRole, RecordedDecision
from perennial.policy.retraining import decide
from perennial.ports import Ports
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import Trigger

# New windows bring news of drift; new labels bring news of performance, and of everything else.
ASKED: dict[DecisionKind, tuple[Trigger, ...]] = {
    DecisionKind.RETRAIN_ON_DRIFT: (Trigger.DRIFT,),
    DecisionKind.RETRAIN_ON_PERFORMANCE: (Trigger.PERFORMANCE, Trigger.ESTIMATE, Trigger.AGE),
}


def decide_retraining(
    use_case: LoadedUseCase, kind: DecisionKind, subject: str, as_of: datetime, ports: Ports, run_id: str
) -> RecordedDecision:
    """Decide as of a moment of the data's time; who asked first about the subject has decided.

    Errors: `StoreUnavailable`.
    """
    spec = use_case.spec
    with ports.ledger.deciding(spec.name):
        champion = ports.ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
        decision = decide(spec.monitoring, gather(spec, as_of, ports.ledger, champion), ASKED[kind])
        return ports.ledger.record_decision(
            RecordedDecision(
                use_case=spec.name,
                kind=kind,
                subject=subject,
                as_of=as_of,
                action=decision.action,
                reasons=decision.reasons,
                numbers=dict(decision.numbers),
                run_id=run_id,
            )
        )
