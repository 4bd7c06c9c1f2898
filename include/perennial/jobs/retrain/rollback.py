"""Roll back: an earlier version takes the champion's role again, with a reason."""

import logging
from datetime import datetime

from perennial.code_version import code_version, lock_digest
from perennial.errors import NoModel
from perennial.jobs.retrain.deploy import Deployed, deployed
from perennial.ledger.entries import DeployedRole, Deployment
from perennial.ports import Ports
from perennial.records.retirement import refuse_archived, refuse_ended
from perennial.spec.load import LoadedUseCase

log = logging.getLogger(__name__)


def run(
    use_case: LoadedUseCase,
    version: str,
    ports: Ports,
    run_id: str,
    *,
    actor: str,
    reason: str,
    effective_from: datetime | None = None,
) -> Deployed:
    """Deploy a version that was deployed before, from `effective_from` on (default: from the next unscored window).

    Errors: `NoModel` when the version never held the role; `VersionArchived`, `UseCaseEnded`, `DeploymentConflict`,
    `StoreUnavailable`.
    """
    refuse_ended(use_case.name, ports.ledger)
    entries = [e for e in ports.ledger.deployments(use_case.name) if e.role is DeployedRole.CHAMPION]
    earlier = next((entry for entry in reversed(entries) if entry.model_version == version), None)
    if earlier is None:
        known = ", ".join(sorted({entry.model_version for entry in entries})) or "none"
        raise NoModel(f"{use_case.name} never had version {version!r} in service; versions that were: {known}.")
    current = entries[-1]
    if current.model_digest == earlier.model_digest:
        log.info("%s: version %s is the champion already", use_case.name, version)
        return deployed(current, use_case, ports)
    entry = Deployment(
        use_case=use_case.name,
        role=DeployedRole.CHAMPION,
        model_version=earlier.model_version,
        model_digest=earlier.model_digest,
        effective_from=effective_from or current.effective_from,
        supersedes=current.id,
        actor=actor,
        reason=reason,
        training=earlier.training,
        metrics=earlier.metrics,
        approved_by=actor,
        code_version=code_version(),
        lock_digest=lock_digest(),
        run_id=run_id,
    )
    with ports.ledger.deciding(use_case.name):  # no archiving comes in between
        refuse_archived(use_case.name, version, ports.ledger)
        entry = ports.ledger.deploy(entry)
    return deployed(entry, use_case, ports)
