"""What is said of rows that come in pieces is what is said of them in memory."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial import ordered
from perennial.arrays import Floats
from perennial.performance import cbpe, many_rows
from perennial.performance.cbpe import Calibration, estimate, estimate_of_pieces
from perennial.performance.interval import Interval, auc_variance, intervals
from perennial.performance.many_rows import intervals_of_pieces
from perennial.performance.running import RunningMean
from perennial.spec.names import Task

CLASSES, NUMBERS = Task.BINARY_CLASSIFICATION, Task.REGRESSION


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows are many, sorted in several runs, and drawn in few groups."""
    for module in (cbpe, many_rows):
        monkeypatch.setattr(module, "FEW", 1)
        monkeypatch.setattr(module, "GROUPS", 50)
    monkeypatch.setattr(ordered, "RUN_BYTES", 300)
    monkeypatch.setattr(ordered, "CHUNK_ROWS", 11)


def cut(truth: Floats, prediction: Floats, size: int = 7) -> Iterator[tuple[Floats, Floats]]:
    for first in range(0, len(truth), size):
        yield truth[first : first + size], prediction[first : first + size]


def both(task: Task, truth: Floats, prediction: Floats) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """What is said of rows in memory, and of the same in pieces."""
    return intervals(task, truth, prediction), intervals_of_pieces(task, cut(truth, prediction))


SCORES = st.sampled_from([0.0, 0.2, 0.25, 0.7, 1.0])
VALUES = st.integers(-1_000_000, 1_000_000).map(lambda number: number / 1_000)


def outcomes(rows: int, seed: int = 0) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    prediction = random.random(rows)
    return (random.random(rows) < prediction).astype(np.float64), prediction


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), SCORES), min_size=2, max_size=40))
def test_classification_with_ties_comes_to_the_same(rows: list[tuple[float, float]]) -> None:
    truth, prediction = np.array(rows).T
    said, found = both(CLASSES, truth, prediction)
    assert list(found) == list(said)
    for name, interval in said.items():
        assert found[name].value == pytest.approx(interval.value, rel=1e-12, abs=1e-15)
        if name != "pr_auc":
            assert vars(found[name]) == pytest.approx(vars(interval), rel=1e-9, abs=1e-12)


@given(
    st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=40),
    st.sampled_from([0.0, 1e6]),
)
def test_regression_comes_to_the_same(rows: list[tuple[float, float]], offset: float) -> None:
    truth, prediction = np.array(rows).T + offset
    said, found = both(NUMBERS, truth, prediction)
    assert list(found) == list(said)
    for name, interval in said.items():
        assert found[name].value == pytest.approx(interval.value, rel=1e-9, abs=1e-12)
    for name in ("mae", "rmse"):
        assert vars(found[name]) == pytest.approx(vars(said[name]), rel=1e-9, abs=1e-9)


def test_resampled_intervals_are_as_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_rows, "GROUPS", 1_000)
    truth, prediction = outcomes(5_000)
    of_rows, of_groups = (each["pr_auc"] for each in both(CLASSES, truth, prediction))
    assert of_groups.standard_error == pytest.approx(of_rows.standard_error, rel=0.15)
    assert (of_groups.low, of_groups.high) == pytest.approx(
        (of_rows.low, of_rows.high), abs=0.1 * of_rows.standard_error * 4
    )
    values = 3 * prediction + np.random.default_rng(1).normal(0, 1, len(truth))
    of_rows, of_sums = (each["r2"] for each in both(NUMBERS, values, 3 * prediction))
    assert of_sums.standard_error == pytest.approx(of_rows.standard_error, rel=0.15)


def test_in_groups_of_many_thresholds_the_spread_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, prediction = outcomes(4_000)
    monkeypatch.setattr(many_rows, "GROUPS", 4_000)
    each = intervals_of_pieces(CLASSES, cut(truth, prediction))["pr_auc"]
    monkeypatch.setattr(many_rows, "GROUPS", 200)
    grouped = intervals_of_pieces(CLASSES, cut(truth, prediction))["pr_auc"]
    assert grouped.value == each.value
    assert grouped.standard_error == pytest.approx(each.standard_error, rel=0.2)


def test_one_class_has_no_curve_and_one_value_no_r2() -> None:
    prediction = np.linspace(0, 1, 30)
    for only in (np.zeros(30), np.ones(30)):
        assert set(intervals_of_pieces(CLASSES, cut(only, prediction))) == {"log_loss", "brier"}
    assert set(intervals_of_pieces(NUMBERS, cut(np.full(30, 0.1), prediction))) == {"mae", "rmse"}
    assert intervals_of_pieces(CLASSES, iter(())) == {}


def test_the_variance_of_a_perfect_order_is_none() -> None:
    truth = np.repeat([0.0, 1.0], 20)
    said, found = (
        each["roc_auc"] for each in (intervals(CLASSES, truth, truth), intervals_of_pieces(CLASSES, cut(truth, truth)))
    )
    assert auc_variance(truth, truth) == 0
    assert found == said


@given(st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.5, 1.0]) | st.floats(0, 1), min_size=2, max_size=40))
def test_estimates_come_to_the_same(values: list[float]) -> None:
    prediction, calibration = np.array(values), Calibration((0.0, 0.4, 1.0), (0.05, 0.5, 0.97))
    said = estimate(prediction, calibration.apply(prediction))
    found = estimate_of_pieces(calibration, (piece for piece, _ in cut(prediction, prediction)))
    assert list(found) == list(said)
    for name, interval in said.items():
        assert found[name].value == pytest.approx(interval.value, rel=1e-12)
        if name != "roc_auc":
            assert vars(found[name]) == pytest.approx(vars(interval), rel=1e-12)


def test_the_error_of_an_estimated_area_is_that_of_drawn_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbpe, "GROUPS", 1_000)
    _, prediction = outcomes(3_000)
    said, found = (
        each["roc_auc"].standard_error
        for each in (
            estimate(prediction, prediction),
            estimate_of_pieces(Calibration(), (piece for piece, _ in cut(prediction, prediction))),
        )
    )
    assert found == pytest.approx(said, rel=0.2)


def test_a_mean_of_pieces_is_that_of_all_and_of_one_piece_to_the_last_bit() -> None:
    values = np.random.default_rng(2).normal(1e9, 1, 1_000)
    running = RunningMean()
    for piece in np.array_split(values, 13):
        running.add(piece)
    running.add(np.empty(0))
    assert running.value == pytest.approx(values.mean(), rel=1e-15)
    assert running.variance == pytest.approx(values.var(ddof=1), rel=1e-6)
    at_once = RunningMean()
    at_once.add(values)
    assert at_once.value == values.mean()
    assert at_once.standard_error == values.std(ddof=1) / np.sqrt(len(values))
    repeated = RunningMean()
    repeated.add(np.array([1.0, 5.0]), np.array([3, 1]))
    assert (repeated.count, repeated.value, repeated.squares) == (4, 2.0, 12.0)
