"""What a revision is made of: with the same four digests there is nothing new to score."""

from perennial.jobs.gate import Gated
from perennial.ledger.entries import Batch, Deployment
from perennial.spec.load import LoadedUseCase

Inputs = tuple[str, str, str, str]


def inputs(use_case: LoadedUseCase, gate: Gated, deployment: Deployment) -> Inputs:
    """Snapshot, rules it passed, what predictions depend on in the spec, and the model."""
    return (
        gate.snapshot.digest,
        gate.validation.suite_digest,
        use_case.scoring_digest,
        deployment.model_digest,
    )


def made_of(batch: Batch) -> Inputs:
    """The same of a recorded revision."""
    return (batch.snapshot_digest, batch.suite_digest, batch.scoring_digest, batch.model_digest)
