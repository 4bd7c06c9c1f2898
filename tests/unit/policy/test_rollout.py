"""What becomes of a stage, by the gains of its windows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from perennial.judgement.window_gains import WindowGain
from perennial.policy.rollout import ADVANCE, ROLL_BACK, STOP, StageEvidence, decide_stage
from perennial.spec.rollout import Rollout
from perennial.spec.training import Candidate, Training
from perennial.verdict import HOLD, Decision
from perennial.window import Window

SINCE = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SPEC = Rollout(shadow="14d", canary=(5, 25), patience="60d")


def training(**changes: object) -> Training:
    given = {"history": "90d", "holdout": "14d", "metric": "roc_auc"} | changes
    return Training(**given, candidates=(Candidate(name="a", estimator="linear"),))  # type: ignore[arg-type]


def gains(mean: float, count: int, sd: float = 0.01) -> tuple[WindowGain, ...]:
    noise = np.random.default_rng(3).normal(0, sd, count)
    noise -= noise.mean() if count else 0
    days = [Window(SINCE + n * DAY, SINCE + (n + 1) * DAY) for n in range(count)]
    return tuple(WindowGain(day, day.end + DAY, mean + float(noise[n]), 500) for n, day in enumerate(days))


def decided(
    mean: float,
    count: int,
    *,
    share: int = 0,
    days: int | None = None,
    lost: int = 0,
    spec: Rollout = SPEC,
    **changes: object,
) -> Decision:
    as_of = SINCE + (count + 1 if days is None else days) * DAY
    found = StageEvidence(share, SINCE, as_of, gains(mean, count), count + lost, count)
    return decide_stage(spec, training(**changes), found)


def test_a_challenger_that_is_better_leaves_the_shadow_for_its_first_share() -> None:
    found = decided(0.02, 30)
    assert (found.action, found.numbers["claim"], found.numbers["next_share"]) == (ADVANCE, "better", 5)
    assert "It is better." in found.reasons[0]
    assert found.reasons[-1] == "It predicts 5% of the rows from now on."
    assert found.numbers["alpha"] == pytest.approx(0.05 / 3)


def test_the_shadow_lasts_as_long_as_the_spec_says_even_if_better_is_known() -> None:
    found = decided(0.05, 30, days=13)
    assert (found.action, found.numbers["claim"]) == (HOLD, "better")
    assert found.reasons[-1] == "The shadow lasts until 2024-03-15T00:00Z at least (rollout.shadow)."
    assert found.numbers["overdue"] == 0


def test_a_shadow_without_a_canary_leads_to_the_champions_role() -> None:
    found = decided(0.02, 30, spec=Rollout(shadow="14d"))
    assert (found.action, found.numbers["next_share"], found.reasons[-1]) == (ADVANCE, None, "It becomes the champion.")


def test_a_challenger_that_is_worse_ends_in_the_shadow() -> None:
    found = decided(-0.02, 30)
    assert (found.action, found.numbers["claim"]) == (STOP, "worse")
    assert found.reasons[-1] == "The shadow ends, and the champion stays."


def test_what_is_not_decided_holds_and_says_about_how_many_windows_more() -> None:
    found = decided(0.002, 12)
    assert found.action == HOLD
    assert isinstance(found.numbers["more_windows"], int)
    assert any("more windows until it is better" in reason for reason in found.reasons)


def test_after_the_patience_not_enough_is_said_first_and_the_stage_stays() -> None:
    found = decided(0.0, 30, days=60)
    assert (found.action, found.numbers["overdue"]) == (HOLD, 1)
    assert found.reasons[0].startswith("Not enough evidence: the shadow has lasted since 2024-03-01T00:00Z")
    assert decided(0.0, 30, days=59).numbers["overdue"] == 0
    canary = decided(0.0, 0, share=5, days=70)
    assert canary.reasons[0].startswith("Not enough evidence: the canary at 5% has lasted")


def test_a_gain_that_is_too_small_to_matter_ends_the_shadow() -> None:
    found = decided(0.002, 40, min_gain=0.05)
    assert found.action == STOP
    assert "No further window could make it better by enough" in found.reasons[-1]


def test_not_worse_is_told_and_does_not_advance() -> None:
    found = decided(0.0, 60, days=30, margin=0.02)
    assert (found.action, found.numbers["claim"]) == (HOLD, "not worse")


def test_a_shadow_without_any_window_holds() -> None:
    found = decided(0.0, 0)
    assert (found.action, found.numbers["windows"], found.numbers["mean_gain"]) == (HOLD, 0, None)


@pytest.mark.parametrize(("share", "after"), [(5, 25), (25, None), (10, 25)])
def test_a_canary_without_alarm_advances(share: int, after: int | None) -> None:
    found = decided(0.01, 10, share=share)
    assert (found.action, found.numbers["next_share"]) == (ADVANCE, after)


def test_a_canary_waits_until_an_alarm_could_have_been_raised() -> None:
    found = decided(0.01, 6, share=5)
    assert found.action == HOLD
    assert found.reasons[-1].startswith("So few final windows could not raise an alarm")


def test_a_canary_that_does_harm_is_rolled_back() -> None:
    found = decided(-0.05, 20, share=25)
    assert (found.action, found.numbers["claim"]) == (ROLL_BACK, "alarm")
    assert found.reasons[-1] == "The challenger loses its 25% of the rows, and the champion predicts all again."


def test_a_canary_whose_mean_gain_is_negative_does_not_advance() -> None:
    found = decided(-0.001, 10, share=5)
    assert found.action == HOLD
    assert "no reason for the next stage" in found.reasons[-1]
    assert decided(-0.001, 10, share=5, margin=0.01).action == ADVANCE  # a loss that does not matter


def test_windows_that_one_model_could_not_score_are_told() -> None:
    found = decided(0.02, 30, lost=2)
    assert found.numbers["windows_scored"], found.numbers["windows_shadowed"] == (32, 30)
    assert found.reasons[-1].startswith("2 windows of this stage could not be scored by both models and do not count")


def test_equal_challengers_seldom_advance_however_often_one_looks() -> None:
    advanced = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(0, 0.01, 60)
        days = [Window(SINCE + n * DAY, SINCE + (n + 1) * DAY) for n in range(60)]
        all_gains = [WindowGain(day, day.end + DAY, float(noise[n]), 500) for n, day in enumerate(days)]
        looks = (
            StageEvidence(0, SINCE, SINCE + (n + 1) * DAY, tuple(all_gains[:n]), n, n) for n in (15, 20, 30, 40, 60)
        )
        advanced += any(decide_stage(SPEC, training(), each).action == ADVANCE for each in looks)
    assert advanced <= 10
