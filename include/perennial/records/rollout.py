"""The stages of a roll-out in the ledger: how one begins, goes on, and ends."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from perennial.errors import DeploymentConflict, NoModel
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, InterventionKind, RecordedDecision
from perennial.ledger.port import Ledger
from perennial.policy.rollout import STOP
from perennial.policy.standby import standby_of
from perennial.ports import Ports
from perennial.spec.models import UseCase
from perennial.spec.rollout import SHADOW

log = logging.getLogger(__name__)

SALT_LENGTH = 16
READY, NOT_READY = "ready", "not_ready"  # what is decided of a version that stands by


def current_stage(use_case: str, ledger: Ledger) -> Deployment | None:
    """The stage that the roll-out under way is in; None where there is none."""
    entry = ledger.current_deployment(use_case, DeployedRole.CHALLENGER)
    return entry if entry is not None and entry.in_rollout else None


def stage_name(share: int | None) -> str:
    """A stage in words.

    >>> stage_name(0), stage_name(5), stage_name(None)
    ('the shadow', 'the canary at 5%', 'the role of the champion')
    """
    if share is None:
        return "the role of the champion"
    return "the shadow" if share == SHADOW else f"the canary at {share}%"


def begun(spec: UseCase, entry: Deployment, ports: Ports) -> Deployment:
    """Deploy a judged winner: as challenger in the first stage of the spec's roll-out, or as champion without one.

    `entry` is the deployment as champion, and supersedes the champion that it was judged against. A first model has
    none, and is champion at once. A challenger whose roll-out is under way gives way to the newer one, which was judged
    against the same champion by newer labels; that is on record. Errors: `DeploymentConflict`.
    """
    ledger = ports.ledger
    if spec.rollout is None or not spec.rollout.shares or entry.supersedes is None:
        return ledger.deploy(entry)
    champion = ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
    if champion is None or champion.id != entry.supersedes:
        raise DeploymentConflict(
            f"The roll-out of version {entry.model_version} of {spec.name} was not begun: it was judged against "
            f"deployment {entry.supersedes}, but the champion is now {_named(champion)}. Retrain, so that it is judged "
            "against that one."
        )
    before = ledger.current_deployment(spec.name, DeployedRole.CHALLENGER)
    replaced = before if before and before.in_rollout and before.model_digest != entry.model_digest else None
    reason = entry.reason
    if replaced is not None:
        reason = f"{reason}; it replaces version {replaced.model_version}, which was in {stage_name(replaced.share)}"
    stage = replace(
        entry,
        role=DeployedRole.CHALLENGER,
        supersedes=before.id if before else None,
        share=spec.rollout.shares[0],
        salt=entry.model_digest[:SALT_LENGTH],
        reason=reason,
    )
    recorded = ledger.deploy(stage)
    if replaced is not None:
        _record_replaced(recorded, replaced, ledger)
    return recorded


def _record_replaced(entry: Deployment, before: Deployment, ledger: Ledger) -> None:
    text = (
        f"Version {before.model_version} leaves {stage_name(before.share)}: version {entry.model_version} was judged "
        "better than the champion by newer labels, and begins in its place."
    )
    log.warning("%s: %s", entry.use_case, text)
    ledger.record_decision(
        RecordedDecision(
            use_case=entry.use_case,
            kind=DecisionKind.ROLLOUT,
            subject=f"{before.id}/replaced by {entry.model_digest}",
            as_of=entry.effective_from,
            action=STOP,
            reasons=(text,),
            numbers={"share": before.share, "challenger": before.model_version, "replaced_by": entry.model_version},
            run_id=entry.run_id,
        )
    )


def moved_on(
    stage: Deployment, share: int | None, as_of: datetime, ports: Ports, run_id: str, *, actor: str, reason: str
) -> Sequence[Deployment]:
    """Take a stage to the next share, or the challenger to the champion's role where that is None.

    It holds from the first window that is not scored yet. Errors: `DeploymentConflict` when somebody else moved the
    stage, or the champion, first.
    """
    ledger = ports.ledger
    entry = _later(stage, as_of, run_id, actor=actor, reason=reason)
    entries: Sequence[Deployment]
    if share is not None:
        entries = [ledger.deploy(replace(entry, share=share))]
    else:
        champion = ledger.current_deployment(stage.use_case, DeployedRole.CHAMPION)
        before = champion.id if champion else None
        new = replace(entry, role=DeployedRole.CHAMPION, supersedes=before, share=None, salt="")
        entries = ledger.deploy_together([new, replace(entry, ends=True)])
    follow(stage.use_case, ports)
    return entries


def ended(
    stage: Deployment, as_of: datetime, ports: Ports, run_id: str, *, actor: str, reason: str, withdraw: bool = False
) -> Sequence[Deployment]:
    """Take the challenger's role away: from the first window that is not scored yet, the champion predicts all rows.

    With `withdraw`, those of the windows before, too, once they are scored again.
    Errors: `DeploymentConflict` when somebody else moved the stage first.
    """
    first = _first_canary(stage, ports.ledger).id if withdraw else None
    entry = _later(stage, as_of, run_id, actor=actor, reason=reason)
    entry = ports.ledger.deploy(replace(entry, ends=True, withdraws=first))
    follow(stage.use_case, ports)
    return [entry]


def _first_canary(stage: Deployment, ledger: Ledger) -> Deployment:
    """The first stage in which this challenger predicted published rows, or the stage itself."""
    by_id = {entry.id: entry for entry in ledger.deployments(stage.use_case)}
    first = stage
    while (before := by_id.get(first.supersedes)) is not None:
        if not before.share or before.ends or before.model_digest != stage.model_digest:
            break
        first = before
    return first


def follow(use_case: str, ports: Ports) -> None:
    """Let the registry's aliases follow the ledger's entries."""
    for role in DeployedRole:
        ports.registry.set_alias(use_case, role, alias_of(ports.ledger.current_deployment(use_case, role)))


def alias_of(entry: Deployment | None) -> str | None:
    """The version that the alias of a role should point at, by the role's last entry."""
    return None if entry is None or entry.ends else entry.model_version


