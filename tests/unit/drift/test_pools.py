"""Pools: their distances are the textbook's, go on beyond what they have seen, and mix linearly."""

import numpy as np
import pytest
from scipy import spatial, stats

from perennial.drift.pools import MAX_CATEGORIES, QUANTILES, CategoricalPool, NumericPool
from perennial.drift.values import Categories, Floats, Numbers, from_array

RANDOM = np.random.default_rng(7)
SHAPES = {
    "normal": RANDOM.normal(1e4, 3, 20_000),
    "skewed": RANDOM.lognormal(0, 1.5, 20_000),
    "discrete": RANDOM.integers(0, 24, 20_000).astype(float),
    "mostly zero": np.where(RANDOM.random(20_000) < 0.9, 0.0, RANDOM.exponential(1, 20_000)),
}


def numbers(values: Floats) -> Numbers:
    return from_array(np.asarray(values, dtype=np.float64))


def categories(**counts: int) -> Categories:
    return Categories(counts, sum(counts.values()), 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shift", [0.0, 0.3, -2.0, 50.0])
def test_numeric_distance_is_wasserstein_in_reference_sds(shape: str, shift: float) -> None:
    values = SHAPES[shape]
    pool = NumericPool.of([numbers(values)])
    sample = RANDOM.choice(values, 900) + shift * values.std()
    expected = stats.wasserstein_distance(sample, values) / values.std()
    assert pool.distance(numbers(sample)) == pytest.approx(expected, rel=0.01, abs=5e-4)


def test_a_pool_keeps_its_extremes_and_no_more_than_its_quantiles() -> None:
    pool = NumericPool.of([numbers(SHAPES["skewed"])])
    assert (pool.edges[0], pool.edges[-1]) == (SHAPES["skewed"].min(), SHAPES["skewed"].max())
    assert len(pool.edges) <= QUANTILES
    assert pool.distance(numbers(SHAPES["skewed"])) == pytest.approx(0, abs=1e-9)


def test_rows_mix_linearly() -> None:
    one, two = numbers(SHAPES["normal"][:300]), numbers(SHAPES["normal"][300:1000] + 5)
    pool = NumericPool.of([one, two])
    assert (0.3 * pool.row(one) + 0.7 * pool.row(two)).tolist() == pytest.approx(list(pool.areas))


@pytest.mark.parametrize(("constant", "new", "distance"), [(5.0, 6.0, 0.2), (0.0, 3.0, 3.0), (-4.0, -4.0, 0.0)])
def test_a_constant_is_its_own_unit(constant: float, new: float, distance: float) -> None:
    pool = NumericPool.of([numbers(np.full(100, constant))])
    assert pool.constant
    assert pool.unit == "times the reference's constant value"
    assert pool.distance(numbers(np.full(60, new))) == pytest.approx(distance)


@pytest.mark.parametrize("values", [[1e100, -1e100], [5e-324, 0.0], [1e100, 1e100]])
def test_the_ends_of_the_number_range_stay_finite(values: list[float]) -> None:
    pool = NumericPool.of([numbers(np.array(values * 50))])
    for new in (1e100, -1e100, 0.0, 5e-324):
        assert np.isfinite(pool.distance(numbers(np.full(60, new))))


def test_categorical_distance_is_jensen_shannon() -> None:
    pool = CategoricalPool.of([categories(a=50, b=30), categories(a=10, c=10)])
    expected = spatial.distance.jensenshannon([60, 30, 10, 0], [10, 20, 30, 40], base=2)
    assert pool.distance(categories(a=10, b=20, c=30, d=25, e=15)) == pytest.approx(expected)


def test_unseen_values_are_told_from_known_ones() -> None:
    pool = CategoricalPool.of([categories(a=50, b=50)])
    assert pool.unseen_share(categories(a=3, z=1)) == 0.25
    assert pool.unseen_share(categories(a=3)) == 0.0
    assert pool.distance(categories(y=1, z=1)) == pytest.approx(1.0)


def test_with_too_many_categories_rare_ones_are_one_and_unseen_ones_unknown() -> None:
    counts = {f"c{i:03}": 1000 - i for i in range(MAX_CATEGORIES + 50)}
    pool = CategoricalPool.of([Categories(counts, sum(counts.values()), 0)])
    assert len(pool.shares) == MAX_CATEGORIES
    assert sum(pool.whole) == pytest.approx(1)
    assert pool.other > 0
    assert pool.unseen_share(categories(z=1)) is None
    assert pool.distance(Categories(counts, sum(counts.values()), 0)) == pytest.approx(0, abs=1e-6)
