"""Intervals against independent implementations, and against what they promise: coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial.performance import interval
from perennial.performance.interval import Interval, auc_variance, intervals, trailing
from perennial.performance.metrics import metrics_of
from perennial.spec.names import Task

CLASSES, NUMBERS = Task.BINARY_CLASSIFICATION, Task.REGRESSION


def delong_by_pairs(truth: np.ndarray, prediction: np.ndarray) -> float:
    """DeLong's variance straight from its definition: placements of every row among those of the other class."""
    positive, negative = prediction[truth == 1], prediction[truth == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    v10, v01 = wins.mean(axis=1), wins.mean(axis=0)
    return v10.var(ddof=1) / len(positive) + v01.var(ddof=1) / len(negative)


@pytest.mark.parametrize("digits", [1, 12])  # 1: most predictions are tied
@pytest.mark.parametrize("seed", range(4))
def test_the_variance_of_an_auc_is_delongs(digits: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = (random.random(300) < 0.3).astype(float)
    prediction = np.round(np.clip(0.3 * truth + random.random(300) / 1.5, 0, 1), digits)
    assert auc_variance(truth, prediction) == pytest.approx(delong_by_pairs(truth, prediction), rel=1e-12)


def sample(task: Task, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a world whose metrics are known from very many rows."""
    random = np.random.default_rng(seed)
    score = random.normal(size=rows)
    if task is CLASSES:
        truth = (random.random(rows) < 1 / (1 + np.exp(1 - 1.2 * score))).astype(float)
        return truth, 1 / (1 + np.exp(0.7 - score))
    return score + random.normal(size=rows), 0.8 * score


@pytest.mark.parametrize("task", [CLASSES, NUMBERS])
def test_nineteen_of_twenty_intervals_hold_the_true_value(task: Task) -> None:
    trials, rows = 300, 250
    true = metrics_of(task, *sample(task, 400_000, 99))
    hits = dict.fromkeys(true, 0)
    for seed in range(trials):
        for name, found in intervals(task, *sample(task, rows, seed)).items():
            hits[name] += found.low <= true[name] <= found.high
    for name, hit in hits.items():
        # Three binomial standard errors below and above 95%; skewed metrics and percentiles lose a little more.
        assert 0.90 <= hit / trials <= 0.988, (name, hit / trials)


@pytest.mark.parametrize("task", [CLASSES, NUMBERS])
def test_standard_errors_are_the_scatter_over_samples(task: Task) -> None:
    found = [intervals(task, *sample(task, 400, seed)) for seed in range(200)]
    for name in found[0]:
        scatter = np.std([each[name].value for each in found])
        said = np.mean([each[name].standard_error for each in found])
        assert said == pytest.approx(scatter, rel=0.17), name


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([CLASSES, NUMBERS]), st.integers(0, 2))
def test_values_are_those_of_measure_and_lie_inside(rows: int, seed: int, task: Task, digits: int) -> None:
    truth, prediction = sample(task, rows, seed)
    prediction = np.round(prediction, digits)
    found, measured = intervals(task, truth, prediction), metrics_of(task, truth, prediction)
    assert {name: each.value for name, each in found.items()} == measured
    for name, each in found.items():
        assert each.low <= each.high, name
        assert name in ("pr_auc", "r2") or each.low <= each.value <= each.high, name
        assert each.standard_error >= 0, name


def test_one_row_says_that_it_knows_nothing() -> None:
    found = intervals(NUMBERS, np.array([1.0]), np.array([3.0]))
    assert (found["mae"].value, found["mae"].low, found["mae"].high) == (2.0, 0.0, math.inf)
    assert found["rmse"].standard_error == math.inf
    assert intervals(CLASSES, np.array([1.0]), np.array([0.5]))["brier"].high == math.inf
    assert intervals(CLASSES, np.empty(0), np.empty(0)) == {}


def test_a_perfect_ranking_of_few_rows_is_not_sure_to_be_perfect() -> None:
    truth = np.array([0.0] * 50 + [1.0] * 10)
    found = intervals(CLASSES, truth, truth * 0.8 + 0.1)["roc_auc"]
    assert (found.value, found.high) == (1.0, 1.0)
    # Clopper and Pearson: ten of ten, two-sided 95%.
    assert found.low == pytest.approx(0.025 ** (1 / 10), abs=1e-12)
    assert found.standard_error > 0
    worst = intervals(CLASSES, truth, 0.9 - truth * 0.8)["roc_auc"]
    assert (worst.low, worst.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))


def test_one_row_of_a_class_leaves_the_auc_open() -> None:
    found = intervals(CLASSES, np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.3]))["roc_auc"]
    assert (found.low, found.high, found.standard_error) == (0.0, 1.0, math.inf)


def test_exact_predictions_have_no_error() -> None:
    found = intervals(NUMBERS, np.arange(5.0), np.arange(5.0))
    assert (found["rmse"].low, found["rmse"].high) == (0.0, 0.0)
    assert (found["mae"].low, found["mae"].high) == (0.0, 0.0)


def test_trailing_windows_are_weighted_by_rows_and_their_errors_add_up() -> None:
    windows = [(Interval(0.8, 0, 1, 0.02), 300), (Interval(0.6, 0, 1, 0.03), 100)]
    found = trailing("roc_auc", windows)
    assert found.value == pytest.approx(0.75)
    assert found.standard_error == pytest.approx(math.hypot(0.75 * 0.02, 0.25 * 0.03))
    assert found.high - found.value == pytest.approx(1.959964 * found.standard_error, rel=1e-6)
    assert trailing("roc_auc", [windows[0]]).standard_error == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("metric", "value", "low", "high"),
    [("roc_auc", 0.99, None, 1.0), ("brier", 0.01, 0.0, None), ("mae", 0.01, 0.0, None), ("r2", 0.99, None, 1.0)],
)
def test_a_trailing_interval_stays_inside_the_metrics_range(
    metric: str, value: float, low: float | None, high: float | None
) -> None:
    found = trailing(metric, [(Interval(value, value, value, 0.02), 300)])
    assert found.low == (pytest.approx(value - 1.959964 * 0.02) if low is None else low)
    assert found.high == (pytest.approx(value + 1.959964 * 0.02) if high is None else high)


@pytest.mark.parametrize("digits", [1, 12])
@pytest.mark.parametrize("rows", [49, 50, 64])
def test_many_rows_are_resampled_in_pieces_to_the_last_bit(
    rows: int, digits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a piece has no end of equal predictions, and where the last one is not full."""
    random = np.random.default_rng(rows)
    truth = (random.random(rows) < 0.3).astype(np.float64)
    prediction = random.random(rows).round(digits)
    monkeypatch.setattr(interval, "RESAMPLED_AT_ONCE", 1)
    whole = intervals(Task.BINARY_CLASSIFICATION, truth, prediction)
    monkeypatch.setattr(interval, "PIECE_ROWS", 7)
    assert intervals(Task.BINARY_CLASSIFICATION, truth, prediction) == whole
