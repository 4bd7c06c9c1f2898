"""What happened to the model of a use case: deployments, the stages of roll-outs, and what was decided about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.ledger.port import Ledger
from perennial.spec.rollout import SHADOW
from perennial.verdict import REJECT, RETRAIN


class Change(StrEnum):
    """What may happen to the model of a use case."""

    FIRST_MODEL = "first_model"
    NEW_MODEL = "new_model"
    ROLLBACK = "rollback"
    SHADOW = "shadow"
    CANARY = "canary"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"
    RETRAINING = "retraining"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Event:
    """Something that happened to the model: when in the data's time, and why. `version` is None for a decision.

    `share` is the percentage of rows that a canary predicts from then on. `run_id` is the run that did or decided it.
    """

    at: datetime
    change: Change
    version: str | None
    actor: str
    reasons: tuple[str, ...]
    run_id: str
    share: int | None = None


def events_between(
    use_case: str, deployments: Sequence[Deployment], start: datetime, end: datetime | None, ledger: Ledger
) -> tuple[Event, ...]:
    """What happened from `start` to before `end`, or to now and what is arranged for later; oldest first.

    `deployments` are all of the use case's, in their order. Errors: `StoreUnavailable`.
    """
    found = [*_deployed(deployments), *_decided(use_case, start, end, ledger)]
    inside = (each for each in found if start <= each.at and (end is None or each.at < end))
    return tuple(sorted(inside, key=lambda event: event.at))


def _deployed(deployments: Sequence[Deployment]) -> Iterable[Event]:
    champions: set[str] = set()
    became = {(each.run_id, each.model_digest) for each in deployments if each.role is DeployedRole.CHAMPION}
    for entry in deployments:
        if entry.role is DeployedRole.CHAMPION:
            known = entry.model_version in champions
            change = Change.ROLLBACK if known else Change.NEW_MODEL if champions else Change.FIRST_MODEL
            champions.add(entry.model_version)
        elif entry.ends and (entry.run_id, entry.model_digest) in became:
            continue  # its roll-out ended well: it is told as the new model
        else:
            change = _of_rollout(entry)
        yield Event(
            at=entry.effective_from,
            change=change,
            version=entry.model_version,
            actor=entry.approved_by or entry.actor,
            reasons=(entry.reason,),
            run_id=entry.run_id,
            share=entry.share if change is Change.CANARY else None,
        )


def _of_rollout(entry: Deployment) -> Change:
    if entry.withdraws is not None:
        return Change.WITHDRAWN
    if entry.ends:
        return Change.STOPPED
    return Change.SHADOW if entry.share == SHADOW else Change.CANARY


def _decided(use_case: str, start: datetime, end: datetime | None, ledger: Ledger) -> Iterable[Event]:
    asked = (
        (DecisionKind.RETRAIN_ON_DRIFT, RETRAIN, Change.RETRAINING),
        (DecisionKind.RETRAIN_ON_PERFORMANCE, RETRAIN, Change.RETRAINING),
        (DecisionKind.PROMOTE, REJECT, Change.REJECTED),
    )
    for kind, action, change in asked:
        for decision in ledger.decisions(use_case, kind, start, end):
            if decision.action == action:
                yield _told(decision, change)


def _told(decision: RecordedDecision, change: Change) -> Event:
    return Event(decision.as_of, change, None, decision.run_id, decision.reasons, decision.run_id)
