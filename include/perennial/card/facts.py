"""What is on record about a version, asked of the stores once, for all sections of its card."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from perennial.card.as_deployed import AsDeployed, read_as_deployed
from perennial.card.statements import Source, SourceKind
from perennial.errors import NoModel, PermanentError
from perennial.ledger.chain import content_digest
from perennial.ledger.entries import (
    Approval,
    DecisionKind,
    DeployedRole,
    Deployment,
    Intervention,
    InterventionKind,
    Performance,
    RecordedDecision,
)
from perennial.modeling.reference import ModelReference
from perennial.performance.maturity import Maturity
from perennial.ports import Ports
from perennial.records.judgement import Evidence
from perennial.records.judgement import find as find_judgement
from perennial.records.judgement import read as read_evidence
from perennial.records.training_set import TrainingManifest, read_manifest
from perennial.spec.models import UseCase
from perennial.window import Window

LAST_WINDOWS = 30  # of a version's service, whose performance stands on its card
# The kinds of interventions that touch a version: by a window that it learnt from, or by naming it in their details.
ON_TRAINING_WINDOWS = (InterventionKind.ROWS_ACCEPTED,)
ON_VERSIONS: dict[InterventionKind, tuple[str, ...]] = {
    InterventionKind.ALIAS_RESTORED: ("ledger", "found"),
    InterventionKind.ROLLED_BACK: ("version",),
}
OF_VERSIONS = (InterventionKind.VERSION_ARCHIVED, InterventionKind.VERSION_RESTORED)  # the subject is the version

Found = TypeVar("Found")


@dataclass(frozen=True)
class Served:
    """A time in a role, by the deployment that began it, until the next one for the role; None while it lasts.

    `again`: the version had held the role before, so this is a rollback.
    """

    deployment: Deployment
    until: datetime | None
    again: bool


@dataclass(frozen=True)
class Facts:
    """A version's records. What is not on record is None; `gone` says why, by the name of the field.

    `first` is the entry that deployed the version first, `role` the one that it has now. `performance` are the last
    final windows of its service.
    """

    spec: UseCase
    first: Deployment
    role: str | None
    served: tuple[Served, ...]
    as_deployed: AsDeployed | None
    decision: RecordedDecision | None
    evidence: Evidence | None
    manifest: TrainingManifest | None
    reference: ModelReference | None
    parameters: dict[str, str] | None
    performance: tuple[Performance, ...]
    exports: tuple[RecordedDecision, ...]
    interventions: tuple[Intervention, ...]
    approvals: tuple[Approval, ...]
    gone: dict[str, str]

    @property
    def metric(self) -> str:
        """The metric that decided, as it was then."""
        if self.as_deployed is not None:
            return self.as_deployed.metric
        return str(self.decision.numbers.get("metric", self.spec.training.metric) if self.decision else "")


def facts(spec: UseCase, version: str | None, as_of: datetime, ports: Ports) -> Facts:
    """The records about a version that was deployed, None for the champion; without one, for the last of any role.

    Performance is that of windows whose labels were final by `as_of`. Errors: `NoModel` when the version never was in
    service, `StoreUnavailable`.
    """
    entries = ports.ledger.deployments(spec.name)
    wanted = version or _default(entries)
    own = [each for each in entries if each.model_version == wanted and not each.ends]
    if not own:
        known = ", ".join(dict.fromkeys(each.model_version for each in entries)) or "none"
        if not wanted:
            raise NoModel(f"{spec.name} has no model in service yet: run the DAG {spec.name}.retrain for a first one.")
        raise NoModel(f"{spec.name} never had version {wanted} in service; versions that were: {known}.")
    first, gone = own[0], dict[str, str]()
    until: dict[int | None, datetime] = {
        each.supersedes: each.effective_from for each in entries if each.supersedes is not None
    }
    served = tuple(
        Served(each, until.get(each.id), again=_again(each, own[:number])) for number, each in enumerate(own)
    )
    decision = find_judgement(first, ports.ledger)
    training_id = first.training.get("training_id")
    manifest = (
        _unless_gone("manifest", gone, lambda: read_manifest(training_id, ports))
        if isinstance(training_id, str)
        else None
    )
    name = spec.name, first.model_version
    return Facts(
        spec=spec,
        first=first,
        role=next((each.deployment.role.value for each in served if each.until is None), None),
        served=served,
        as_deployed=read_as_deployed(first.training),
        decision=decision,
        evidence=_unless_gone("evidence", gone, lambda: read_evidence(decision, ports)) if decision else None,
        manifest=manifest,
        reference=_unless_gone(
            "reference", gone, lambda: ModelReference.from_json(ports.registry.reference(*name, first.model_digest))
        ),
        parameters=_unless_gone("parameters", gone, lambda: ports.registry.parameters(*name)),
        performance=_performance(spec, first.model_digest, _newest(served), as_of, ports),
        exports=tuple(_exports(first, ports)),
        interventions=tuple(_interventions(first, manifest, ports)),
        approvals=tuple(
            each for each in ports.ledger.approvals(spec.name) if each.model_digest in {one.model_digest for one in own}
        ),
        gone=gone,
    )


def _again(entry: Deployment, before: Sequence[Deployment]) -> bool:
    """Whether the version comes back to a role. The stages of one roll-out are no return."""
    return entry.share is None and any(each.role is entry.role for each in before)


def entry_source(entry: Deployment | RecordedDecision | Intervention | Approval) -> Source:
    """The ledger's entry as a source."""
    if isinstance(entry, Deployment):
        kind, name = SourceKind.DEPLOYMENT, f"deployment of version {entry.model_version}"
    elif isinstance(entry, RecordedDecision):
        kind, name = SourceKind.DECISION, f"decision: {entry.kind.value.replace('_', ' ')}"
    elif isinstance(entry, Approval):
        kind, name = SourceKind.APPROVAL, f"answer of {entry.approver or 'nobody'}"
    else:
        kind, name = SourceKind.INTERVENTION, f"intervention: {entry.kind.value.replace('_', ' ')}"
    return Source(kind, name, entry.id, entry.recorded_at, entry.run_id, content_digest(entry))


