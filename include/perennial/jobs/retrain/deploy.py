"""Deploy: the winner is registered, takes its role in the ledger, and the registry's alias follows."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.code_version import code_version, lock_digest
from perennial.drift.accumulate import thresholds_of
from perennial.drift.importance_floor import that_matter
from perennial.drift.joint_comparison import UNITS
from perennial.drift.reference import PREDICTION as PREDICTED
from perennial.encoding import as_json
from perennial.errors import NoModel
from perennial.features.build import example_rows
from perennial.jobs.retrain import approval, card, export, register
from perennial.jobs.retrain.judge import Judged
from perennial.jobs.retrain.trying.fresh_process import tried_in_this_process
from perennial.ledger.entries import IN_SERVICE, DeployedRole, Deployment
from perennial.log_context import also
from perennial.modeling.artifact import load
from perennial.modeling.decision import DECISION
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.reference import ModelReference
from perennial.modeling.trial import EXAMPLE, PREDICTION, TRIED_ROWS, ModelTrial, as_file, from_file
from perennial.ports import Ports
from perennial.records.judgement import JUDGED
from perennial.records.retirement import refuse_archived, refuse_ended
from perennial.records.retraining import THRESHOLDS
from perennial.records.rollout import begun, current_stage, follow
from perennial.records.training_set import WINDOW_COLUMN, TrainingManifest, read_manifest, read_rows
from perennial.registry.port import RegisteredModel
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deployed:
    """The deployment as the ledger has it: as champion, or as challenger with a `share` of the rows in percent."""

    deployment_id: int | None
    model_version: str
    model_digest: str
    effective_from: datetime
    role: str = DeployedRole.CHAMPION
    share: int | None = None


def run(use_case: LoadedUseCase, judged: Judged, ports: Ports, run_id: str, *, actor: str, reason: str) -> Deployed:
    """Give the judged winner the champion's role, unless somebody else changed the role since it was judged; or, where
    the spec has a `rollout`, the challenger's in its first stage (see `perennial.records.rollout`).

    Where the winner was refitted, that model is deployed; the metrics are those of the one that was judged, and the
    digests of both are kept. Exports that the spec asks for, and the model card, are made afterwards.

    Before that, the version is tried in a fresh process (see `perennial.modeling.trial`).

    Where the risk tier asks for people, they must have approved exactly this in the ledger, for this run (see
    `approval`); whoever calls.

    Registering is repeated without harm; a run that was killed after the ledger entry finds its own entry.
    Errors: `NotApproved`, `DeploymentConflict`, `NotDeployable`, `UntrustedModel`, `StoreUnavailable`, `UseCaseEnded`;
    `VersionArchived` when the winner has the bytes of a version that is in the archive.
    """
    spec = use_case.spec
    refuse_ended(spec.name, ports.ledger)
    winner, reference_digest = judged.winner, judged.reference_digest
    if winner is None or reference_digest is None:
        raise NoModel(
            f"{spec.name}: no candidate was promoted, so there is nothing to deploy: {' '.join(judged.reasons)}"
        )
    digest = judged.refitted.digest if judged.refitted else winner.digest
    entry = _deployed_before(spec, digest, run_id, ports)
    if entry is None:
        approval.require(use_case, judged, ports.ledger, run_id)
        manifest = read_manifest(judged.training_id, ports)
        rows = read_rows(manifest, ports)
        reference = json.loads(ports.artifacts.get(reference_digest))
        kept = register.kept_with_deployment(spec, winner, reference_digest)
        tags = {"run_id": run_id, register.TRAINING_ID: judged.training_id, JUDGED: winner.digest}
        registered = register.register(spec, kept, digest, winner.metrics, manifest, rows, ports, tags)
        also(model=registered.version)
        refuse_archived(spec.name, registered.version, ports.ledger)
        _try(spec, registered, rows, manifest, ports)
        wanted = Deployment(
            use_case=spec.name,
            role=DeployedRole.CHAMPION,
            model_version=registered.version,
            model_digest=digest,
            effective_from=manifest.as_of,
            supersedes=judged.champion_id,
            actor=actor,
            reason=reason,
            training={
                **manifest.summary(),
                register.TRAINING_ID: judged.training_id,
                **kept,
                THRESHOLDS: _thresholds(spec, ModelReference.from_json(reference)),
                JUDGED: winner.digest,
                "refitted": as_json(judged.refitted) if judged.refitted else None,
                **({DECISION: as_json(judged.decision)} if judged.decision else {}),
                **({IN_SERVICE: judged.in_service} if judged.in_service else {}),
                **card.kept_with_deployment(spec, winner.digest, rows, manifest, ports),
            },
            metrics=winner.metrics,
            approved_by=approval.require(use_case, judged, ports.ledger, run_id),  # again: trying takes a while
            code_version=code_version(),
            lock_digest=lock_digest(),
            run_id=run_id,
        )
        entry = begun(spec, wanted, ports)
        log.info("%s: version %s is %s from %s on", spec.name, entry.model_version, entry.role, entry.effective_from)
    done = deployed(entry, use_case, ports)
    export.after_deployment(use_case, done.model_version, ports, run_id)
    card.after_deployment(use_case, done.model_version, done.effective_from, ports)
    return done


def _deployed_before(spec: UseCase, digest: str, run_id: str, ports: Ports) -> Deployment | None:
    """The entry that has the model in service already, or in a roll-out, or had it in one that this run began."""
    known = [ports.ledger.current_deployment(spec.name, DeployedRole.CHAMPION)]
    if spec.rollout is not None:
        known += [current_stage(spec.name, ports.ledger), _made_by(run_id, digest, spec.name, ports)]
    return next((each for each in known if each is not None and each.model_digest == digest), None)


def _try(spec: UseCase, registered: RegisteredModel, rows: pa.Table, manifest: TrainingManifest, ports: Ports) -> None:
    """Try the registered version on its example and on the newest window. Errors: `NotDeployable`."""
    batch = rows.filter(pc.equal(rows.column(WINDOW_COLUMN), manifest.windows[-1].window.key))
    needed = list(spec.feature_columns)  # what is attached is read by others: no keys, no labels
    kept = ports.registry.attached(spec.name, registered.version, EXAMPLE)
    if kept is None:
        spread = np.unique(np.linspace(0, rows.num_rows - 1, TRIED_ROWS).astype(np.int64))
        example = example_rows(spec, rows.take(pa.array(spread)), TRIED_ROWS).select(needed)
        pipeline = load(ports.artifacts.get(registered.digest), registered.digest)
        predictions = predict(pipeline, spec.task, model_inputs(pipeline).frame(example))
        kept = as_file(example.append_column(PREDICTION, pa.array(predictions)))
        ports.registry.attach(spec.name, registered.version, {EXAMPLE: kept})
    trial = ModelTrial(
        use_case=spec.name,
        version=registered.version,
        task=spec.task,
        digest=registered.digest,
        content=ports.registry.content(spec.name, registered.version, registered.digest),
        example=from_file(kept),
        batch=batch.select(needed),
    )
    done = (ports.tried or tried_in_this_process)(trial)
    log.info("%s: version %s passed its trial: %s", spec.name, registered.version, done)


def _thresholds(spec: UseCase, reference: ModelReference) -> dict[str, object] | None:
    """What evidence of drift will take, for the numbers that monitoring this model is going to ask for."""
    inputs = reference.inputs
    if not inputs.windows:
        return None
    shares = {each.name: None if each.name == PREDICTED else each.importance for each in inputs.columns}
    columns = len(that_matter(shares, spec.monitoring.min_importance)) + len(UNITS) * bool(inputs.joint_columns)
    return thresholds_of(len(inputs.windows), columns, spec.monitoring.false_retrains, spec.schedule.every)


def _made_by(run_id: str, digest: str, use_case: str, ports: Ports) -> Deployment | None:
    """What this very run deployed before it was killed, also where it is over meanwhile."""
    entries = [e for e in ports.ledger.deployments(use_case) if (e.run_id, e.model_digest) == (run_id, digest)]
    return entries[0] if entries else None


def deployed(entry: Deployment, use_case: LoadedUseCase, ports: Ports) -> Deployed:
    """Let the registry's aliases follow the ledger's entries."""
    follow(use_case.name, ports)
    return Deployed(
        entry.id, entry.model_version, entry.model_digest, entry.effective_from, entry.role.value, entry.share
    )
