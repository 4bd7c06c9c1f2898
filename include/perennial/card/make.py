"""Make a version's model card from what is on record."""

from collections.abc import Callable
from datetime import datetime

from perennial.card.facts import Facts, facts
from perennial.card.sections.data import data
from perennial.card.sections.drift import drift
from perennial.card.sections.judgement import calibration, judgement, metrics, more, sentence, slices
from perennial.card.sections.limits import limits
from perennial.card.sections.model import identity, purpose, risk_tier
from perennial.card.sections.service import approvals, exports, interventions, performance, roles
from perennial.card.statements import ModelCard, Section
from perennial.ports import Ports
from perennial.spec.models import UseCase

# The parts in their order. To add one, write a function from the facts to a section, and name it here.
SECTIONS: tuple[Callable[[Facts], Section], ...] = (
    purpose,
    risk_tier,
    judgement,
    metrics,
    slices,
    calibration,
    more,
    performance,
    data,
    drift,
    limits,
    approvals,
    roles,
    interventions,
    exports,
    identity,
)


def model_card(spec: UseCase, version: str | None, as_of: datetime, ports: Ports) -> ModelCard:
    """The card of a version that was deployed, None for the champion; without one, for the last of any role.

    It tells of windows whose labels were final by `as_of`. Errors: `NoModel` when the version was never deployed,
    `StoreUnavailable`: what a store does not say just now is not told as if it were unknown.
    """
    return card_of(facts(spec, version, as_of, ports))


def card_of(found: Facts) -> ModelCard:
    """The card from the facts alone."""
    return ModelCard(
        use_case=found.spec.name,
        title=found.as_deployed.title if found.as_deployed else found.spec.name,
        version=found.first.model_version,
        digest=found.first.model_digest,
        role=found.role,
        sentence=sentence(found),
        sections=tuple(section(found) for section in SECTIONS),
    )
