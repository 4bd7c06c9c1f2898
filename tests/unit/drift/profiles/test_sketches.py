"""Sketches: exact while values are few, within the stated error afterwards, and mergeable."""

import numpy as np
import pytest

from perennial.drift.profiles.sketches import (
    EXACT_CATEGORIES,
    LARGE,
    QUANTILE_SIZE,
    DistinctSketch,
    FrequencySketch,
    QuantileSketch,
)

PROBABILITIES = np.linspace(0, 1, 51)


def test_quantiles_of_few_values_are_exact() -> None:
    values = np.arange(QUANTILE_SIZE, dtype=np.float64)
    assert QuantileSketch.of(values).quantiles([0, 0.5, 1]) == (0, 63, 127)


@pytest.mark.parametrize("parts", [1, 2, 37])
def test_quantiles_of_many_are_within_the_error(parts: int) -> None:
    values = np.random.default_rng(1).lognormal(size=74_000)
    sketches = [QuantileSketch.of(np.sort(part)) for part in np.split(values, parts)]
    merged = sketches[0]
    for sketch in sketches[1:]:
        merged = merged.merge(sketch)
    assert merged.count == 74_000
    ranks = np.searchsorted(np.sort(values), merged.quantiles(list(PROBABILITIES)), side="right") / 74_000
    assert merged.rank_error < 0.03
    assert np.abs(ranks - PROBABILITIES).max() < 2 * merged.rank_error  # twice: 51 ranks at once, each with 99%


def test_a_large_set_is_seen_whole_with_its_extremes() -> None:
    values = np.sort(np.random.default_rng(2).exponential(size=LARGE + 5))
    sketch = QuantileSketch.of(values)
    assert sketch.count == LARGE + 5
    assert sketch.quantiles([0.0, 1.0]) == (values[0], values[-1])


def test_nothing_has_no_quantiles_and_changes_none() -> None:
    nothing, one = QuantileSketch.of(np.empty(0)), QuantileSketch.of(np.array([3.0]))
    assert nothing.quantiles([0.5]) == ()
    assert nothing.merge(one).quantiles([0.5]) == one.merge(nothing).quantiles([0.5]) == (3.0,)


def test_counts_of_few_categories_are_exact() -> None:
    counts = {f"c{i}": i + 1 for i in range(EXACT_CATEGORIES // 2)}
    more = {f"d{i}": 1 for i in range(EXACT_CATEGORIES // 2)}
    merged = FrequencySketch.of(counts).merge(FrequencySketch.of(more))
    assert merged.exact == {**counts, **more}
    assert merged.largest_error == 0
    assert list(merged.top(2)) == ["c383", "c382"]


def test_counts_of_many_categories_are_within_the_error() -> None:
    counts = {f"c{i}": 10_000 // (i + 1) + 1 for i in range(20_000)}
    half = {name: count for i, (name, count) in enumerate(counts.items()) if i % 2}
    rest = {name: count for name, count in counts.items() if name not in half}
    for sketch in (FrequencySketch.of(counts), FrequencySketch.of(half).merge(FrequencySketch.of(rest))):
        assert sketch.exact is None
        assert 0 < sketch.largest_error <= 3.5 / 1024 * sum(counts.values())
        top = sketch.top(3)
        assert list(top) == ["c0", "c1", "c2"]
        assert all(0 <= top[name] - counts[name] <= sketch.largest_error for name in top)


def test_ties_are_ordered_by_name() -> None:
    assert list(FrequencySketch.of({"b": 2, "a": 2, "c": 3}).top(3)) == ["c", "a", "b"]


@pytest.mark.parametrize("many", [0, 1, 1000, 100_000])
def test_distinct_categories_are_counted_within_a_few_per_cent(many: int) -> None:
    names = {f"c{i}": 1 for i in range(many)}
    overlapping = {f"c{i}": 1 for i in range(many // 2, many)}
    assert DistinctSketch.of(names).estimate == pytest.approx(many, rel=0.06)
    assert DistinctSketch.of(names).merge(DistinctSketch.of(overlapping)).estimate == pytest.approx(many, rel=0.06)
