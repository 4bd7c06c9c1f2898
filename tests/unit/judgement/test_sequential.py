"""A shadow's claims: better, not worse, worse, or undecided, with what it would take."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.errors import InvalidSpec
from perennial.judgement.sequential import Claim, Question, judge_shadow
from perennial.judgement.window_gains import WindowGain
from perennial.window import Window

START, DAY = datetime(2013, 3, 1, tzinfo=UTC), timedelta(days=1)


def shadow(gains: np.ndarray | list[float], rows: int = 800, late: int = 3) -> list[WindowGain]:
    return [
        WindowGain(Window(START + i * DAY, START + (i + 1) * DAY), START + (i + late) * DAY, float(each), rows)
        for i, each in enumerate(gains)
    ]


def normal(mean: float, windows: int, sd: float = 0.004, seed: int = 1) -> np.ndarray:
    """Gains whose mean and deviation are exactly these."""
    noise = np.random.default_rng(seed).normal(size=windows)
    return mean + sd * (noise - noise.mean()) / noise.std(ddof=1)


def test_a_challenger_that_is_better_is_found_to_be_once_and_for_all() -> None:
    gains = normal(0.004, 60)
    found = judge_shadow(shadow(gains), Question("brier"))
    assert (found.claim, found.next_claim, found.more_windows) == (Claim.BETTER, None, None)
    assert found.decided_at is not None
    assert 10 < found.decided_at.windows < 40
    before = judge_shadow(shadow(gains[: found.decided_at.windows - 1]), Question("brier"))
    assert before.claim is Claim.UNDECIDED
    for windows in range(found.decided_at.windows, 61):
        assert judge_shadow(shadow(gains[:windows]), Question("brier")).decided_at == found.decided_at
    assert found.reasons[0].startswith(
        "Over 60 windows and 48,000 labelled rows the challenger's Brier score is 0.004 better than the champion's on "
        "average; the true gain is between 0.00"
    )
    assert found.reasons[0].endswith("(at every look, with 95% confidence). It is better.")


def test_a_challenger_that_is_worse_beyond_the_margin_is_worse() -> None:
    found = judge_shadow(shadow(normal(-0.004, 60)), Question("brier", margin=0.001))
    assert found.claim is Claim.WORSE
    assert found.last is not None
    assert found.last.high is not None
    assert found.last.high < -0.001
    assert found.reasons[0].endswith("It is worse by more than the margin of 0.001.")


def test_a_loss_within_the_margin_is_not_worse_and_never_better() -> None:
    found = judge_shadow(shadow(normal(-0.0005, 60)), Question("brier", margin=0.004))
    assert (found.claim, found.next_claim) == (Claim.NOT_WORSE, None)
    assert found.reasons[0].endswith("It is not worse by more than the margin of 0.004.")


def test_not_worse_becomes_better_and_says_how_far_that_is() -> None:
    gains, question = normal(0.002, 100), Question("brier", margin=0.002)
    claims = [judge_shadow(shadow(gains[:windows]), question).claim for windows in range(1, 101)]
    assert [claim for i, claim in enumerate(claims) if i == 0 or claim is not claims[i - 1]] == [
        Claim.UNDECIDED,
        Claim.NOT_WORSE,
        Claim.BETTER,
    ]
    halfway = judge_shadow(shadow(gains[: claims.index(Claim.NOT_WORSE) + 1]), question)
    assert halfway.next_claim is Claim.BETTER
    assert halfway.more_windows is not None
    assert halfway.reasons[1] == (
        f"If the gain stays as it is, it takes about {halfway.more_windows} more windows until it is better."
    )


def test_a_gain_that_is_too_small_to_be_of_interest_is_not_worse_and_waiting_is_hopeless() -> None:
    windows = shadow(normal(0.002, 100))
    found = judge_shadow(windows, Question("brier", margin=0.001, min_effect=0.006))
    assert (found.claim, found.next_claim, found.more_windows) == (Claim.NOT_WORSE, None, None)
    assert found.reasons[1] == "A gain of 0.006, the smallest of interest, is ruled out."
    assert judge_shadow(windows, Question("brier", margin=0.001, min_effect=0.002)).claim is Claim.BETTER


def test_what_is_too_small_to_be_of_interest_and_undecided_leads_to_not_worse() -> None:
    found = judge_shadow(shadow(normal(0.0005, 60)), Question("brier", min_effect=0.006))
    assert (found.claim, found.next_claim) == (Claim.UNDECIDED, Claim.NOT_WORSE)


@pytest.mark.parametrize(("mean", "margin", "towards"), [(0.001, 0.0, "better"), (-0.001, 0.0, "worse")])
def test_what_is_undecided_says_how_many_more_windows_it_takes(mean: float, margin: float, towards: str) -> None:
    found = judge_shadow(shadow(normal(mean, 30)), Question("brier", margin))
    assert (found.claim, found.decided_at, found.next_claim) == (Claim.UNDECIDED, None, Claim(towards))
    assert found.more_windows is not None
    # Effect 0.25: without autocorrelation it would take 189 windows in all.
    assert 100 < found.more_windows < 250


def test_a_gain_that_is_next_to_nothing_takes_too_long() -> None:
    found = judge_shadow(shadow(normal(0.00001, 30)), Question("brier"))
    assert (found.next_claim, found.more_windows) == (Claim.BETTER, None)
    assert found.reasons[1] == "If the gain stays as it is, it takes more than 2,000 windows until it is better."


def test_no_window_and_one_window_tell_nothing() -> None:
    none, one = judge_shadow([], Question("mae")), judge_shadow(shadow([3.0]), Question("mae"))
    assert (none.claim, none.last, none.reasons) == (
        Claim.UNDECIDED,
        None,
        ("No window of the shadow has matured, so nothing is known yet.",),
    )
    assert (one.claim, one.next_claim) == (Claim.UNDECIDED, None)
    assert one.last is not None
    assert (one.last.low, one.last.high) == (None, None)
    assert "so few windows can't tell where the true gain is" in one.reasons[0]


def test_the_same_model_twice_is_not_worse_and_not_better() -> None:
    with_margin = judge_shadow(shadow([0.0] * 12), Question("roc_auc", margin=0.01))
    without = judge_shadow(shadow([0.0] * 12), Question("roc_auc"))
    assert (with_margin.claim, without.claim) == (Claim.NOT_WORSE, Claim.UNDECIDED)
    early = judge_shadow(shadow([0.0] * 5), Question("roc_auc", margin=0.01))
    assert (early.claim, early.next_claim) == (Claim.UNDECIDED, Claim.NOT_WORSE)
    assert early.more_windows == 5


@pytest.mark.parametrize("after", [20, 60])
def test_a_gain_that_turns_into_a_loss_is_no_claim_any_more(after: int) -> None:
    gains = [*normal(0.004, 60), *normal(-0.02, after, seed=2)]
    found = judge_shadow(shadow(gains), Question("brier"))
    assert judge_shadow(shadow(gains[:60]), Question("brier")).claim is Claim.BETTER
    assert (found.claim, found.next_claim) == (Claim.UNDECIDED, None)
    assert found.reasons[0].endswith(
        "The last windows contradict earlier ones: the gain does not stay the same, so no claim about it holds. Find "
        "out what changed, and begin the shadow anew."
    )


def test_a_mean_that_has_left_its_own_interval_is_no_claim_though_it_is_still_a_gain() -> None:
    gains = [*normal(0.010, 14, sd=0.001), *normal(-0.008, 9, sd=0.001, seed=2)]
    found = judge_shadow(shadow(gains), Question("brier"))
    last = found.last
    assert last is not None
    assert last.low is not None
    assert 0 < last.mean < last.low
    assert judge_shadow(shadow(gains[:14]), Question("brier")).claim is Claim.BETTER
    assert found.claim is Claim.UNDECIDED
    assert "contradict" in found.reasons[0]


def test_windows_measured_again_change_no_claim_but_are_told_with_what_they_would_change() -> None:
    gains = normal(0.004, 40)
    first = shadow(gains)
    again = [
        WindowGain(each.window, each.matured_at + 30 * DAY, -gain, 800) for each, gain in zip(first, gains, strict=True)
    ]
    found, plain = (judge_shadow(each, Question("brier")) for each in ([*first, *again], first))
    assert (found.claim, found.looks) == (plain.claim, plain.looks)
    assert (found.remeasured, found.claim_remeasured) == (40, Claim.WORSE)
    assert (plain.remeasured, plain.claim_remeasured) == (0, None)
    assert (
        "40 windows were measured again after maturing and count as first measured; with the newest values the answer "
        "would be worse." in found.reasons
    )


def test_windows_left_out_are_told() -> None:
    found = judge_shadow(shadow([0.1, math.nan]), Question("roc_auc"))
    assert found.last is not None
    assert found.last.windows == 1
    assert found.reasons[-1].startswith("1 window had labels that leave the metric undefined")


@given(st.permutations(range(25)))
def test_the_order_of_windows_that_mature_together_makes_no_difference(order: list[int]) -> None:
    matured = START + 40 * DAY
    windows = [WindowGain(each.window, matured, each.gain, each.rows) for each in shadow(normal(0.004, 25))]
    asked = Question("brier")
    assert judge_shadow([windows[i] for i in order], asked) == judge_shadow(windows, asked)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"metric": "aucroc"}, "not a metric"),
        ({"margin": -0.1}, "margin of -0.1"),
        ({"margin": math.nan}, "margin of nan"),
        ({"min_effect": math.inf}, "min_effect of inf"),
        ({"alpha": 1.0}, "alpha is 1.0"),
    ],
)
def test_a_question_that_can_not_be_answered_is_refused(wrong: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidSpec, match=text):
        Question(**{"metric": "brier", **wrong})
