"""Archive: versions that were superseded long ago leave service for good, and come back with one command.

The ledger says first that a version is archived; the registry follows, and its mark comes last. So a run that was
killed is finished by the next one. What shows how a version came to be is removed nowhere.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from perennial.artifacts.port import Artifacts
from perennial.encoding import json_bytes
from perennial.errors import NoModel, PermanentError, UntrustedModel
from perennial.jobs.retrain.export import exported_of
from perennial.ledger.entries import Batch, DecisionKind, DeployedRole, Intervention, InterventionKind
from perennial.ledger.port import Ledger
from perennial.policy.archive import Choice, Fate, Kind, Tenure, choose, kind_of
from perennial.ports import Ports
from perennial.records.retirement import archived_versions, last_archived, restored_versions
from perennial.records.scorers import parts_of
from perennial.registry.port import MODEL_FILE
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.retirement import Artefacts
from perennial.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """What would become of a version: `moved` bytes go to the archive, `removed` bytes can be made again."""

    version: str
    fate: Fate
    reason: str
    moved: int = 0
    removed: int = 0


@dataclass(frozen=True)
class Archived:
    """A version that was archived, or whose archiving or restoring was finished after a run that was killed."""

    version: str
    done: str
    reason: str


@dataclass(frozen=True)
class Restored:
    """A version that may serve again, and the files that came back from the archive."""

    version: str
    digest: str
    files: tuple[str, ...]


def plan(use_case: LoadedUseCase, as_of: datetime, ports: Ports) -> list[Planned]:
    """What `run` would do with each version. Errors: `StoreUnavailable`."""
    return [_planned(use_case.spec, choice, ports) for choice in _choices(use_case.spec, as_of, ports)]


def run(
    use_case: LoadedUseCase, as_of: datetime, ports: Ports, archive: Artifacts, run_id: str, *, actor: str
) -> list[Archived]:
    """Archive the versions that are due as of then. One that can't be archived holds no other back.

    Errors: `UntrustedModel` when the registry's bytes are not those that were deployed; `StoreUnavailable`.
    """
    spec = use_case.spec
    done = _settle(spec, ports, archive)
    errors: list[PermanentError] = []
    for choice in _choices(spec, as_of, ports):
        if choice.fate is not Fate.ARCHIVE:
            continue
        try:
            entry = _archive(spec, choice, as_of, ports, archive, run_id, actor)
        except PermanentError as error:
            log.exception("%s: version %s stays as it is.", spec.name, choice.version)
            errors.append(error)
            continue
        if entry is not None:
            log.info("%s: version %s was archived: %s", spec.name, choice.version, choice.reason)
            done.append(Archived(choice.version, "archived", choice.reason))
    if errors:
        raise errors[0]
    return done


def restore(
    use_case: LoadedUseCase, version: str, ports: Ports, archive: Artifacts, run_id: str, *, actor: str, reason: str
) -> Restored:
    """Let an archived version serve again, with its files in the registry. A restoring that was cut off is finished.

    Errors: `NoModel` when it is not archived, `UntrustedModel` when the archive's bytes are gone or others,
    `StoreUnavailable`.
    """
    name = use_case.name
    entry = last_archived(name, version, ports.ledger)
    archived = archived_versions(name, ports.ledger)
    marked = {each.version for each in ports.registry.versions(name) if each.archived}
    if entry is None or (version not in archived and version not in marked):
        known = ", ".join(sorted(archived)) or "none"
        raise NoModel(f"Version {version} of {name} is not archived: there is nothing to restore. Archived: {known}.")
    files = _from_archive(entry, archive)
    if version in archived:
        details = {"digest": entry.details["digest"], "archived": entry.id, "files": sorted(files)}
        ports.ledger.record_intervention(
            Intervention(name, InterventionKind.VERSION_RESTORED, version, actor, reason, details, run_id)
        )
    _put_back(entry, files, ports)
    return Restored(version, entry.details["digest"], tuple(sorted(files)))


def _choices(spec: UseCase, as_of: datetime, ports: Ports) -> tuple[Choice, ...]:
    ledger = ports.ledger
    return choose(
        _tenures(spec.name, ledger),
        as_of,
        spec.archive_after,
        needed=_needed(spec, as_of, ledger),
        archived=archived_versions(spec.name, ledger),
        restored=restored_versions(spec.name, ledger),
    )


def _tenures(use_case: str, ledger: Ledger) -> list[Tenure]:
    entries = ledger.deployments(use_case)
    until: dict[int | None, datetime] = {}
    for role in DeployedRole:
        for entry, following in pairwise([each for each in entries if each.role is role]):
            assert following.recorded_at is not None, "a stored entry has the time it was recorded"
            until[entry.id] = max(following.recorded_at, following.effective_from)
    # An entry that ends a roll-out gives the role to nobody: it holds nothing.
    holding = [each for each in entries if not each.ends]
    return [Tenure(each.role, each.model_version, each.model_digest, until.get(each.id)) for each in holding]


def _needed(spec: UseCase, as_of: datetime, ledger: Ledger) -> dict[str, str]:
    """What needs a version: windows that may still be scored again by it, or measured."""
    lately = as_of - max(spec.archive_after, spec.late_data)
    scored = _versions(ledger.batches_between(spec.name, lately, as_of))
    waiting = _versions(ledger.batches_without_truth(spec.name, as_of))
    named = spec.grid.name_of
    return {
        **{version: f"it scored the window {named(window)}" for version, window in scored.items()},
        **{version: f"it scored the window {named(at)}, which waits for labels" for version, at in waiting.items()},
    }


def _versions(batches: Sequence[Batch]) -> dict[str, Window]:
    """The versions that predicted rows of the batches, each with the last window."""
    return {part.model_version: batch.window for batch in batches for part in parts_of(batch)}


def _planned(spec: UseCase, choice: Choice, ports: Ports) -> Planned:
    if choice.fate is not Fate.ARCHIVE or spec.archive.artefacts is Artefacts.KEEP:
        return Planned(choice.version, choice.fate, choice.reason)
    sizes = dict.fromkeys(Kind, 0)
    for path, size in ports.registry.files(spec.name, choice.version).items():
        sizes[kind_of(path)] += size
    return Planned(choice.version, choice.fate, choice.reason, sizes[Kind.MODEL], sizes[Kind.REMAKEABLE])


def _archive(
    spec: UseCase, choice: Choice, as_of: datetime, ports: Ports, archive: Artifacts, run_id: str, actor: str
) -> Intervention | None:
    """None when the version is no longer to be archived: somebody put it into service meanwhile."""
    move = spec.archive.artefacts is Artefacts.MOVE
    copied = _copied(spec.name, choice, ports, archive) if move else {}
    with ports.ledger.deciding(spec.name):  # no rollback comes in between
        if not any(each == choice for each in _choices(spec, as_of, ports)):
            return None
        entry = ports.ledger.record_intervention(
            Intervention(
                use_case=spec.name,
                kind=InterventionKind.VERSION_ARCHIVED,
                subject=choice.version,
                actor=actor,
                reason=choice.reason,
                details={"digest": choice.digest, "artefacts": spec.archive.artefacts.value, "files": copied},
                run_id=run_id,
            )
        )
    _follow(entry, ports)
    return entry


def _copied(use_case: str, choice: Choice, ports: Ports, archive: Artifacts) -> dict[str, dict[str, object]]:
    """Copy what shows how the version came to be to the archive, and read it back: each path's digest and size."""
    ports.registry.content(use_case, choice.version, choice.digest)  # nothing but what was deployed is archived
    copied: dict[str, dict[str, object]] = {}
    for path in sorted(ports.registry.files(use_case, choice.version)):
        if kind_of(path) is Kind.REMAKEABLE:
            continue
        content = ports.registry.attached(use_case, choice.version, path)
        if content is not None:
            digest = archive.put(content)
            copied[path] = {"digest": digest, "bytes": len(archive.get(digest))}
    if copied.get(MODEL_FILE, {}).get("digest") != choice.digest:
        raise UntrustedModel(
            f"The model of version {choice.version} of {use_case} changed in the registry while it was archived. "
            "Nothing was removed; find out who writes there, and run this again."
        )
    return copied


