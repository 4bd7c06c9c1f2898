"""What the use case said of itself when a version was deployed: the answers that a card must not take from today."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perennial.encoding import as_json, from_json
from perennial.spec.models import UseCase

AS_DEPLOYED = "use_case"  # among a deployment's `training`; 0.1.0 did not write it


@dataclass(frozen=True)
class Risks:
    """The answers to the questionnaire (see `perennial.spec.risk.Risk`), and the score that follows."""

    purpose: str
    impact: str
    likelihood: str
    autonomy: str
    personal_data: bool
    score: int


@dataclass(frozen=True)
class AsDeployed:
    """The use case as its spec had it. `risk` is None where the questionnaire was not answered.

    `features` are the source columns that the model reads, with their kinds. At `drift_level` or below, p called a
    window drifted. `packages_digest` names the artefact with what was installed (see `perennial.card.packages`).
    """

    title: str
    description: str
    owner: str
    task: str
    label: str
    features: dict[str, str]
    metric: str
    drift_level: float
    risk_tier: str
    risk: Risks | None
    packages_digest: str


def as_deployed(spec: UseCase, packages_digest: str) -> dict[str, Any]:
    """What a deployment keeps of the spec, as JSON."""
    risk = spec.risk
    return as_json(
        AsDeployed(
            title=spec.title,
            description=spec.description,
            owner=spec.owner,
            task=spec.task.value,
            label=spec.labels.column,
            features={name: column.kind.value for name, column in spec.feature_columns.items()},
            metric=spec.training.metric,
            drift_level=spec.monitoring.false_alarms.level(spec.schedule.every),
            risk_tier=spec.risk_tier.value,
            risk=Risks(risk.purpose, risk.impact, risk.likelihood, risk.autonomy, risk.personal_data, risk.score)
            if risk
            else None,
            packages_digest=packages_digest,
        )
    )


def read_as_deployed(training: Mapping[str, Any]) -> AsDeployed | None:
    """What the deployment's `training` has of it; None where it was written before it was kept."""
    found = training.get(AS_DEPLOYED)
    return from_json(AsDeployed, found) if isinstance(found, dict) else None
