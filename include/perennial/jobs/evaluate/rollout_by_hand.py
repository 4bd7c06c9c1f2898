"""A person advances or stops the roll-out under way, with a reason; both are on record before anything changes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from perennial.errors import InvalidSettings
from perennial.ledger.entries import DecisionKind, Deployment, RecordedDecision
from perennial.policy.rollout import ADVANCE, STOP
from perennial.ports import Ports
from perennial.records.rollout import ended, moved_on, required_stage, stage_name
from perennial.spec.load import LoadedUseCase
from perennial.spec.rollout import has_stages

log = logging.getLogger(__name__)


class ByHand(StrEnum):
    """What a person may do with a roll-out: take it to its next stage, or end it."""

    ADVANCE = ADVANCE
    STOP = STOP


@dataclass(frozen=True)
class RolloutChanged:
    """What was done: the version, the stage that it left, and the one that it is in; None for none.

    It holds for windows from `effective_from` on; those that are scored stay as they are.
    """

    model_version: str
    left: str
    now: str | None
    effective_from: datetime


def run(
    use_case: LoadedUseCase, action: ByHand, ports: Ports, run_id: str, *, actor: str, reason: str
) -> RolloutChanged:
    """Do it, in the name of `actor`.

    Errors: `NoModel` when no roll-out is under way; `InvalidSettings` without a reason, or when the spec has no stages
    to advance to; `DeploymentConflict`, `StoreUnavailable`.
    """
    spec, ledger = use_case.spec, ports.ledger
    if not reason.strip():
        raise InvalidSettings(
            "A roll-out can't be changed by hand without a reason. Give one; it is kept in the ledger."
        )
    with ledger.deciding(spec.name):
        stage = required_stage(spec.name, ledger)
        if action is ByHand.ADVANCE and not has_stages(spec.rollout):
            raise InvalidSettings(
                f"The spec of {spec.name} has no rollout with stages, so there is no next one. Stop the roll-out, or "
                "put the key back."
            )
        share = spec.rollout.after(stage.share or 0) if spec.rollout else None
        last = ledger.last_ingested(spec.name)
        as_of = max(stage.effective_from, last.end) if last else stage.effective_from
        ledger.record_decision(
            RecordedDecision(
                use_case=spec.name,
                kind=DecisionKind.ROLLOUT,
                subject=f"{stage.id}/{stage.share}/by hand/{run_id}",
                as_of=as_of,
                action=action.value,
                reasons=(reason,),
                numbers={"share": stage.share, "next_share": share, "by": actor, "challenger": stage.model_version},
                run_id=run_id,
            )
        )
        entries: Sequence[Deployment]
        if action is ByHand.ADVANCE:
            entries = moved_on(stage, share, as_of, ports, run_id, actor=actor, reason=reason)
        else:
            entries = ended(stage, as_of, ports, run_id, actor=actor, reason=reason)
    log.warning("%s: %s by %s: %s", spec.name, action, actor, reason)
    return RolloutChanged(
        model_version=stage.model_version,
        left=stage_name(stage.share),
        now=stage_name(share) if action is ByHand.ADVANCE else None,
        effective_from=entries[0].effective_from,
    )
