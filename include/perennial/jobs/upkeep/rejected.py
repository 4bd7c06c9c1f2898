"""Rejected: what retrainings left whose models never served is removed once it is old.

That is their training sets, the bytes of their candidates and their manifests, and their runs with pictures in the
registry. What the ledger says of them stays: the decision with its numbers and reasons, and what the judge found.
A retraining of which any model ever held a role keeps all of it, and so does one that people are asked about.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.errors import UntrustedModel
from perennial.jobs.retrain.register import TRAINING_ID
from perennial.lake.port import training_table
from perennial.ledger.entries import DecisionKind, Intervention, InterventionKind
from perennial.ports import Ports
from perennial.records.judgement import JUDGED
from perennial.records.training_set import read_manifest, weighted_partition
from perennial.registry.retraining import ShownRetraining
from perennial.spec.load import LoadedUseCase

log = logging.getLogger(__name__)

SUBJECT = "rejected retrainings"


@dataclass(frozen=True)
class Rejected:
    """What is removed, or would be: partitions of training sets, digests of artefacts, and runs of retrainings."""

    what: str
    training_sets: tuple[str, ...]
    artefacts: tuple[str, ...]
    retrainings: tuple[str, ...]
    bytes: int
    reason: str


@dataclass(frozen=True)
class RejectedRemoved:
    """How much was removed."""

    what: str
    files_removed: int
    retrainings: int
    bytes: int


@dataclass(frozen=True)
class _Kept:
    """What the ledger needs: training sets by their ids and partitions, and models by their digests."""

    training_ids: frozenset[str]
    partitions: frozenset[str]
    digests: frozenset[str]


@dataclass(frozen=True)
class _Found:
    said: Rejected
    shown: tuple[ShownRetraining, ...]


def plan(use_case: LoadedUseCase, as_of: datetime, ports: Ports) -> list[Rejected]:
    """What `run` would remove; empty where that is nothing. Errors: `StoreUnavailable`."""
    found = _find(use_case, as_of, ports)
    return [found.said] if found else []


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, *, actor: str) -> list[RejectedRemoved]:
    """Say in the ledger what will be gone, and remove it; a run that was killed is finished by the next one.

    Errors: `StoreUnavailable`.
    """
    found = _find(use_case, as_of, ports)
    if found is None:
        return []
    name, said = use_case.name, found.said
    ports.ledger.record_intervention(
        Intervention(
            use_case=name,
            kind=InterventionKind.FILES_REMOVED,
            subject=SUBJECT,
            actor=actor,
            reason=said.reason,
            details={
                "training_sets": said.training_sets,
                "artefacts": said.artefacts,
                "retrainings": said.retrainings,
                "bytes": said.bytes,
            },
            run_id=run_id,
        )
    )
    log.info(
        "%s: removing %d training sets, %d artefacts and the runs of %d retrainings, %d bytes: %s",
        name, len(said.training_sets), len(said.artefacts), len(said.retrainings), said.bytes, said.reason,
    )  # fmt: skip
    if said.training_sets:
        ports.lake.drop(training_table(name), said.training_sets)
    ports.artifacts.remove(said.artefacts)
    for each in found.shown:  # last: they say which artefacts there were
        ports.registry.forget_retraining(name, each.training_id, each.run_id)
    files = len(said.training_sets) + len(said.artefacts)
    return [RejectedRemoved(SUBJECT, files, len(said.retrainings), said.bytes)]


def _find(use_case: LoadedUseCase, as_of: datetime, ports: Ports) -> _Found | None:
    name, age = use_case.name, use_case.spec.retention.rejected
    if not isinstance(age, timedelta):
        return None
    before, kept = as_of - age, _kept(name, ports)
    known = ports.registry.retrainings(name, as_of)
    going = tuple(each for each in known if each.at < before and each.training_id not in kept.training_ids)
    needed = kept.digests | {digest for each in known if each not in going for digest in each.digests}
    written = ports.lake.written(training_table(name))
    sets = {key: each for key, each in written.items() if each.at < before and key not in kept.partitions}
    digests = {digest for each in going for digest in each.digests} - needed
    sizes = ports.artifacts.sizes(sorted(digests | (_manifests(name, before, ports) - kept.training_ids)))
    if not going and not sets and not sizes:
        return None
    pictures = sum(ports.registry.retraining_size(name, each.training_id, each.run_id) for each in going)
    said = Rejected(
        what=SUBJECT,
        training_sets=tuple(sorted(sets)),
        artefacts=tuple(sorted(sizes)),
        retrainings=tuple(each.run_id for each in going),
        bytes=sum(each.bytes for each in sets.values()) + pictures + sum(sizes.values()),
        reason=f"none of their models served, and they are older than {age.days} days",
    )
    return _Found(said, going)


def _kept(use_case: str, ports: Ports) -> _Kept:
    """Of every model that ever held a role, and of those that people are asked about."""
    ledger = ports.ledger
    ids, partitions, digests = set(), set(), set()
    for entry in ledger.deployments(use_case):
        digests |= {entry.model_digest, str(entry.training.get(JUDGED))}
        if "partition" in entry.training:
            partitions.add(str(entry.training["partition"]))
        if TRAINING_ID in entry.training:
            ids.add(str(entry.training[TRAINING_ID]))
    asked = ledger.last_approval_request(use_case)
    if asked is not None:
        ids.add(asked.training_id)
        digests.add(asked.model_digest)
        partitions |= _partition(asked.training_id, ports)
    partitions |= {weighted_partition(each) for each in partitions}
    return _Kept(frozenset(ids), frozenset(partitions), frozenset(digests))


def _partition(training_id: str, ports: Ports) -> set[str]:
    try:
        return {read_manifest(training_id, ports).partition}
    except UntrustedModel:  # it was lost before: nothing can be deployed from it
        log.warning("The manifest %s, which people are asked about, is lost.", training_id)
        return set()


def _manifests(use_case: str, before: datetime, ports: Ports) -> set[str]:
    """The training sets that were judged before then, and not since."""
    judged = ports.ledger.decisions(use_case, DecisionKind.PROMOTE)
    ids: dict[bool, set[str]] = {True: set(), False: set()}
    for each in judged:
        ids[each.recorded_at is not None and each.recorded_at < before].add(each.subject.partition(" ")[0])
    return ids[True] - ids[False]