def required_stage(use_case: str, ledger: Ledger) -> Deployment:
    """The stage under way. Errors: `NoModel` when there is none."""
    stage = current_stage(use_case, ledger)
    if stage is None:
        raise NoModel(f"{use_case} has no roll-out under way. `perennial models {use_case}` shows what there is.")
    return stage


def standby_entry(use_case: str, ledger: Ledger) -> Deployment | None:
    """How the version that stands by became champion last; None where no champion was before the present one."""
    champions = [each for each in ledger.deployments(use_case) if each.role is DeployedRole.CHAMPION]
    version = standby_of([each.model_version for each in champions])
    return next((each for each in reversed(champions) if each.model_version == version), None)


def unfinished_rollbacks(use_case: str, ledger: Ledger) -> list[Deployment]:
    """The entries that took windows from another model, and not all of which are known to be scored again.

    They end a canary that was withdrawn, or put back a champion that rescores.
    """
    asking = [e for e in ledger.deployments(use_case) if e.withdraws is not None or e.rescores_from is not None]
    if not asking:
        return []
    done = {each.subject for each in ledger.interventions(use_case, InterventionKind.ROLLED_BACK)}
    return [each for each in asking if str(each.id) not in done]


def _later(stage: Deployment, as_of: datetime, run_id: str, *, actor: str, reason: str) -> Deployment:
    """An entry that supersedes the stage and is like it."""
    return replace(
        stage,
        supersedes=stage.id,
        effective_from=as_of,
        actor=actor,
        reason=reason,
        run_id=run_id,
        recorded_at=None,
        id=None,
    )


def _named(champion: Deployment | None) -> str:
    return f"version {champion.model_version} (deployment {champion.id})" if champion else "nobody"
