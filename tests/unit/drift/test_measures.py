"""Measures: equal to what SciPy says about the same bins, and about the raw values to the bins' error."""

import numpy as np
import pytest
from scipy import spatial, stats

from perennial.arrays import Floats
from perennial.drift.measures import GROUPS, Measures, measure_categories, measure_numbers
from perennial.drift.profiles.bins import CategoricalBins, CategoryCounts, NumericBins, NumericCounts
from perennial.drift.profiles.values import Categories, Numbers

RANDOM = np.random.default_rng(11)


def numbers(values: Floats, missing: int = 0, non_finite: int = 0) -> Numbers:
    return Numbers(np.asarray(values, dtype=np.float64), len(values) + missing + non_finite, missing, non_finite)


def measured(reference: Numbers, window: Numbers) -> Measures:
    bins = NumericBins.of([reference])
    assert bins is not None
    counted = [bins.count(np.sort(each.values), each) for each in (reference, window)]
    return measure_numbers(bins, *counted)


def bars(found: Measures) -> tuple[list[float], list[float]]:
    return [bar.reference for bar in found.bars], [bar.window for bar in found.bars]


def test_measures_of_the_bars_are_scipys() -> None:
    found = measured(numbers(RANDOM.normal(size=5000), 50), numbers(RANDOM.normal(0.3, 1.2, size=900), 5, 7))
    p, q = bars(found)
    assert sum(p) == pytest.approx(1)
    assert sum(q) == pytest.approx(1)
    assert len(p) == GROUPS + 2
    assert found.jensen_shannon == pytest.approx(spatial.distance.jensenshannon(p, q, base=2), abs=1e-9)
    a, b = (np.maximum(shares, 1e-4) / np.maximum(shares, 1e-4).sum() for shares in (p, q))
    assert found.population_stability_index == pytest.approx(stats.entropy(a, b) + stats.entropy(b, a), abs=1e-9)
    euclidean = spatial.distance.euclidean(np.sqrt(p), np.sqrt(q))
    assert found.hellinger == pytest.approx(euclidean / np.sqrt(2), abs=1e-9)
    counts = np.array([np.array(p) * 5050, np.array(q) * 912])
    assert found.chi_squared == pytest.approx(stats.chi2_contingency(counts).statistic)


def test_the_bars_hold_about_equal_shares_of_the_reference() -> None:
    found = measured(numbers(RANDOM.lognormal(size=5000)), numbers(np.full(100, -3.0)))
    assert [bar.reference for bar in found.bars] == pytest.approx([1 / GROUPS] * GROUPS, abs=0.02)
    assert found.bars[0].label.startswith("up to ")
    assert found.bars[0].window == 1.0
    assert found.bars[-1].label.startswith("above ")


@pytest.mark.parametrize(("middle", "spread"), [(40.7123, 0.01), (10234.5, 0.3), (1.7e9, 40.0), (0.0, 1e-9)])
def test_no_two_bars_are_called_alike(middle: float, spread: float) -> None:
    found = measured(numbers(RANDOM.normal(middle, spread, 5000), 5), numbers(RANDOM.normal(middle, spread, 500)))
    assert len({bar.label for bar in found.bars}) == len(found.bars) == GROUPS + 1


def test_a_category_may_be_called_as_a_bar_is() -> None:
    bins = CategoricalBins(("all others", "missing", "(missing)"), others=True)
    found = measure_categories(bins, *[CategoryCounts((5, 3, 2), 4, 15, 1)] * 2)
    assert [bar.label for bar in found.bars] == ["all others", "missing", "(missing)", "(all others)", "((missing))"]


