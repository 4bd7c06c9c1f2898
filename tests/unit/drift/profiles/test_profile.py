"""Profiles: the numbers are right, merge, survive JSON, and are defined for every odd column."""

import json
import statistics
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.drift.profiles.bins import Bins, CategoricalBins, NumericBins
from perennial.drift.profiles.profile import PROBABILITIES, TOP_CATEGORIES, WindowProfile, profile
from perennial.drift.profiles.values import Categories, from_array
from perennial.errors import SchemaMismatch
from perennial.spec.columns import Kind

COLUMNS = {"x": Kind.NUMERIC, "c": Kind.CATEGORICAL}
values = st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, 1.0, float("inf"), float("nan")]))
rows = st.lists(st.tuples(values, st.one_of(st.none(), st.sampled_from("abcdef"))), max_size=30)


def table(found: list[tuple[float | None, str | None]]) -> pa.Table:
    x, c = ([row[i] for row in found] for i in (0, 1))
    return pa.table({"x": pa.array(x, pa.float64()), "c": pa.array(c, pa.string())})


def reference_bins() -> dict[str, Bins]:
    x = NumericBins.of([from_array(np.arange(-50.0, 50.0))])
    c = CategoricalBins.of([Categories({"a": 40, "b": 30, "c": 20, "d": 10}, 100, 0)])
    assert x is not None
    assert c is not None
    return {"x": x, "c": c}


BINS = reference_bins()


def assert_same(a: WindowProfile, b: WindowProfile) -> None:
    """Equal where profiles are exact: everything, for so few values."""
    assert (a.rows, a.bins) == (b.rows, b.bins)
    x, y = a.numeric["x"], b.numeric["x"]
    assert (x.missing, x.non_finite, x.moments.count) == (y.missing, y.non_finite, y.moments.count)
    assert (x.moments.minimum, x.moments.maximum) == (y.moments.minimum, y.moments.maximum)
    size = max(abs(x.moments.minimum or 0), abs(x.moments.maximum or 0), 1.0)
    assert x.moments.mean == pytest.approx(y.moments.mean, abs=1e-12 * size)
    assert x.moments.squares == pytest.approx(y.moments.squares, rel=1e-9, abs=1e-12 * size**2)
    assert x.quantiles == y.quantiles
    assert x.binned is not None
    assert y.binned is not None
    assert x.binned.counts == y.binned.counts
    assert x.binned.sums == pytest.approx(y.binned.sums, abs=1e-12 * size)
    c, d = a.categorical["c"], b.categorical["c"]
    assert (c.missing, c.top, c.distinct, c.binned) == (d.missing, d.top, d.distinct, d.binned)


@given(rows, rows, rows)
def test_merging_is_profiling_everything_at_once_in_any_order(
    a: list[tuple[float | None, str | None]],
    b: list[tuple[float | None, str | None]],
    c: list[tuple[float | None, str | None]],
) -> None:
    one, two, three = (profile(table(part), COLUMNS, BINS) for part in (a, b, c))
    whole = profile(table(a + b + c), COLUMNS, BINS)
    assert_same(one.merge(two).merge(three), whole)
    assert_same(one.merge(two.merge(three)), whole)
    assert_same(three.merge(one).merge(two), whole)
    assert_same(profile([table(a), table(b), table(c)], COLUMNS, BINS), whole)


def test_merging_many_rows_stays_within_the_sketches_errors() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=60_000)
    names = np.array([f"c{i}" for i in range(5000)])[np.minimum(random.zipf(1.5, 60_000), 5000) - 1]
    whole = pa.table({"x": x, "c": names})
    found = profile([whole.slice(i, 7000) for i in range(0, 60_000, 7000)], COLUMNS)
    numeric, categorical = found.numeric["x"], found.categorical["c"]
    assert numeric.sketch.count == 60_000
    ranks = np.searchsorted(np.sort(x), numeric.quantiles) / 60_000
    assert np.abs(ranks - PROBABILITIES).max() < 2 * numeric.sketch.rank_error < 0.05
    assert numeric.moments.sd == pytest.approx(x.std(ddof=1))
    counts = dict(zip(*np.unique(names, return_counts=True), strict=True))
    error = categorical.frequencies.largest_error
    assert error <= 3.5 / 1024 * 60_000
    assert all(0 <= count - counts[name] <= error for name, count in list(categorical.top.items())[:5])
    assert categorical.distinct == pytest.approx(len(counts), rel=0.08)


