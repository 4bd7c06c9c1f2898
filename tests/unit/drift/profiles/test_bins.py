"""Bins: every value falls in one, shapes mix linearly, and their distances are the textbook's."""

import numpy as np
import pytest
from scipy import spatial, stats

from perennial.arrays import Floats
from perennial.drift.distances import jensen_shannon
from perennial.drift.profiles.bins import (
    MAX_CATEGORIES,
    QUANTILES,
    CategoricalBins,
    CategoryCounts,
    NumericBins,
    NumericCounts,
)
from perennial.drift.profiles.values import Categories, from_array

RANDOM = np.random.default_rng(7)
SHAPES = {
    "normal": RANDOM.normal(1e4, 3, 20_000),
    "skewed": RANDOM.lognormal(0, 1.5, 20_000),
    "discrete": RANDOM.integers(0, 24, 20_000).astype(float),
    "mostly zero": np.where(RANDOM.random(20_000) < 0.9, 0.0, RANDOM.exponential(1, 20_000)),
}


def bins_of(*values: Floats) -> NumericBins:
    bins = NumericBins.of([from_array(np.asarray(each, dtype=np.float64)) for each in values])
    assert bins is not None
    return bins


def count(bins: NumericBins, values: Floats) -> NumericCounts:
    column = from_array(np.asarray(values, dtype=np.float64))
    return bins.count(np.sort(column.values), column)


def distance(bins: NumericBins, one: Floats, other: Floats) -> float:
    return float(np.abs(bins.shape(count(bins, one)) - bins.shape(count(bins, other))).sum())


def categories(**counts: int) -> Categories:
    return Categories(counts, sum(counts.values()), 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shift", [0.0, 0.3, -2.0, 50.0])
def test_shapes_differ_by_wasserstein_in_reference_sds(shape: str, shift: float) -> None:
    values = SHAPES[shape]
    bins = bins_of(values)
    sample = RANDOM.choice(values, 900) + shift * values.std()
    expected = stats.wasserstein_distance(sample, values) / values.std()
    found = distance(bins, sample, values)
    assert found <= expected + 1e-9
    assert found == pytest.approx(expected, rel=0.02, abs=0.01)


def test_bins_keep_the_extremes_and_no_more_than_the_quantiles() -> None:
    bins = bins_of(SHAPES["skewed"])
    assert (bins.edges[0], bins.edges[-1]) == (SHAPES["skewed"].min(), SHAPES["skewed"].max())
    assert len(bins.edges) == QUANTILES + 1
    inside = count(bins, SHAPES["skewed"]).counts
    assert inside[-1] == 0
    assert max(inside[1:-1]) - min(inside[1:-1]) <= 2


def test_every_value_falls_into_the_bin_that_ends_with_it() -> None:
    bins = bins_of(np.array([1.0, 2.0, 4.0]))
    found = count(bins, np.array([0.0, 1.0, 1.5, 2.0, 4.0, 9.0, np.nan, np.inf]))
    assert found.counts == (2, 2, 1, 1)
    assert (found.rows, found.non_finite, found.usable) == (8, 2, 6)
    assert found.mean is not None
    assert bins.centre + bins.scale * found.mean == pytest.approx(17.5 / 6)


def test_counts_add_up_and_shapes_mix_linearly() -> None:
    one, two = SHAPES["normal"][:300], SHAPES["normal"][300:1000] + 5
    bins = bins_of(one, two)
    both = count(bins, np.concatenate([one, two]))
    merged = count(bins, one).merge(count(bins, two))
    assert merged.counts == both.counts
    assert merged.sums == pytest.approx(both.sums)
    mixed = 0.3 * bins.shape(count(bins, one)) + 0.7 * bins.shape(count(bins, two))
    assert mixed.tolist() == pytest.approx(bins.shape(both).tolist(), abs=1e-12)


@pytest.mark.parametrize(("constant", "new", "expected"), [(5.0, 6.0, 0.2), (0.0, 3.0, 3.0), (-4.0, -4.0, 0.0)])
def test_a_constant_is_its_own_unit(constant: float, new: float, expected: float) -> None:
    bins = bins_of(np.full(100, constant))
    assert bins.constant
    assert bins.unit == "times the reference's constant value"
    assert distance(bins, np.full(60, new), np.full(100, constant)) == pytest.approx(expected)


@pytest.mark.parametrize("values", [[1e100, -1e100], [5e-324, 0.0], [1e100, 1e100]])
def test_the_ends_of_the_number_range_stay_finite(values: list[float]) -> None:
    bins = bins_of(np.array(values * 50))
    for new in (1e100, -1e100, 0.0, 5e-324):
        assert np.isfinite(distance(bins, np.full(60, new), np.array(values * 50)))


def test_without_values_there_are_no_bins() -> None:
    assert NumericBins.of([]) is None
    assert NumericBins.of([from_array(np.array([np.nan]))]) is None
    assert CategoricalBins.of([categories()]) is None


def test_categories_are_counted_the_most_frequent_first() -> None:
    bins = CategoricalBins.of([categories(a=50, b=30), categories(b=60, c=10)])
    assert bins is not None
    assert bins.categories == ("b", "a", "c")
    found = bins.count(Categories({"a": 10, "c": 30, "d": 25, "e": 15}, 100, 20))
    assert found == CategoryCounts((0, 10, 30), 40, 100, 20)
    expected = spatial.distance.jensenshannon([90, 50, 10, 0], [0, 10, 30, 40], base=2)
    assert jensen_shannon([90, 50, 10, 0], bins.shape(found)) == pytest.approx(expected)
    assert found.merge(found) == CategoryCounts((0, 20, 60), 80, 200, 40)
    assert bins.unseen_share(found) == 0.5
    assert bins.unseen_share(bins.count(categories())) is None


def test_with_too_many_categories_rare_ones_are_one_and_unseen_ones_unknown() -> None:
    counts = {f"c{i:03}": 1000 - i for i in range(MAX_CATEGORIES + 50)}
    bins = CategoricalBins.of([Categories(counts, sum(counts.values()), 0)])
    assert bins is not None
    assert len(bins.categories) == MAX_CATEGORIES
    found = bins.count(Categories(counts, sum(counts.values()), 0))
    assert found.elsewhere == sum(1000 - i for i in range(MAX_CATEGORIES, MAX_CATEGORIES + 50))
    assert bins.unseen_share(bins.count(categories(z=1))) is None