def _follow(entry: Intervention, ports: Ports) -> None:
    """Let the registry follow the ledger's entry: what was copied, or can be made again, goes; the mark comes last."""
    use_case, version = entry.use_case, entry.subject
    copied: Mapping[str, object] = entry.details["files"]
    if copied:
        there = ports.registry.files(use_case, version)
        gone = [p for p in there if kind_of(p) is Kind.REMAKEABLE or (kind_of(p) is Kind.MODEL and p in copied)]
        ports.registry.remove(use_case, version, gone)
    ports.registry.mark_archived(use_case, version, archived=True)


def _from_archive(entry: Intervention, archive: Artifacts) -> dict[str, bytes]:
    """What the registry lacks of an archived version, each file checked against its digest."""
    try:
        return {
            path: archive.get(str(each["digest"]))
            for path, each in entry.details["files"].items()
            if kind_of(path) is Kind.MODEL
        }
    except UntrustedModel as error:
        raise UntrustedModel(
            f"Version {entry.subject} of {entry.use_case} can't be restored from the archive: {error}"
        ) from error


def _put_back(entry: Intervention, files: Mapping[str, bytes], ports: Ports) -> None:
    use_case, version = entry.use_case, entry.subject
    if files:
        ports.registry.attach(use_case, version, {**files, **_exports(entry, ports)})
        ports.registry.content(use_case, version, entry.details["digest"])
    ports.registry.mark_archived(use_case, version, archived=False)


def _exports(entry: Intervention, ports: Ports) -> dict[str, bytes]:
    """The version's exports with their certificates, as the ledger knows them."""
    made = [exported_of(each) for each in ports.ledger.decisions(entry.use_case, DecisionKind.EXPORT)]
    files: dict[str, bytes] = {}
    for each in made:
        if each.version == entry.subject and each.path and each.digest:
            files[each.path] = ports.artifacts.get(each.digest)
            files[f"exports/{each.format}.certificate.json"] = json_bytes(each.certificate)
    return files


def _settle(spec: UseCase, ports: Ports, archive: Artifacts) -> list[Archived]:
    """Finish what a killed run began: the registry's marks are made to agree with the ledger."""
    archived = archived_versions(spec.name, ports.ledger)
    restored = restored_versions(spec.name, ports.ledger).keys() - archived.keys()
    if not archived and not restored:
        return []
    done = []
    for each in ports.registry.versions(spec.name):
        if each.version in archived and not each.archived:
            _follow(archived[each.version], ports)
            done.append(Archived(each.version, "archiving finished", archived[each.version].reason))
        entry = last_archived(spec.name, each.version, ports.ledger) if each.version in restored else None
        if entry is not None and each.archived:
            _put_back(entry, _from_archive(entry, archive), ports)
            done.append(Archived(each.version, "restoring finished", entry.reason))
    return done
