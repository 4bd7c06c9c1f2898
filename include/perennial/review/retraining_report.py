"""The report on a retraining: what it learnt from, how the candidates were judged, and what came of it."""

from dataclasses import dataclass
from typing import Literal

from perennial.errors import PerennialError
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.ports import Ports
from perennial.records.training_set import TrainingManifest, read_manifest
from perennial.spec.load import LoadedUseCase
from perennial.verdict import PROMOTE


@dataclass(frozen=True)
class RetrainingReport:
    """What is on record about the retraining that a run did; what it has not done is None.

    `previous` is the champion that its winner replaced. `training` is None, too, where retention took the manifest,
    and `training_gone` says so.
    """

    use_case: str
    title: str
    run_id: str
    sentence: str
    decision: RecordedDecision | None
    deployment: Deployment | None
    previous: Deployment | None
    training: TrainingManifest | None
    training_gone: str | None
    model_address: str | None
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, run_id: str, ports: Ports) -> RetrainingReport:
    """What the run of that name in the ledger decided and deployed. Errors: `StoreUnavailable`."""
    name, ledger = use_case.name, ports.ledger
    decisions = [each for each in ledger.decisions(name, DecisionKind.PROMOTE) if each.run_id == run_id]
    champions = [each for each in ledger.deployments(name) if each.role is DeployedRole.CHAMPION]
    deployed = [each for each in champions if each.run_id == run_id]
    decision, deployment = decisions[-1] if decisions else None, deployed[-1] if deployed else None
    training, gone = _training(decision, ports)
    return RetrainingReport(
        use_case=name,
        title=use_case.spec.title,
        run_id=run_id,
        sentence=_sentence(decision, deployment),
        decision=decision,
        deployment=deployment,
        previous=next((each for each in champions if deployment and each.id == deployment.supersedes), None),
        training=training,
        training_gone=gone,
        model_address=ports.registry.address(name, deployment.model_version) if deployment else None,
    )


def _training(decision: RecordedDecision | None, ports: Ports) -> tuple[TrainingManifest | None, str | None]:
    if decision is None:
        return None, None
    try:
        return read_manifest(decision.subject.partition(" ")[0], ports), None
    except PerennialError as error:
        return None, str(error)


def _sentence(decision: RecordedDecision | None, deployment: Deployment | None) -> str:
    if decision is None:
        return "No candidate has been judged in this run."
    if decision.action != PROMOTE:
        return "The champion stays: no candidate was better."
    if deployment is None:
        return "A candidate won, and is not deployed yet."
    return f"Version {deployment.model_version} is the champion, for data from {deployment.effective_from:%Y-%m-%d} on."
