"""Going back: which version stands by, whether it is ready, and what was rolled back lately."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perennial.ledger.entries import DecisionKind, DeployedRole, InterventionKind, RecordedDecision
from perennial.ledger.port import Ledger
from perennial.records.rollout import READY, standby_entry, unfinished_rollbacks
from perennial.spec.models import UseCase
from perennial.spec.rollout import keeps_standby

SHOWN = 5  # rollbacks
TRIED_EVERY = timedelta(days=1)  # by the nightly maintenance
LOOKED_BACK = timedelta(days=30)  # for the last trial


class Readiness(StrEnum):
    """What is known of the version that stands by, in words."""

    READY = "ready"
    NOT_READY = "not ready"
    NOT_TRIED = "not tried yet"
    NOT_LATELY = "not tried lately"
    NOT_KEPT = "not kept ready"


@dataclass(frozen=True)
class Standby:
    """The champion before the present one. `tried` is its last trial, None without one in the last 30 days."""

    version: str
    readiness: Readiness
    tried: RecordedDecision | None


@dataclass(frozen=True)
class RolledBack:
    """Windows that a version had predicted were scored again, by the one that was `restored` or by the champion alone.

    The last of them was scored `seconds` after the decision.
    """

    version: str
    restored: str | None
    windows: int
    seconds: float
    actor: str
    reason: str
    recorded_at: datetime | None
    run_id: str


@dataclass(frozen=True)
class GoingBack:
    """`rollbacks` are the last whose windows were scored again, the newest first; `unfinished` ones have some left."""

    standby: Standby | None
    rollbacks: tuple[RolledBack, ...]
    unfinished: int


def run(spec: UseCase, now: datetime, ledger: Ledger) -> GoingBack | None:
    """What there is to go back to, and what went back; None where there is neither. Errors: `StoreUnavailable`."""
    entries = ledger.interventions(spec.name, InterventionKind.ROLLED_BACK)[-SHOWN:]
    rollbacks = tuple(
        RolledBack(
            version=str(each.details.get("version")),
            restored=each.details.get("restored"),
            windows=each.details.get("windows", 0),
            seconds=each.details.get("seconds", 0.0),
            actor=each.actor,
            reason=each.reason,
            recorded_at=each.recorded_at,
            run_id=each.run_id,
        )
        for each in reversed(entries)
    )
    standby, unfinished = _standby(spec, now, ledger), len(unfinished_rollbacks(spec.name, ledger))
    return GoingBack(standby, rollbacks, unfinished) if standby or rollbacks or unfinished else None


def _standby(spec: UseCase, now: datetime, ledger: Ledger) -> Standby | None:
    champion, entry = ledger.current_deployment(spec.name, DeployedRole.CHAMPION), standby_entry(spec.name, ledger)
    if champion is None or entry is None:
        return None
    decisions = ledger.decisions(spec.name, DecisionKind.STANDBY, since=now - LOOKED_BACK)
    own = [each for each in decisions if each.subject.startswith(f"{champion.id}/{entry.model_version}/")]
    tried = own[-1] if own else None
    return Standby(entry.model_version, _readiness(spec, tried, now), tried)


def _readiness(spec: UseCase, tried: RecordedDecision | None, now: datetime) -> Readiness:
    if not keeps_standby(spec.rollout):
        return Readiness.NOT_KEPT
    if tried is None:
        return Readiness.NOT_TRIED
    if tried.action != READY:
        return Readiness.NOT_READY
    return Readiness.READY if now - tried.as_of <= 2 * TRIED_EVERY else Readiness.NOT_LATELY