def artefact_source(name: str, digest: str, named_in: Deployment | RecordedDecision) -> Source:
    """An artefact, with the entry that names it."""
    return Source(SourceKind.ARTEFACT, name, named_in.id, named_in.recorded_at, named_in.run_id, digest)


def _default(entries: Sequence[Deployment]) -> str | None:
    champions = [each for each in entries if each.role is DeployedRole.CHAMPION]
    return next((each.model_version for each in reversed(champions or entries)), None)


def _newest(served: Sequence[Served]) -> Served:
    """The service that lasts; without one, the last."""
    return next((each for each in served if each.until is None), served[-1])


def _unless_gone(name: str, gone: dict[str, str], read: Callable[[], Found]) -> Found | None:
    """What is read; None where it is lost for good, and why. A store that does not answer is an error, not a loss."""
    try:
        return read()
    except PermanentError as error:
        gone[name] = str(error)
        return None


def _exports(entry: Deployment, ports: Ports) -> Sequence[RecordedDecision]:
    at = entry.effective_from
    found = ports.ledger.decisions(entry.use_case, DecisionKind.EXPORT, at, at)
    return [each for each in found if each.numbers.get("version") == entry.model_version]


def _performance(spec: UseCase, digest: str, last: Served, as_of: datetime, ports: Ports) -> tuple[Performance, ...]:
    """The last final windows of the version's last service, at most `LAST_WINDOWS`."""
    if last.until is None:
        found = ports.ledger.last_final(spec.name, as_of, LAST_WINDOWS)
    else:
        start = spec.grid.back(spec.grid.containing(last.until).start, LAST_WINDOWS)
        found = ports.ledger.performance_between(spec.name, start, last.until, as_of=as_of)
    return tuple(each for each in found if each.model_digest == digest and each.maturity is Maturity.FINAL)


def _interventions(entry: Deployment, manifest: TrainingManifest | None, ports: Ports) -> Sequence[Intervention]:
    windows: list[Window] = [each.window for each in manifest.windows] if manifest else []
    found = [
        each
        for kind in ON_TRAINING_WINDOWS
        for each in (ports.ledger.interventions_on(entry.use_case, kind, windows) if windows else ())
        if each.recorded_at and entry.recorded_at and each.recorded_at <= entry.recorded_at
    ]
    found += [
        each
        for kind, names in ON_VERSIONS.items()
        for each in ports.ledger.interventions(entry.use_case, kind)
        if entry.model_version in [each.details.get(name) for name in names]
    ]
    found += [
        each
        for kind in OF_VERSIONS
        for each in ports.ledger.interventions(entry.use_case, kind)
        if each.subject == entry.model_version
    ]
    found += [
        each
        for each in ports.ledger.interventions(entry.use_case, InterventionKind.FEATURE_ALLOWED)
        if each.recorded_at and entry.recorded_at and each.recorded_at <= entry.recorded_at
    ]
    return sorted(found, key=lambda each: each.id or 0)
