"""Moments: as NumPy computes them, also where sums of squares would lose their digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.drift.profiles.moments import Moments

numbers = st.lists(st.floats(-1e6, 1e6), max_size=30)


def of(values: list[float]) -> Moments:
    return Moments.of(np.sort(np.array(values, dtype=np.float64)))


@given(numbers, numbers)
def test_merged_moments_are_those_of_all_numbers(a: list[float], b: list[float]) -> None:
    merged = of(a).merge(of(b))
    assert merged == of(b).merge(of(a))
    assert merged.count == len(a + b)
    if a + b:
        assert merged.mean == pytest.approx(np.mean(a + b), abs=1e-6)
        assert (merged.minimum, merged.maximum) == (min(a + b), max(a + b))
    if len(a + b) > 1:
        assert merged.sd == pytest.approx(np.std(a + b, ddof=1), rel=1e-6, abs=1e-5)


def test_the_variance_of_large_numbers_keeps_its_digits() -> None:
    """The four numbers of Chan, Golub and LeVeque's point: sums of squares give 0 or worse."""
    parts = [of([1e9 + 4, 1e9 + 7]), of([1e9 + 13, 1e9 + 16])]
    merged = parts[0].merge(parts[1])
    assert merged.sd == pytest.approx(30**0.5, rel=1e-12)


def test_no_numbers_have_no_moments() -> None:
    assert of([]) == Moments()
    assert of([]).merge(of([])).sd is None
    assert of([]).merge(of([2.0])) == of([2.0])
