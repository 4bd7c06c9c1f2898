"""Rescore: the windows of a canary that was rolled back are predicted again by the champion alone.

What is left to do is read off the ledger: live revisions with rows by a challenger whose stages were withdrawn. So a
run that was killed anywhere is finished by the next.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from perennial.errors import PermanentError
from perennial.jobs.predict import score
from perennial.ledger.entries import Batch, Deployment, Intervention, InterventionKind
from perennial.ports import Ports
from perennial.records.model_choice import ModelChoice
from perennial.records.scorers import challengers_part
from perennial.spec.load import LoadedUseCase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rescored:
    """How many windows of the canary were scored again by this run, and which can't be, each with the reason.

    `seconds` passed from the decision to the last of its windows that was scored again; None while some are left.
    """

    windows: int
    failed: tuple[str, ...]
    seconds: float | None


def run(use_case: LoadedUseCase, ports: Ports, run_id: str, *, actor: str) -> Rescored | None:
    """Score again what the last roll-back withdrew; None where there is nothing to do.

    A newer challenger may have begun since. Each window keeps its earlier revisions. When all are done, an intervention
    says how long it took, once. Errors: `StoreUnavailable`, `WindowBusy`, `LeaseLost`, `DeploymentMoved`.
    """
    ledger, name = ports.ledger, use_case.name
    entry = next((each for each in ledger.deployments(name)[::-1] if each.withdraws is not None), None)
    if entry is None or _is_told(entry, ports):
        return None
    first = next(each for each in ledger.deployments(name) if each.id == entry.withdraws)
    affected = [each for each in _of_time(first, entry, ports) if _is_withdrawn(each, entry)]
    done, failed = 0, []
    for batch in affected:
        try:
            score.run(use_case, batch.window, ports, run_id, model=ModelChoice())
            done += 1
        except PermanentError as error:
            log.warning("%s %s: can't be scored again: %s", name, batch.window, error)
            failed.append(f"{batch.window}: {type(error).__name__}: {error}")
    if failed:
        return Rescored(done, tuple(failed), None)
    with ledger.deciding(name):  # another evaluation may have done the same meanwhile
        return None if _is_told(entry, ports) else Rescored(done, (), _recorded(first, entry, ports, run_id, actor))


def _is_told(entry: Deployment, ports: Ports) -> bool:
    """Whether all windows of a roll-back were scored again, which is on record then."""
    told = ports.ledger.interventions(entry.use_case, InterventionKind.ROLLED_BACK)
    return any(each.subject == str(entry.id) for each in told)


def _of_time(first: Deployment, entry: Deployment, ports: Ports) -> Sequence[Batch]:
    return ports.ledger.batches_between(entry.use_case, first.effective_from, entry.effective_from)


def _is_withdrawn(batch: Batch, entry: Deployment) -> bool:
    part = challengers_part(batch)
    return part is not None and part.model_digest == entry.model_digest


def _recorded(first: Deployment, entry: Deployment, ports: Ports, run_id: str, actor: str) -> float:
    """The seconds from the decision to the last window's new revision, which go on record."""
    batches = [each for each in _of_time(first, entry, ports) if each.revision > 1]
    begun = entry.recorded_at
    last = max((each.recorded_at for each in batches if each.recorded_at), default=begun)
    seconds = (last - begun).total_seconds() if last and begun else 0.0
    ports.ledger.record_intervention(
        Intervention(
            use_case=entry.use_case,
            kind=InterventionKind.ROLLED_BACK,
            subject=str(entry.id),
            actor=actor,
            reason=entry.reason,
            details={"version": entry.model_version, "windows": len(batches), "seconds": max(seconds, 0.0)},
            run_id=run_id,
        )
    )
    log.warning(
        "%s: version %s was rolled back; %d windows were scored again, %.0f s after the decision",
        *(entry.use_case, entry.model_version, len(batches), seconds),
    )
    return max(seconds, 0.0)
