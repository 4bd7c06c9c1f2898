"""Register: a model that won becomes a version of the registry, and again one that the registry has lost.

The second is for a registry that an older backup was brought back to. What the version was made of is kept with its
deployment in the ledger and in the lake's store of artefacts.
"""

import json
from typing import Any

import pyarrow as pa

from perennial.errors import RowsLost
from perennial.features.build import example_rows, feature_frame
from perennial.jobs.retrain.train import Trained, candidate_of
from perennial.ledger.entries import Deployment
from perennial.ports import Ports
from perennial.records.judgement import JUDGED
from perennial.records.training_set import TrainingManifest, read_manifest, read_rows
from perennial.registry.port import ModelCandidate, RegisteredModel
from perennial.spec.models import UseCase

EXAMPLE_ROWS = 5
REGISTERED, TRAINING_ID = "registered", "training_id"  # in what a deployment says of its training
_NAME, _PARAMETERS, _REFERENCE = "candidate", "parameters", "reference_digest"


def kept_with_deployment(spec: UseCase, winner: Trained, reference_digest: str) -> dict[str, Any]:
    """What a deployment keeps, so that its version can be registered again."""
    candidate = candidate_of(spec, winner)
    parameters = {"estimator": candidate.estimator, **candidate.parameters}
    return {REGISTERED: {_NAME: winner.candidate, _PARAMETERS: parameters, _REFERENCE: reference_digest}}


def register(
    spec: UseCase,
    kept: dict[str, Any],
    digest: str,
    metrics: dict[str, float],
    manifest: TrainingManifest,
    rows: pa.Table,
    ports: Ports,
    tags: dict[str, str],
) -> RegisteredModel:
    """A version of the registry with the digest that is deployed; the one that is there, if it has it already.

    `kept` is what `kept_with_deployment` gave, `rows` are the training set's. Errors: `UntrustedModel`,
    `StoreUnavailable`.
    """
    known = kept[REGISTERED]
    return ports.registry.register(
        ModelCandidate(
            use_case=spec.name,
            name=known[_NAME],
            pipeline_bytes=ports.artifacts.get(digest),
            digest=digest,
            parameters=known[_PARAMETERS],
            metrics=metrics,
            reference=json.loads(ports.artifacts.get(known[_REFERENCE])),
            training=manifest.summary(),
            input_example=feature_frame(spec, example_rows(spec, rows, EXAMPLE_ROWS)),
            as_of=manifest.as_of,
            tags=tags,
        )
    )


def again(spec: UseCase, entry: Deployment, ports: Ports) -> RegisteredModel:
    """The deployment's model as a version once more.

    Errors: `RowsLost` where the deployment does not say what its version was made of, as early ones do not;
    `UntrustedModel`, `RowsRemoved`, `StoreUnavailable`.
    """
    training = entry.training
    if REGISTERED not in training:
        raise RowsLost(
            f"Version {entry.model_version} of {spec.name} can't be registered again: the version of Perennial that "
            "deployed it did not keep what that needs."
        )
    manifest = read_manifest(training[TRAINING_ID], ports)
    tags = {"run_id": entry.run_id, TRAINING_ID: training[TRAINING_ID], JUDGED: training[JUDGED]}
    rows = read_rows(manifest, ports)
    return register(spec, training, entry.model_digest, entry.metrics, manifest, rows, ports, tags)
