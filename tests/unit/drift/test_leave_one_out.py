"""Leave one out: the arithmetic on pooled rows is what fitting again without each window would give."""

from collections.abc import Callable

import numpy as np
import pytest

from perennial.drift.distances import jensen_shannon, wasserstein
from perennial.drift.leave_one_out import DistanceFromRest, leave_one_out
from perennial.drift.pools import NumericPool, areas_from_rest, shares_from_rest
from perennial.drift.values import Floats, from_array

RANDOM = np.random.default_rng(3)


SampleDistance = Callable[[Floats, Floats], float]


def brute_force(windows: list[Floats], distance: SampleDistance, floor: float) -> tuple[list[float], list[float]]:
    """Fit on the others, measure, and standardise by the others' own distances, all from the raw values."""
    distances, scores = [], []
    for i, new in enumerate(windows):
        others = windows[:i] + windows[i + 1 :]
        d = distance(new, np.concatenate(others))
        among = [distance(w, np.concatenate(others[:j] + others[j + 1 :])) for j, w in enumerate(others)]
        distances.append(d)
        scores.append(float((d - np.mean(among)) / max(float(np.std(among, ddof=1)), floor)))
    return distances, scores


def test_numeric_windows() -> None:
    windows = [_draw(30) + RANDOM.integers(0, 5) for _ in range(12)]
    pool = NumericPool.of([from_array(values) for values in windows])
    rows = np.array([pool.row(from_array(values)) for values in windows])
    counts = np.array([len(values) for values in windows], dtype=np.float64)
    found = leave_one_out(rows, counts, areas_from_rest, 0.01)
    distances, scores = brute_force(windows, lambda u, v: wasserstein(u, v, pool.scale), 0.01)
    assert found.distances.tolist() == pytest.approx(distances)
    assert found.scores.tolist() == pytest.approx(scores)


def test_categorical_windows() -> None:
    windows = [_draw(4 + (i % 3)) for i in range(12)]
    rows = np.array([_counts(values) / len(values) for values in windows])
    counts = np.array([len(values) for values in windows], dtype=np.float64)
    found = leave_one_out(rows, counts, shares_from_rest, 0.005)
    distances, scores = brute_force(windows, lambda u, v: jensen_shannon(_counts(u), _counts(v)), 0.005)
    assert found.distances.tolist() == pytest.approx(distances)
    assert found.scores.tolist() == pytest.approx(scores)


@pytest.mark.parametrize("distance", [areas_from_rest, shares_from_rest])
def test_windows_that_are_all_alike_score_zero(distance: DistanceFromRest) -> None:
    counts = np.array([100.0] * 20 + [2000.0])  # one as large as all others together
    found = leave_one_out(np.tile([0.25, 0.75], (21, 1)), counts, distance, 0.005)
    assert np.abs(found.scores).max() < 1e-4


def _draw(below: int) -> Floats:
    """Between 20 and 60 whole numbers."""
    return RANDOM.integers(0, below, RANDOM.integers(20, 60)).astype(np.float64)


def _counts(values: Floats) -> Floats:
    return np.bincount(values.astype(int), minlength=6).astype(np.float64)
