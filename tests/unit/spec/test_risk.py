"""The risk tier follows from the questionnaire."""

import pytest

from perennial.spec.risk import Risk, RiskTier


def answered(impact: str, likelihood: str, autonomy: str, personal_data: bool = False) -> Risk:
    return Risk.model_validate(
        {
            "purpose": "Which flights get a spare crew.",
            "impact": impact,
            "likelihood": likelihood,
            "autonomy": autonomy,
            "personal_data": personal_data,
        }
    )


@pytest.mark.parametrize(
    ("answers", "score", "tier"),
    [
        (("low", "low", "advises"), 1, RiskTier.LOW),
        (("medium", "medium", "advises"), 4, RiskTier.LOW),
        (("high", "medium", "advises"), 6, RiskTier.MEDIUM),
        (("medium", "medium", "decides"), 12, RiskTier.MEDIUM),
        (("high", "high", "acts_unless_stopped"), 18, RiskTier.HIGH),
        (("high", "high", "decides"), 27, RiskTier.HIGH),
    ],
)
def test_the_tier_grows_with_impact_likelihood_and_autonomy(
    answers: tuple[str, str, str], score: int, tier: RiskTier
) -> None:
    risk = answered(*answers)

    assert (risk.score, risk.tier) == (score, tier)


def test_the_tier_says_how_many_people_must_approve() -> None:
    assert [tier.approvers for tier in RiskTier] == [0, 1, 2]


def test_with_personal_data_the_tier_is_never_low() -> None:
    assert answered("low", "low", "advises", personal_data=True).tier is RiskTier.MEDIUM
