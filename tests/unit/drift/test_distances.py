"""Distances: against published values, against SciPy, and by the properties they must have."""

import warnings

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
    kolmogorov_smirnov,
    population_stability_index,
    wasserstein,
)
from perennial.errors import NotEnoughData

samples = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=40)
counts = st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(lambda c: sum(c) > 0)


def test_wasserstein_has_the_values_of_scipys_documentation() -> None:
    assert wasserstein([0, 1, 3], [5, 6, 8]) == pytest.approx(5.0)
    assert wasserstein([0, 1, 1, 1], [0, 0, 1, 1]) == pytest.approx(0.25)


def test_jensen_shannon_has_the_values_of_scipys_documentation() -> None:
    assert jensen_shannon([1, 0, 0], [0, 1, 0]) == pytest.approx(1.0)
    natural = 0.46450140402245893  # jensenshannon([1, 0], [0.5, 0.5]) with natural logarithms
    assert jensen_shannon([1, 0], [0.5, 0.5]) == pytest.approx(natural / np.sqrt(np.log(2)))


def test_psi_of_two_bins_is_what_a_pencil_says() -> None:
    assert population_stability_index([1, 1], [1, 3]) == pytest.approx(0.25 * np.log(3))


@given(samples, samples)
def test_wasserstein_agrees_with_scipy(u: list[float], v: list[float]) -> None:
    assert wasserstein(u, v) == pytest.approx(stats.wasserstein_distance(u, v), rel=1e-9, abs=1e-6)


@given(samples, samples)
def test_kolmogorov_smirnov_agrees_with_scipy(u: list[float], v: list[float]) -> None:
    with warnings.catch_warnings(action="ignore"):  # SciPy's, about a p-value that is not looked at
        expected = stats.ks_2samp(u, v).statistic
    assert kolmogorov_smirnov(u, v) == pytest.approx(expected)


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


def test_wasserstein_grows_with_the_shift_and_counts_in_reference_sds() -> None:
    reference = np.random.default_rng(0).normal(0, 2, 500)
    found = [wasserstein(reference + 2 * shift, reference, scale=2.0) for shift in (1, 10, 1000)]
    assert found == pytest.approx([1, 10, 1000])


def test_psi_stays_finite_when_a_bin_is_empty() -> None:
    assert 0 < population_stability_index([1, 0], [0, 1]) < 20


def test_rows_are_measured_one_by_one() -> None:
    p, q = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])
    assert jensen_shannon_rows(p, q).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("bad", [[], [np.nan, 1.0], [np.inf]])
def test_a_sample_without_finite_values_is_refused(bad: list[float]) -> None:
    for distance in (wasserstein, kolmogorov_smirnov):
        with pytest.raises(NotEnoughData, match="finite values in both samples"):
            distance(bad, [1.0])


@pytest.mark.parametrize("bad", [[], [0, 0], [-1, 2]])
def test_shares_that_are_none_are_refused(bad: list[float]) -> None:
    for distance in (jensen_shannon, population_stability_index, hellinger, chi_squared):
        with pytest.raises(NotEnoughData, match="none negative and not all zero"):
            distance([1, 1], bad)