def test_numbers_are_summarised() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    found = profile(pa.table({"x": [*values, None, float("inf")]}), {"x": Kind.NUMERIC}).numeric["x"]
    assert (found.rows, found.missing, found.non_finite) == (6, 1, 1)
    assert found.moments.mean == statistics.fmean(values)
    assert found.moments.sd == pytest.approx(statistics.stdev(values))
    assert len(found.quantiles) == len(PROBABILITIES)
    assert (found.quantiles[0], found.quantiles[-1]) == (1.0, 8.0)
    assert found.quantiles[PROBABILITIES.index(0.5)] == 2.0


def test_the_most_frequent_categories_are_kept_exactly() -> None:
    names = [f"c{i:02}" for i in range(TOP_CATEGORIES + 5) for _ in range(TOP_CATEGORIES + 5 - i)]
    found = profile(pa.table({"c": [*names, None]}), {"c": Kind.CATEGORICAL}).categorical["c"]
    assert list(found.top) == [f"c{i:02}" for i in range(TOP_CATEGORIES)]
    assert found.top["c00"] == TOP_CATEGORIES + 5
    assert found.distinct == TOP_CATEGORIES + 5
    assert (found.rows, found.missing) == (len(names) + 1, 1)


ODD = {
    "constant": pa.array([5.0, 5.0, 5.0]),
    "missing": pa.array([None, None, None], pa.float64()),
    "infinite": pa.array([float("inf"), float("-inf"), float("nan")]),
    "huge": pa.array([1e99, -1e99, 1e308]),
    "tiny": pa.array([5e-324, 0.0, 1e-310]),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_odd_columns_have_defined_profiles_without_nan(name: str, rows: int) -> None:
    found = profile(pa.table({"x": ODD[name].slice(0, rows)}), {"x": Kind.NUMERIC}, {"x": BINS["x"]})
    assert found.rows == rows
    json.dumps(found.to_json(), allow_nan=False)
    column = found.numeric["x"]
    usable = rows - column.missing - column.non_finite
    assert (column.moments.minimum is None) == (column.quantiles == ()) == (usable == 0)
    assert (column.moments.sd is None) == (usable < 2)


def test_a_profile_survives_json() -> None:
    rows = pa.table({"x": np.linspace(0, 1, 9), "c": list("aabbbcccc"), "b": [True] * 4 + [None] * 5})
    found = profile(rows, {**COLUMNS, "b": Kind.BOOLEAN}, BINS)
    assert WindowProfile.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_what_is_no_profile_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="not a window's profile"):
        WindowProfile.from_json({"rows": "many"})


def test_no_chunk_is_no_profile() -> None:
    with pytest.raises(SchemaMismatch, match="at least one chunk"):
        profile([], COLUMNS)


def test_profiles_that_don_t_belong_together_are_not_merged() -> None:
    rows = table([(1.0, "a")])
    with pytest.raises(SchemaMismatch, match="different columns can't be merged: x, c and x"):
        profile(rows, COLUMNS).merge(profile(rows, {"x": Kind.NUMERIC}))
    with pytest.raises(SchemaMismatch, match=r"different references can't be merged \(none and"):
        profile(rows, COLUMNS).merge(profile(rows, COLUMNS, BINS))


def test_memory_does_not_grow_with_the_number_of_rows() -> None:
    def chunks(count: int) -> Iterator[pa.Table]:
        random = np.random.default_rng(0)
        for _ in range(count):
            yield pa.table({"x": random.normal(size=20_000), "c": random.integers(0, 50, 20_000).astype(str)})

    peaks = []
    for count in (2, 20):
        tracemalloc.start()
        profile(chunks(count), COLUMNS, BINS)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
