"""Conformal p-values: the arithmetic is what measuring from scratch would give, and the validity is a count."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from perennial.arrays import Floats
from perennial.drift.conformal import (
    FARTHEST,
    areas_from_rest,
    p_value,
    shares_from_rest,
    standardised,
)
from perennial.drift.distances import jensen_shannon
from perennial.drift.profiles.bins import NumericBins
from perennial.drift.profiles.values import from_array

RANDOM = np.random.default_rng(3)
NOTHING = -1.0  # a negligible distance below all distances


def draw(below: int) -> Floats:
    """Between 20 and 60 whole numbers."""
    return RANDOM.integers(0, below, RANDOM.integers(20, 60)).astype(np.float64)


def test_numeric_windows_are_measured_from_the_pool_of_the_others() -> None:
    windows = [draw(20) + RANDOM.integers(0, 5) for _ in range(12)]
    bins = NumericBins.of([from_array(values) for values in windows])
    assert bins is not None
    shapes = np.array([bins.shape(bins.count(np.sort(values), from_array(values))) for values in windows])
    weights = np.array([len(values) for values in windows], dtype=np.float64)
    rest = [np.concatenate(windows[:i] + windows[i + 1 :]) for i in range(12)]
    expected = [stats.wasserstein_distance(windows[i], rest[i]) / bins.scale for i in range(12)]
    assert areas_from_rest(shapes, weights).tolist() == pytest.approx(expected)


def test_categorical_windows_are_measured_from_the_pool_of_the_others() -> None:
    counts = [np.bincount(draw(4 + (i % 3)).astype(int), minlength=6).astype(np.float64) for i in range(12)]
    weights = np.array([each.sum() for each in counts])
    shapes = np.array(counts) / weights[:, None]
    whole = np.sum(counts, axis=0)
    expected = [jensen_shannon(each, whole - each) for each in counts]
    assert shares_from_rest(shapes, weights).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("measure", [areas_from_rest, shares_from_rest])
def test_windows_that_are_all_alike_are_at_no_distance(measure: Callable[[Floats, Floats], Floats]) -> None:
    weights = np.array([100.0] * 20 + [2000.0])  # one as large as all others together
    assert measure(np.tile([0.25, 0.75], (21, 1)), weights).tolist() == pytest.approx([0.0] * 21, abs=1e-7)


def test_each_distance_is_standardised_by_the_others() -> None:
    distances = RANDOM.gamma(2, 1, 9)
    expected = [
        (d - np.delete(distances, i).mean()) / np.delete(distances, i).std(ddof=1) for i, d in enumerate(distances)
    ]
    assert standardised(distances, NOTHING, 0.0).tolist() == pytest.approx(expected)


def test_many_windows_take_no_more_memory_than_a_few_copies_of_their_distances() -> None:
    distances = RANDOM.gamma(2, 1, 20_000)
    tracemalloc.start()
    standardised(distances, NOTHING, 0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * distances.nbytes


def test_distances_that_hardly_differ_keep_their_spread() -> None:
    distances = 1e6 + RANDOM.normal(size=50) / 1e3
    rest = np.delete(distances, 7)
    assert standardised(distances, NOTHING, 0.0)[7] == pytest.approx((distances[7] - rest.mean()) / rest.std(ddof=1))


def test_an_outlier_does_not_hide_behind_its_own_spread() -> None:
    assert standardised(np.array([1.0, 1.1, 0.9, 1.0, 1e6]), NOTHING, 0.01)[-1] > 1e6
    assert np.isfinite(standardised(np.array([1.0] * 5 + [1e300]), NOTHING, 0.01)).all()
    assert standardised(np.array([0.0] * 5 + [1e300]), NOTHING, 1.0)[-1] == FARTHEST


def test_what_is_negligible_is_tied_and_what_is_unmeasured_has_no_score() -> None:
    found = standardised(np.array([0.001, 0.04, np.nan, 0.0, 0.5]), 0.05, 0.01)
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx(found[3])
    assert found[0] < 0 < found[4]
    assert found[2] == -np.inf


def test_p_values_are_ranks() -> None:
    others = np.arange(1.0, 20.0)
    assert [p_value(others, score) for score in (100.0, 19.0, 0.0)] == [1 / 20, 2 / 20, 1.0]


@given(st.lists(st.integers(0, 6), min_size=2, max_size=12), st.floats(0.01, 0.99))
def test_at_most_a_share_of_level_of_windows_is_alarming_whatever_the_scores(scores: list[int], level: float) -> None:
    """The theorem by enumeration: exchangeable means that each of the windows is as likely to be the new one."""
    found = np.array(scores, dtype=np.float64)
    alarms = sum(p_value(np.delete(found, i), float(found[i])) <= level for i in range(len(found)))
    assert alarms / len(found) <= level
