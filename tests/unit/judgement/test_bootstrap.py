"""Paired bootstraps against the metrics themselves, closed forms, and a plain loop of resamples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from tests.bench.promotion_errors import World

from perennial.errors import InvalidSpec, NotEnoughData
from perennial.judgement.compare import compare
from perennial.judgement.rows import Scored, Unit
from perennial.performance.gain import gain, metric_named
from perennial.performance.metrics import metrics_of
from perennial.spec.names import METRICS, Task


def holdout(metric: str, windows: int, seed: int, rows: int = 60) -> Scored:
    of_classes = Task.BINARY_CLASSIFICATION in metric_named(metric).tasks
    return World(rows=rows).holdout(windows, seed).scored("roc_auc" if of_classes else "mae")


@pytest.mark.parametrize("windows", [2, 10])
@pytest.mark.parametrize("metric", METRICS)
def test_values_are_those_of_the_metric_and_the_gain_has_its_sign(metric: str, windows: int) -> None:
    scored = holdout(metric, windows, 4)
    (task,) = metric_named(metric).tasks
    found = compare(metric, scored)
    values = [
        float(each.mean()) if metric == "cost" else metrics_of(task, scored.truth, each)[metric]  # it is given costs
        for each in (scored.champion, scored.challenger)
    ]
    assert (found.champion, found.challenger) == pytest.approx(tuple(values), abs=1e-10)
    assert found.gain == pytest.approx(gain(metric, values[1], values[0]), abs=1e-10)
    assert found.unit is (Unit.WINDOW if windows == 10 else Unit.ROW)
    assert found.standard_error > 0


@pytest.mark.parametrize("windows", [4, 12])
@pytest.mark.parametrize("metric", ["brier", "mae"])
def test_the_error_of_a_mean_is_that_of_means_of_windows(metric: str, windows: int) -> None:
    """With windows of equal size, the mean of rows is the mean of the windows' means."""
    scored = holdout(metric, windows, 2)
    power = 2 if metric == "brier" else 1
    difference = abs(scored.truth - scored.champion) ** power - abs(scored.truth - scored.challenger) ** power
    means = difference.reshape(windows, -1).mean(axis=1)
    found = compare(metric, scored)
    assert found.standard_error == pytest.approx(
        means.std(ddof=1) / math.sqrt(windows), rel=0.07
    )  # 999 resamples: 2.2%
    assert found.degrees_of_freedom == pytest.approx(windows - 1)


def test_with_few_windows_the_error_is_that_of_rows() -> None:
    scored = holdout("brier", 2, 2, rows=400)
    difference = (scored.truth - scored.champion) ** 2 - (scored.truth - scored.challenger) ** 2
    found = compare("brier", scored)
    assert found.standard_error == pytest.approx(difference.std(ddof=1) / math.sqrt(800), rel=0.07)
    assert (found.unit, found.degrees_of_freedom, found.windows) == (Unit.ROW, 799, 2)


@pytest.mark.parametrize(("windows", "rows"), [(9, 400), (2, 450)])  # 3,600 rows are more than are taken apart
def test_the_error_of_the_pr_auc_is_that_of_a_plain_loop(windows: int, rows: int) -> None:
    scored = holdout("pr_auc", windows, 6, rows=rows)
    found = compare("pr_auc", scored)
    random, gains = np.random.default_rng(5), []
    for _ in range(300):
        if found.unit is Unit.WINDOW:
            drawn = random.integers(windows, size=windows)
            chosen = np.concatenate([np.arange(each * rows, (each + 1) * rows) for each in drawn])
        else:
            chosen = random.integers(len(scored), size=len(scored))
        one, other = (
            average_precision_score(scored.truth[chosen], each[chosen]) for each in (scored.champion, scored.challenger)
        )
        gains.append(other - one)
    units = windows if found.unit is Unit.WINDOW else len(scored)
    scatter = np.std(gains, ddof=1) * math.sqrt(units / (units - 1))
    assert found.standard_error == pytest.approx(scatter, rel=0.15)  # 300 resamples: 4%


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_the_same_rows_give_the_same_answer_in_either_direction(metric: str) -> None:
    scored = holdout(metric, 8, 1)
    back = Scored(scored.truth, scored.challenger, scored.champion, scored.windows)
    one, other = compare(metric, scored), compare(metric, back)
    assert compare(metric, scored) == one
    assert (one.gain, one.low, one.high) == pytest.approx((-other.gain, -other.high, -other.low))


@settings(max_examples=25)
@given(st.integers(2, 9), st.integers(3, 12), st.integers(0, 10**6), st.sampled_from(sorted(METRICS)))
def test_whatever_the_rows_the_answer_is_finite_or_a_typed_error(
    windows: int, rows: int, seed: int, metric: str
) -> None:
    scored = holdout(metric, windows, seed, rows)
    try:
        found = compare(metric, scored)
    except NotEnoughData:
        # Only where a class is rare: the mean of three rows has an error, too.
        assert metric in ("roc_auc", "pr_auc")
        assert min((scored.truth == 1).sum(), (scored.truth == 0).sum()) < 3
    else:
        assert all(math.isfinite(each) for each in (found.gain, found.low, found.high, found.standard_error))
        assert found.low <= found.gain <= found.high
        assert 0 <= found.p_value <= 1


def test_what_can_not_be_compared_says_why() -> None:
    ones = Scored(np.ones(30), np.linspace(0, 1, 30), np.linspace(1, 0, 30), np.arange(30))
    with pytest.raises(NotEnoughData, match="ROC AUC of two models can't be compared: 30 outcomes are 1 and 0 are 0"):
        compare("roc_auc", ones)
    with pytest.raises(NotEnoughData, match="all outcomes are the same"):
        compare("r2", ones)
    with pytest.raises(NotEnoughData, match="there are 1 labelled rows, and 2 are needed"):
        compare("mae", ones.where(np.arange(30) == 3))
    with pytest.raises(InvalidSpec, match="did you mean 'roc_auc'"):
        compare("roc_acu", ones)


def test_different_rows_and_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="must be of the same rows"):
        Scored(np.zeros(3), np.zeros(3), np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        Scored(np.zeros(2), np.array([0.1, np.nan]), np.zeros(2), np.zeros(2))
