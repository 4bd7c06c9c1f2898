"""Differences between groups: values against fairlearn's, intervals by windows, and who is refused."""

from collections.abc import Sequence

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import zero_one_loss

from perennial.judgement.fairness import FairnessJudged, FairnessStanding, Rate, judge_fairness
from perennial.judgement.rows import Scored

ORACLE = {
    Rate.SELECTION: selection_rate,
    Rate.TRUE_POSITIVE: true_positive_rate,
    Rate.FALSE_POSITIVE: false_positive_rate,
    Rate.ERROR: zero_one_loss,
}
WINDOWS = 14


def world(
    champion_bias: float, challenger_bias: float, seed: int = 0, rows: int = 300, share: float = 0.3, spread: float = 0
) -> tuple[Scored, list[str]]:
    """Two models that decide rightly four times in five, and for the group `f` less often by so much."""
    random = np.random.default_rng(seed)
    n = WINDOWS * rows
    group = random.random(n) < share
    truth = (random.random(n) < 0.5).astype(float)
    windows = np.repeat(np.arange(WINDOWS), rows)
    noise = np.repeat(random.normal(0, spread, WINDOWS), rows) if spread else 0.0

    def decided(bias: float) -> np.ndarray:
        chance = np.where(truth == 1, 0.8, 0.2) - np.where(group, bias + noise, 0.0)
        return (random.random(n) < np.clip(chance, 0, 1)).astype(float)

    return Scored(truth, decided(champion_bias), decided(challenger_bias), windows), np.where(group, "f", "m").tolist()


def judged(scored: Scored, groups: Sequence[object], margin: float = 0.05, **named: bool) -> FairnessJudged:
    return judge_fairness(scored, {"sex": groups}, margin, challenger="trees", champion="version 1", **named)


def test_rates_are_those_of_fairlearn() -> None:
    scored, groups = world(0.0, 0.15)
    three = [f"{group}{i % 2}" if group == "m" else group for i, group in enumerate(groups)]
    found = judged(scored, three)
    assert [(each.value, each.rate) for each in found.differences] == [
        (value, rate) for value in sorted({"m0", "m1", "f"}, key=lambda v: -three.count(v)) for rate in Rate
    ]
    for each in found.differences:
        inside = np.array(three) == each.value
        for decided, mine in ((scored.challenger, each.challenger), (scored.champion, each.champion)):
            frame = MetricFrame(
                metrics=ORACLE[each.rate], y_true=scored.truth, y_pred=decided, sensitive_features=inside
            )
            assert mine is not None
            assert (mine.group, mine.others) == pytest.approx((frame.by_group[True], frame.by_group[False]))
            assert abs(mine.difference.value) == pytest.approx(frame.difference())


def test_a_challenger_that_treats_a_group_more_differently_is_refused_and_the_sentence_says_whom() -> None:
    scored, groups = world(0.0, 0.2)
    found = judged(scored, groups)
    assert found.refused
    wider = {each.rate for each in found.of(FairnessStanding.WIDER)}
    assert wider == {Rate.SELECTION, Rate.TRUE_POSITIVE, Rate.FALSE_POSITIVE}
    rows = groups.count("f")
    told = found.reasons[0]
    assert told.startswith(f"The selection rate of sex f ({rows:,} rows) against the others: trees 3")
    assert "points, 95% interval: -2" in told
    assert "; version 1 " in told
    assert "more than the margin of 5 points beyond chance (p = " in told
    assert found.reasons[-1] == (
        "Of 4 differences between groups, 3 wider than the champion's by more than the margin, 1 surely not, 0 unclear."
    )


def test_a_difference_that_the_champion_has_too_or_within_the_margin_refuses_nobody() -> None:
    for champion, challenger, margin in ((0.2, 0.2, 0.05), (0.2, 0.0, 0.05), (0.0, 0.1, 0.2)):
        scored, groups = world(champion, challenger)
        assert not judged(scored, groups, margin).refused


def test_a_difference_counts_whatever_its_sign() -> None:
    scored, groups = world(0.0, -0.2)
    assert judged(scored, groups).refused
    scored, groups = world(0.15, -0.15)  # the other way round is as large
    assert not judged(scored, groups, margin=0.1).refused


def test_equally_fair_challengers_are_seldom_refused() -> None:
    refused = 0
    for seed in range(60):
        scored, groups = world(0.1, 0.1, seed, rows=60, spread=0.1)
        refused += judged(scored, groups, margin=0.0).refused
    assert refused <= 7  # at most one in twenty is promised: of 60, more than 7 in one of 150 times


def test_windows_that_differ_widen_the_interval() -> None:
    (calm, groups), (wild, others) = world(0.1, 0.1), world(0.1, 0.1, spread=0.15)
    errors = []
    for scored, names in ((calm, groups), (wild, others)):
        found = judged(scored, names).differences[0].challenger
        assert found is not None
        errors.append(found.difference.standard_error)
    assert errors[1] > 1.5 * errors[0]


def test_groups_and_rates_of_too_few_rows_are_named() -> None:
    scored, groups = world(0.0, 0.0, share=0.02)  # 84 rows
    few = judged(scored, groups)
    assert {each.standing for each in few.differences} == {FairnessStanding.NOT_JUDGED}
    assert not few.refused
    assert few.reasons[0].startswith("Of 0 differences between groups")
    assert "selection rate of sex f (" in few.reasons[1]
    rare = Scored((np.arange(len(scored)) % 200 == 0) * 1.0, scored.champion, scored.challenger, scored.windows)
    scored_groups = ["f" if i % 3 else "m" for i in range(len(rare))]
    found = {each.rate: each for each in judged(rare, scored_groups).differences}
    assert found[Rate.TRUE_POSITIVE].standing is FairnessStanding.NOT_JUDGED
    assert "it takes 100 rows of the group, and 30 that this rate is about" in found[Rate.TRUE_POSITIVE].reason
    assert found[Rate.FALSE_POSITIVE].standing is not FairnessStanding.NOT_JUDGED
    alone = judged(scored, ["m"] * len(scored))
    assert "there is nobody to compare it with" in alone.differences[0].reason
    window = judged(scored, np.where(scored.windows == 3, "new", "old").tolist())
    assert "most of its rows are of too few windows" in window.differences[0].reason


def test_rows_without_a_value_are_a_group_of_their_own() -> None:
    scored, groups = world(0.0, 0.0)
    missing = [None if group == "f" else group for group in groups]
    assert judged(scored, missing).differences[0].value == "(missing)"


def test_without_a_champion_differences_are_measured_and_refuse_nobody() -> None:
    scored, groups = world(0.0, 0.4)
    found = judged(scored, groups, against_champion=False)
    assert not found.refused
    assert {each.standing for each in found.differences} == {FairnessStanding.MEASURED}
    assert found.differences[0].champion is None
    assert found.reasons == (
        "4 differences between groups were measured; without a champion to compare with they decide nothing.",
    )