@pytest.mark.parametrize("shift", [0.0, 0.1, -0.5, 3.0])
def test_few_different_values_are_measured_exactly(shift: float) -> None:
    reference = RANDOM.integers(0, 20, 3000).astype(np.float64)
    window = np.clip(np.round(RANDOM.integers(0, 20, 700) + 20 * shift), 0, 19).astype(np.float64)
    found = measured(numbers(reference), numbers(window))
    assert found.kolmogorov_smirnov == pytest.approx(stats.ks_2samp(window, reference, method="asymp").statistic)
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(window, reference) / reference.std())
    u = stats.mannwhitneyu(window, reference).statistic
    assert found.rank_shift == pytest.approx(2 * u / (len(window) * len(reference)) - 1)


def test_many_different_values_are_measured_to_the_bins_error() -> None:
    reference, window = RANDOM.normal(size=50_000), RANDOM.normal(0.4, 1, size=9000)
    found = measured(numbers(reference), numbers(window))
    exact = stats.ks_2samp(window, reference, method="asymp").statistic
    assert found.kolmogorov_smirnov is not None
    assert exact - 1 / 64 <= found.kolmogorov_smirnov <= exact
    u = stats.mannwhitneyu(window, reference).statistic
    assert found.rank_shift == pytest.approx(2 * u / (len(window) * len(reference)) - 1, abs=1e-3)


def test_a_column_whose_values_vanished_is_measured_by_what_is_missing() -> None:
    found = measured(numbers(RANDOM.normal(size=500)), numbers(np.empty(0), 90, 10))
    assert (found.wasserstein, found.kolmogorov_smirnov, found.rank_shift) == (None, None, None)
    assert {bar.label: bar.window for bar in found.bars if bar.window} == {"missing": 0.9, "not finite": 0.1}
    assert found.jensen_shannon == pytest.approx(1)


def test_a_constant_is_one_bar() -> None:
    same = measured(numbers(np.full(90, 2.0)), numbers(np.full(30, 2.0)))
    assert (same.jensen_shannon, same.rank_shift, same.wasserstein) == pytest.approx((0, 0, 0), abs=1e-12)
    other = measured(numbers(np.full(90, 2.0)), numbers(np.full(30, 5.0)))
    assert other.rank_shift == 1.0
    assert other.kolmogorov_smirnov == 1.0
    assert other.jensen_shannon == pytest.approx(1)
    assert measured(numbers(np.full(90, 2.0)), numbers(np.full(30, 1.0))).rank_shift == 0.0


def test_categories_have_a_bar_each_and_one_for_those_never_seen() -> None:
    bins = CategoricalBins.of([Categories({"a": 60, "b": 40}, 100, 0)])
    assert bins is not None
    found = measure_categories(bins, CategoryCounts((60, 40), 0, 100, 0), CategoryCounts((10, 10), 20, 50, 10))
    assert [(bar.label, bar.window) for bar in found.bars] == [
        ("a", 0.2),
        ("b", 0.2),
        ("never seen before", 0.4),
        ("missing", 0.2),
    ]
    expected = spatial.distance.jensenshannon([0.6, 0.4, 0, 0], [0.2, 0.2, 0.4, 0.2], base=2)
    assert found.jensen_shannon == pytest.approx(expected)
    assert (found.wasserstein, found.kolmogorov_smirnov, found.rank_shift) == (None, None, None)


def test_a_window_that_is_the_reference_is_at_no_distance() -> None:
    values = numbers(RANDOM.lognormal(size=2000), 10, 3)
    found = measured(values, values)
    apart = (found.wasserstein, found.kolmogorov_smirnov, found.population_stability_index, found.chi_squared)
    assert apart == pytest.approx((0, 0, 0, 0), abs=1e-12)
    assert found.rank_shift == pytest.approx(0, abs=1e-12)


def test_counts_of_nothing_but_missing_values_are_measured() -> None:
    bins = NumericBins((1.0,), 1.0, 1.0, True)
    nothing = NumericCounts((0, 0), (0.0, 0.0), 10, 10, 0)
    some = NumericCounts((5, 5), (0.0, 5.0), 10, 0, 0)
    assert measure_numbers(bins, some, nothing).jensen_shannon == pytest.approx(1)
    assert measure_numbers(bins, nothing, some).wasserstein is None
