"""When labels come, and how partial figures moved."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.arrays import Floats
from perennial.performance.delay import GRID, learn_delay, moved, settled_by_age, shares_by_age

DAY = timedelta(days=1)


def shares_of(arrivals: Floats, rows: int) -> tuple[float, ...]:
    return shares_by_age(settled_by_age(arrivals, DAY), rows)


def test_shares_count_all_rows_and_labels_that_came_before_the_end() -> None:
    shares = shares_of(np.array([-3600.0, 0.0, 43_200.0, 86_400.0, 90_000.0]), 10)
    at = dict(zip(GRID, shares, strict=True))
    assert (at[0.0], at[0.5], at[1.0]) == (0.2, 0.3, 0.4)
    assert shares_of(np.empty(0), 0) == ()
    assert set(shares_of(np.empty(0), 5)) == {0.0}


@given(st.lists(st.floats(-1e5, 2e5), max_size=30), st.integers(30, 40))
def test_shares_never_fall(arrivals: list[float], rows: int) -> None:
    shares = shares_of(np.array(arrivals), rows)
    assert list(shares) == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)


def test_the_curve_is_what_final_windows_had() -> None:
    windows = [shares_of(np.linspace(0, 86_400, 100) * speed, 110) for speed in (0.5, 0.8, 1.0, 1.0, 1.0)]
    curve = learn_delay(windows, DAY)
    assert curve is not None
    assert curve.windows == 5
    low, mean, high = curve.expected(timedelta(hours=12))
    assert low < mean < high
    assert mean == pytest.approx(np.mean([shares[10] for shares in windows]))
    assert curve.expected(timedelta(days=9))[1] == pytest.approx(100 / 110)  # the others never come
    assert curve.expected(timedelta(hours=-1)) == curve.expected(timedelta(0))


def test_too_few_windows_teach_nothing() -> None:
    shares = shares_of(np.zeros(5), 5)
    assert learn_delay([shares] * 4 + [()], DAY) is None
    assert moved([(0.7, 0.6)] * 4) is None


def test_late_labels_that_differ_move_the_figure() -> None:
    """Losses of late labels are larger: the partial mean is too low, and by how much is learnt."""
    random = np.random.default_rng(3)
    pairs = []
    for _ in range(200):
        delay = random.exponential(1.0, 300)
        loss = 1 + delay + random.normal(0, 0.1, 300)
        pairs.append((loss[delay < 1].mean(), loss.mean()))
    found = moved(pairs)
    assert found is not None
    # E[delay] is 1, and given that it is below 1 it is 1 - 1 / (e - 1).
    assert found.mean == pytest.approx(1 / (np.e - 1), abs=0.01)
    inside = [found.low <= final - partial <= found.high for partial, final in pairs]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.01)
