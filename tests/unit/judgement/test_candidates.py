"""Several candidates: who wins, and why the luckiest does not."""

import pytest
from tests.bench.promotion_errors import World
from tests.unit.judgement.test_verdict import comparison

from perennial.judgement.candidates import judge_candidates
from perennial.judgement.compare import compare
from perennial.judgement.verdict import GainVerdict


def test_of_better_candidates_the_one_with_the_largest_gain_wins() -> None:
    made = {"linear": comparison(0.02, 0.003), "trees": comparison(0.03, 0.004), "dummy": comparison(-0.2, 0.01)}
    found = judge_candidates(made, champion="version 3")
    assert found.winner == "trees"
    assert found.confidence == pytest.approx(1 - 0.05 / 3)
    assert found.judgements["dummy"].verdict is GainVerdict.WORSE
    assert found.judgements["trees"].comparison.confidence == found.confidence
    assert found.reasons[0].startswith("dummy has ROC AUC 0.500 and version 3 0.700 on 12,600 labelled rows")
    assert "(98.3% interval: from " in found.reasons[0]
    assert found.reasons[-1] == (
        "Because 3 candidates were tested on the same rows, each interval is one of 98.3%: together they hold with 95%."
    )


def test_what_is_enough_for_one_is_not_for_the_best_of_five() -> None:
    border = comparison(0.010, 0.0042)
    assert judge_candidates({"trees": border}).winner == "trees"
    several = {f"trees {k}": border for k in range(5)}
    assert judge_candidates(several).winner is None
    found = judge_candidates(several, chosen="trees 2")
    assert (found.winner, list(found.judgements), found.confidence) == ("trees 2", ["trees 2"], pytest.approx(0.95))
    assert found.reasons[-1] == (
        "trees 2 was chosen before the holdout was looked at, so it alone was tested; not trees 0, trees 1, trees 3, "
        "trees 4."
    )


def test_equals_are_decided_by_name_whatever_their_order() -> None:
    same = comparison(0.03, 0.003)
    assert judge_candidates({"b": same, "a": same}).winner == judge_candidates({"a": same, "b": same}).winner == "a"


def test_a_gain_that_is_too_small_wins_nothing() -> None:
    found = judge_candidates({"a": comparison(0.003, 0.0005)}, min_effect=0.01)
    assert (found.winner, found.judgements["a"].verdict) == (None, GainVerdict.NOT_WORSE)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(KeyError):
        judge_candidates({"a": comparison(0.0, 0.1)}, chosen="b")


def test_intervals_hold_together_for_the_winner_too() -> None:
    """Of five equal candidates the best looks good: its interval at 95% misses the truth, 0, far more than in 2.5%
    of cases; the widened one does not.
    """
    narrow = wide = 0
    for seed in range(150):
        holdout = World(rows=60, noise=(0.6,) * 6).holdout(10, seed)
        made = {str(k): compare("roc_auc", holdout.scored(challenger=k)) for k in range(1, 6)}
        best = max(made, key=lambda name: made[name].gain)
        narrow += made[best].low > 0
        wide += judge_candidates(made).judgements[best].comparison.low > 0
    assert wide <= 8  # of a binomial with 2.5%, 150 times: no more than 8 in 99 cases of 100
    assert narrow > wide
