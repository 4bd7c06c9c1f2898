"""The bench's simulated promotions, fewer and with fixed seeds: how often a fair judgement errs."""

from dataclasses import replace

import pytest
from tests.bench.promotion_errors import (
    ALLOWED,
    BETTER_BY,
    BY_ROWS,
    OURS,
    POINT,
    Errors,
    Share,
    World,
    better_models,
    equal_models,
    failures,
    several_candidates,
    sliced,
    table,
    true_gain,
)

from perennial.judgement.compare import compare
from perennial.judgement.rows import Unit

TRIALS = 80


@pytest.mark.parametrize("metric", ["roc_auc", "brier", "mae"])
def test_equal_models_are_seldom_promoted(metric: str) -> None:
    found = equal_models(metric, TRIALS)
    assert found[OURS].low <= ALLOWED
    assert found[OURS].share < found[POINT].share
    assert 0.35 < found[POINT].share < 0.65  # today's rule tosses a coin


@pytest.mark.parametrize("days", [3, 5])
def test_few_days_are_taken_for_what_they_are(days: int) -> None:
    found = [compare("roc_auc", World().holdout(days, seed).scored()) for seed in range(200)]
    assert {each.unit for each in found} == {Unit.WINDOW}
    assert sum(each.low > 0 for each in found) <= 11  # of a binomial with 2.5%: no more in 99 cases of 100


def test_a_challenger_that_is_better_by_the_minimum_effect_is_found_on_the_labels_said_to_be_enough() -> None:
    effect = true_gain(2.0, days=600)
    found, days = better_models(effect, 2.0, TRIALS)
    assert found[OURS].high >= 0.8
    assert found[OURS].share > 0.65
    assert min(days) >= 5


def test_an_equal_challenger_is_seldom_refused_for_a_slice() -> None:
    assert sliced(World(), 40).low <= ALLOWED
    assert sliced(World(harmed=8.0, rows=400, level=0.2), 10).share == 1.0


def test_of_equal_candidates_seldom_any_is_promoted() -> None:
    found = several_candidates(TRIALS)
    assert found["all, corrected"].low <= ALLOWED
    assert found["one, chosen before"].low <= ALLOWED
    assert found["all, corrected"].share < found["all, not corrected"].share
    assert found[POINT].share > 0.7  # one of five is nearly always ahead by chance


def test_shocks_of_days_fool_tests_that_count_rows() -> None:
    """Without them, rows are independent, and the two errors agree; with them, rows alone are far too sure."""
    ratios = []
    for level in (0.0, 1.0):
        scored = World(shock=0.0, level=level).holdout(60, 9).scored()
        rows = compare("roc_auc", replace(scored, windows=scored.truth * 0))
        ratios.append(compare("roc_auc", scored).standard_error / rows.standard_error)
    assert ratios[0] == pytest.approx(1, abs=0.2)
    assert ratios[1] > 1.6


def test_the_simulated_models_are_equal_and_the_better_one_is_better() -> None:
    world = World()
    one, other = (compare("roc_auc", world.holdout(800, seed).scored()) for seed in (1, 2))
    for found in (one, other):
        assert abs(found.gain) < 3 * found.standard_error
    assert 0.012 < true_gain(BETTER_BY, days=300) < 0.024


def test_the_bench_notices_broken_promises() -> None:
    good, bad = Share.of([False] * 99 + [True]), Share.of([True] * 50 + [False] * 50)
    assert (good.low, good.share, good.high) == (pytest.approx(0.0003, abs=1e-4), 0.01, 0.0545)
    assert Share.of([True] * 10).high == 1.0

    measured = Errors(
        promotions=100,
        equal={"roc_auc": {OURS: bad, BY_ROWS: bad, POINT: bad}, "pr_auc": {OURS: good, POINT: bad}},
        min_effect=0.01,
        days_said_to_be_enough={"least": 20, "median": 40, "most": 90},
        found={OURS: bad, BY_ROWS: bad, POINT: bad},
        curve={},
        slices_refused=good,
        harm=0.05,
        harm_found=bad,
        candidates={"all, corrected": good, "one, chosen before": bad},
    )
    told = failures(measured)
    assert [each.split(":")[0] for each in told] == [
        *("equal models, roc_auc", "equal candidates, one", "better by the minimum effect"),
    ]
    text = table(measured)
    assert "| pr_auc | 1.0% (0.0% to 5.5%) |  | 50.0% (39.8% to 60.2%) |" in text
    assert "worse by 0.050 of ROC AUC at one origin refused: 50.0%" in text
    assert "on the days said to be enough (20 to 90, median 40)" in text
