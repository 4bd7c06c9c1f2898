"""Allow a feature that looks as if it gave the outcome away: a person's word that it is known in time."""

from dataclasses import dataclass

from perennial.errors import InvalidSpec
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.port import Ledger
from perennial.ports import Ports
from perennial.spec.load import LoadedUseCase
from perennial.spec.problems import nearest


@dataclass(frozen=True)
class FeatureAllowed:
    """The column that retrainings of the use case may use from now on, however well it predicts alone."""

    column: str
    actor: str
    reason: str


def run(use_case: LoadedUseCase, column: str, ports: Ports, run_id: str, *, actor: str, reason: str) -> FeatureAllowed:
    """Put it on record. Errors: `InvalidSpec` when no feature comes from such a column or the reason is empty,
    `StoreUnavailable`.
    """
    features = use_case.spec.feature_columns
    if column not in features:
        near = nearest(column, features)
        hint = f"Did you mean {near!r}?" if near else f"They come from {', '.join(features)}."
        raise InvalidSpec(f"{use_case.name}: no feature comes from a column {column!r}. {hint}")
    if not reason.strip():
        raise InvalidSpec(f"{use_case.name}: say why {column} may be used: how is it known before the outcome?")
    ports.ledger.record_intervention(
        Intervention(
            use_case=use_case.name,
            kind=InterventionKind.FEATURE_ALLOWED,
            subject=column,
            actor=actor,
            reason=reason,
            details={
                "column": column,
                "meaning": use_case.spec.columns[column].model_dump(mode="json", exclude={"personal"}),
            },
            run_id=run_id,
        )
    )
    return FeatureAllowed(column, actor, reason)


def allowed(use_case: str, ledger: Ledger) -> dict[str, str]:
    """The columns that a person said are known in time, and who said so why. Errors: `StoreUnavailable`."""
    said = ledger.interventions(use_case, InterventionKind.FEATURE_ALLOWED)
    return {each.subject: f"allowed by {each.actor}: {each.reason}" for each in said}
