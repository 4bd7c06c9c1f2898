"""Roll back: an earlier version takes the champion's role again, with a reason.

With `rescore_from`, it is in force for windows of before, too. Those are scored again by `jobs.evaluate.rescore`, after
this: who rolls back wants the next window to be right first.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from perennial.code_version import code_version, lock_digest
from perennial.errors import InvalidSettings, NoModel
from perennial.jobs.retrain.deploy import Deployed, deployed
from perennial.ledger.entries import DeployedRole, Deployment
from perennial.policy.standby import standby_of
from perennial.ports import Ports
from perennial.records.retirement import refuse_archived, refuse_ended
from perennial.spec.load import LoadedUseCase

log = logging.getLogger(__name__)


def run(
    use_case: LoadedUseCase,
    version: str | None,
    ports: Ports,
    run_id: str,
    *,
    actor: str,
    reason: str,
    effective_from: datetime | None = None,
    rescore_from: datetime | None = None,
) -> Deployed:
    """Deploy a version that was deployed before, from `effective_from` on (default: from the next unscored window).

    Without a version it is the one that stands by: the champion before the present one. From `rescore_from` on, windows
    that are scored already are the version's, too. A retry of the run finds what it did.
    Errors: `NoModel` when the version never held the role, or none stands by; `InvalidSettings` for times that the
    version can't serve, or without a version after a rollback; `VersionArchived`, `UseCaseEnded`, `DeploymentConflict`,
    `StoreUnavailable`.
    """
    ledger = ports.ledger
    refuse_ended(use_case.name, ledger)
    entries = [e for e in ledger.deployments(use_case.name) if e.role is DeployedRole.CHAMPION]
    if entries and entries[-1].run_id == run_id and version in (None, entries[-1].model_version):
        return deployed(entries[-1], use_case, ports)
    version = version or _standby(use_case.name, entries)
    earlier = next((entry for entry in reversed(entries) if entry.model_version == version), None)
    if earlier is None:
        known = ", ".join(sorted({entry.model_version for entry in entries})) or "none"
        raise NoModel(f"{use_case.name} never had version {version!r} in service; versions that were: {known}.")
    current = entries[-1]
    known_from = current.rescores_from or current.effective_from
    if current.model_digest == earlier.model_digest and (rescore_from is None or known_from <= rescore_from):
        log.info("%s: version %s is the champion already", use_case.name, version)
        return deployed(current, use_case, ports)
    if rescore_from is not None:
        _refuse_times(use_case.name, version, entries, effective_from, rescore_from)
    last = ledger.last_ingested(use_case.name)
    scored_before = rescore_from is not None and last is not None and rescore_from < last.end
    entry = Deployment(
        use_case=use_case.name,
        role=DeployedRole.CHAMPION,
        model_version=earlier.model_version,
        model_digest=earlier.model_digest,
        effective_from=effective_from or (last.end if scored_before and last else current.effective_from),
        supersedes=current.id,
        actor=actor,
        reason=reason,
        training=earlier.training,
        metrics=earlier.metrics,
        approved_by=actor,
        code_version=code_version(),
        lock_digest=lock_digest(),
        run_id=run_id,
        rescores_from=rescore_from if scored_before else None,
    )
    with ledger.deciding(use_case.name):  # no archiving comes in between
        refuse_archived(use_case.name, version, ledger)
        entry = ledger.deploy(entry)
    return deployed(entry, use_case, ports)


def _standby(use_case: str, entries: Sequence[Deployment]) -> str:
    """The version that stands by. Going back once more is asked for by name: a command may have been given twice."""
    versions = [entry.model_version for entry in entries]
    version = standby_of(versions)
    if version is None:
        raise NoModel(
            f"{use_case} has no champion before the present one, so there is nothing to go back to. Versions that were "
            f"in service: {', '.join(dict.fromkeys(versions)) or 'none'}."
        )
    if versions.index(versions[-1]) < len(versions) - 1:
        last = entries[-1]
        raise InvalidSettings(
            f"Version {last.model_version} of {use_case} was put back by {last.actor} on "
            f"{last.recorded_at:%Y-%m-%d %H:%M} UTC already ({last.reason}). To go further back, to version "
            f"{version}, name it."
        )
    return version


def _refuse_times(
    use_case: str, version: str, entries: Sequence[Deployment], effective_from: datetime | None, rescore_from: datetime
) -> None:
    first = next(entry.effective_from for entry in entries if entry.model_version == version)
    if effective_from is not None:
        raise InvalidSettings(
            "Give rescore_from or effective_from, not both: from rescore_from on, the version serves all windows."
        )
    if rescore_from < first:
        raise InvalidSettings(
            f"Version {version} of {use_case} came into service for windows from {first:%Y-%m-%dT%H:%MZ} on, and may "
            f"have learnt from those before; it can't score windows from {rescore_from:%Y-%m-%dT%H:%MZ} on again. "
            f"Give rescore_from {first:%Y-%m-%dT%H:%MZ} or later."
        )
