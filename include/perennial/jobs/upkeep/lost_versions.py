"""Lost versions: model versions that the ledger has in its line of deployments, and the registry no longer has.

An older backup of the registry leaves that. The lake keeps each model under its digest, so that the version can be
registered again: with the same bytes, and under the same number, as long as the registry gives that number next.
"""

import logging

from perennial.errors import PermanentError
from perennial.jobs.retrain import register
from perennial.ledger.entries import DeployedRole, Deployment, Intervention, InterventionKind
from perennial.ports import Ports
from perennial.records.retirement import archived_versions
from perennial.spec.models import UseCase

log = logging.getLogger(__name__)


def registered_again(spec: UseCase, ports: Ports, run_id: str, actor: str) -> list[str]:
    """Register again what the registry has lost, the lowest number first; a sentence for each, which is on record.

    It ends at the first version that can't be: each later one would get another number. Errors: `StoreUnavailable`.
    """
    done = []
    lost = _lost(spec.name, ports)
    newest = max((int(each.version) for each in ports.registry.versions(spec.name)), default=0) if lost else 0
    for number, entry in enumerate(lost, start=newest + 1):
        if entry.model_version != str(number):
            break
        try:
            registered = register.again(spec, entry, ports)
        except PermanentError as error:
            log.warning("%s: %s", spec.name, error)
            break
        text = (
            f"version {entry.model_version} was lost by the registry, and registered again as {registered.version} "
            f"with the same bytes ({entry.model_digest[:12]})"
        )
        log.warning("%s: %s", spec.name, text)
        details = {"digest": entry.model_digest, "deployment": entry.id, "registered": registered.version}
        ports.ledger.record_intervention(
            Intervention(
                spec.name, InterventionKind.VERSION_RESTORED, entry.model_version, actor, text, details, run_id
            )
        )
        done.append(text)
    return done


def still_missing(use_case: str, ports: Ports) -> dict[DeployedRole, str]:
    """Of each role whose version the registry does not have, or has with another model: what a person is to do.

    Errors: `StoreUnavailable`.
    """
    current = {role: ports.ledger.current_deployment(use_case, role) for role in DeployedRole}
    held = {role: entry for role, entry in current.items() if entry is not None and not entry.ends}
    there = {each.version: each.digest for each in ports.registry.versions(use_case)} if held else {}
    champions = (each for each in ports.ledger.deployments(use_case) if each.role is DeployedRole.CHAMPION)
    usable = dict.fromkeys(e.model_version for e in champions if there.get(e.model_version) == e.model_digest)
    back = f"; else `perennial rollback {use_case} VERSION --reason …` (it has {', '.join(usable)})" if usable else ""
    return {
        role: f"{use_case}: the registry {_found(entry.model_version, there)}, which is {role} in the ledger with the "
        f"model {entry.model_digest[:12]}: the registry is older than the ledger. Bring back a newer backup of MLflow"
        f"{back}. Windows that need the version fail until then."
        for role, entry in held.items()
        if there.get(entry.model_version) != entry.model_digest
    }


def _lost(use_case: str, ports: Ports) -> list[Deployment]:
    """The first deployment of each version that the registry lacks and that is not archived, by number."""
    first: dict[str, Deployment] = {}
    for entry in ports.ledger.deployments(use_case):
        first.setdefault(entry.model_version, entry)
    there = {each.version for each in ports.registry.versions(use_case)} if first else set()
    gone = there | archived_versions(use_case, ports.ledger).keys() if first.keys() - there else there
    lost = [entry for version, entry in first.items() if version not in gone and version.isdigit()]
    return sorted(lost, key=lambda entry: int(entry.model_version))


def _found(version: str, there: dict[str, str]) -> str:
    if version not in there:
        return f"has no version {version}"
    return f"has another model ({there[version][:12]}) as version {version}"
