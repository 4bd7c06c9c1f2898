"""How much harm the use case can do: a short questionnaire, and the tier that follows from its answers."""

from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Literal

from pydantic import Field

from perennial.spec.fields import Duration, Spec


class RiskTier(StrEnum):
    """What a new model needs before it serves: the gates alone, one approver, or two and a period in shadow."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def approvers(self) -> int:
        """How many people must approve a new model."""
        return {"low": 0, "medium": 1, "high": 2}[self.value]


class _Grade(IntEnum):
    LOW = 1
    MEDIUM = 2
    HIGH = 3


_AUTONOMY = {"advises": 1, "acts_unless_stopped": 2, "decides": 3}
_MOST_OF_LOW = 4  # of 27
_MOST_OF_MEDIUM = 12


class Risk(Spec):
    """The answers that set the tier."""

    purpose: str = Field(min_length=1, description="What the predictions are used for, in a sentence.")
    impact: Literal["low", "medium", "high"] = Field(
        description="The harm of a wrong prediction to a person or to the business."
    )
    likelihood: Literal["low", "medium", "high"] = Field(description="How easily a wrong prediction leads to it.")
    autonomy: Literal["advises", "acts_unless_stopped", "decides"] = Field(
        description="What is between a prediction and its effect: a person decides, a person can stop it, or nobody."
    )
    personal_data: bool = Field(description="Whether rows are about persons. Then the tier is never low.")
    answer_within: Duration = Field(
        timedelta(days=3), description="How long each approver has to answer; after that a new model is rejected."
    )

    @property
    def score(self) -> int:
        """The product of impact, likelihood and autonomy, each from 1 to 3."""
        return _Grade[self.impact.upper()] * _Grade[self.likelihood.upper()] * _AUTONOMY[self.autonomy]

    @property
    def tier(self) -> RiskTier:
        """`low` up to a score of 4 without personal data, `medium` up to 12, `high` above."""
        if self.score > _MOST_OF_MEDIUM:
            return RiskTier.HIGH
        if self.score > _MOST_OF_LOW or self.personal_data:
            return RiskTier.MEDIUM
        return RiskTier.LOW
