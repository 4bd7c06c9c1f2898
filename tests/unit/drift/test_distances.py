"""Distances: against published values, against SciPy, and by the properties they must have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import spatial, stats

from perennial.drift.distances import (
    chi_squared,
    hellinger,
    jensen_shannon,
    jensen_shannon_rows,
    population_stability_index,
)
from perennial.errors import NotEnoughData

counts = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(lambda c: sum(c) > 0)


def test_jensen_shannon_has_the_values_of_scipys_documentation() -> None:
    assert jensen_shannon([1, 0, 0], [0, 1, 0]) == pytest.approx(1.0)
    natural = 0.46450140402245893  # jensenshannon([1, 0], [0.5, 0.5]) with natural logarithms
    assert jensen_shannon([1, 0], [0.5, 0.5]) == pytest.approx(natural / np.sqrt(np.log(2)))


def test_psi_of_two_bins_is_what_a_pencil_says() -> None:
    assert population_stability_index([1, 1], [1, 3]) == pytest.approx(0.25 * np.log(3))


@given(counts, counts)
def test_jensen_shannon_agrees_with_scipy(p: list[int], q: list[int]) -> None:
    assert jensen_shannon(p, q) == pytest.approx(spatial.distance.jensenshannon(p, q, base=2), abs=1e-7)


@given(counts.filter(min), counts.filter(min))
def test_psi_is_both_relative_entropies_together(p: list[int], q: list[int]) -> None:
    expected = stats.entropy(p, q) + stats.entropy(q, p)
    assert population_stability_index(p, q) == pytest.approx(expected, rel=0.02, abs=1e-3)


@given(counts, counts)
def test_hellinger_is_half_the_euclidean_distance_of_roots(p: list[int], q: list[int]) -> None:
    roots = [np.sqrt(np.array(each) / sum(each)) for each in (p, q)]
    assert hellinger(p, q) == pytest.approx(spatial.distance.euclidean(*roots) / np.sqrt(2), abs=1e-9)


@given(counts.filter(min), counts)
def test_chi_squared_agrees_with_scipy(p: list[int], q: list[int]) -> None:
    assert chi_squared(p, q) == pytest.approx(stats.chi2_contingency([p, q], correction=False).statistic)


def test_chi_squared_passes_over_bins_that_are_empty_on_both_sides() -> None:
    assert chi_squared([10, 0, 20], [20, 0, 10]) == pytest.approx(chi_squared([10, 20], [20, 10]))


def test_psi_stays_finite_when_a_bin_is_empty() -> None:
    assert 0 < population_stability_index([1, 0], [0, 1]) < 20


def test_rows_are_measured_one_by_one() -> None:
    p, q = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])
    assert jensen_shannon_rows(p, q).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("bad", [[], [0, 0], [-1, 2]])
def test_shares_that_are_none_are_refused(bad: list[float]) -> None:
    for distance in (jensen_shannon, population_stability_index, hellinger, chi_squared):
        with pytest.raises(NotEnoughData, match="none negative and not all zero"):
            distance([1, 1], bad)
