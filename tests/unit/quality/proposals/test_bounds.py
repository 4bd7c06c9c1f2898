"""Bounds over windows: they stand off, a few broken windows don't move them, and seasons, limits and tails count."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.quality.proposals.bounds import MIN_WINDOWS, lower, upper

numbers = st.floats(-1e9, 1e9, allow_subnormal=False)


def test_a_bound_stands_four_interquartile_ranges_off_rounded_away_from_the_windows() -> None:
    seen = [*range(-10, 11)]
    first, third = np.quantile(seen, [0.25, 0.75])
    assert (first, third, third + 4 * (third - first)) == (-5, 5, 45)
    assert upper(seen).value == 50  # 35 beyond the last window, so tens matter
    assert lower(seen).value == -50
    assert upper(seen).how == "4 IQR beyond the quartile"


def test_a_broken_window_does_not_move_the_bound() -> None:
    seen = list(np.linspace(-20.0, 20.0, 22))
    assert upper([*seen, 9_999.0]).value == pytest.approx(upper([*seen, 15.0]).value, abs=10)


def test_a_rate_of_false_alarms_is_kept_for_the_extremes_of_usual_tails() -> None:
    random = np.random.default_rng(3)
    windows = random.gumbel(size=(2_000, 24))
    broken = np.mean([row[23] > upper(row[:23].tolist()).value for row in windows])
    assert broken < 0.006  # observed extremes would be broken by 1 in 24, 0.042


def test_sundays_lie_inside_although_they_are_few() -> None:
    random = np.random.default_rng(1)
    days = [day % 7 for day in range(28)]
    rows = [random.normal(300 if day == 6 else 1000, 10) for day in days]
    assert lower(rows).value > 300 or lower(rows).how.startswith("the extreme")
    found = lower(rows, days)
    assert found.how == "4 IQR beyond the quartile of the farthest season"
    assert 200 < found.value < min(rows)


def test_too_few_windows_of_a_season_tell_no_season() -> None:
    days = [day % 7 for day in range(14)]
    rows = [300.0 + day if day % 7 == 6 else 1000.0 + day for day in range(14)]
    assert "season" not in lower(rows, days).how


def test_what_many_windows_reach_exactly_is_a_limit() -> None:
    found = upper([97.0, 100.0, 98.5, 100.0, 91.2, 99.0, 100.0, 95.0])
    assert (found.value, found.exact) == (100.0, True)
    assert "reached in 3 windows" in found.how
    # Whole numbers are equal by chance, so it takes more of them.
    assert upper([97, 100, 98, 100, 91, 99, 100, 95, 90, 92, 93, 94, 96], whole=True).value > 100


def test_amounts_that_differ_by_factors_get_a_bound_by_factors() -> None:
    seen = [float(np.exp(each)) for each in np.linspace(3, 6, 20)] + [3_000.0]
    assert upper(seen).how == "4 IQR of logarithms beyond the quartile"
    assert upper(seen).value > 3_000
    assert "logarithms" not in upper(seen, factors=False).how


def test_where_every_fence_is_broken_often_the_bound_is_wide_and_says_so() -> None:
    seen = [0.0] * 20 + [0.1, 0.2, 0.3]
    found = upper(seen)
    assert found.how == "the extreme, and as much again as windows differ"
    assert found.value >= 0.6


def test_a_window_just_beyond_the_fence_is_a_tail_and_no_broken_window() -> None:
    seen = [0.0] * 8 + [0.01, 0.02, 0.03, 0.04] * 3
    assert upper([*seen, 0.24], factors=False).value >= 0.48
    assert upper([*seen, 9.0], factors=False).value < 0.5


def test_a_single_deviation_from_what_is_always_the_same_is_no_new_bound() -> None:
    assert upper([4983.0] * 22 + [9999.0]).value == 4983.0


def test_too_few_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="7 windows are too few"):
        upper([1.0] * (MIN_WINDOWS - 1))


@given(st.lists(numbers, min_size=MIN_WINDOWS, max_size=40), st.booleans(), st.booleans())
def test_at_most_one_window_in_twenty_lies_beyond(values: list[float], whole: bool, seasonal: bool) -> None:
    values = [float(round(value)) for value in values] if whole else values
    seasons = [position % 3 for position in range(len(values))] if seasonal else None
    most, least = upper(values, seasons, whole=whole).value, lower(values, seasons, whole=whole).value
    allowed = max(1, len(values) // 20)
    assert sum(value > most for value in values) <= allowed
    assert sum(value < least for value in values) <= allowed
    assert math.isfinite(most)
    assert math.isfinite(least)
    if whole:
        assert most.is_integer()
        assert least.is_integer()
