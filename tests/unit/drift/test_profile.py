"""Profiles: the numbers are right, survive JSON, and are defined for every odd column."""

import json
import statistics

import numpy as np
import pyarrow as pa
import pytest

from perennial.drift.profile import PROBABILITIES, TOP_CATEGORIES, WindowProfile, profile
from perennial.errors import SchemaMismatch
from perennial.spec.models import Kind


def test_numbers_are_summarised() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    found = profile(pa.table({"x": [*values, None, float("inf")]}), {"x": Kind.NUMERIC}).numeric["x"]
    assert (found.rows, found.missing, found.non_finite) == (6, 1, 1)
    assert found.mean == statistics.fmean(values)
    assert found.sd == pytest.approx(statistics.stdev(values))
    assert len(found.quantiles) == len(PROBABILITIES)
    assert found.quantiles[0] == 1.0
    assert found.quantiles[PROBABILITIES.index(0.5)] == 3.0
    assert found.quantiles[-1] == 8.0


def test_categories_beyond_the_top_are_summed_up() -> None:
    values = [f"c{i:02}" for i in range(TOP_CATEGORIES + 5) for _ in range(TOP_CATEGORIES + 5 - i)]
    found = profile(pa.table({"c": [*values, None]}), {"c": Kind.CATEGORICAL}).categorical["c"]
    assert list(found.top) == [f"c{i:02}" for i in range(TOP_CATEGORIES)]
    assert found.other == 5 + 4 + 3 + 2 + 1
    assert found.distinct == TOP_CATEGORIES + 5
    assert found.missing == 1
    assert sum(found.top.values()) + found.other + found.missing == found.rows


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
    found = profile(pa.table({"x": ODD[name].slice(0, rows)}), {"x": Kind.NUMERIC})
    assert found.rows == rows
    json.dumps(found.to_json(), allow_nan=False)
    usable = rows - found.numeric["x"].missing - found.numeric["x"].non_finite
    assert (found.numeric["x"].mean is None) == (usable == 0)
    assert (found.numeric["x"].sd is None) == (usable < 2)


def test_a_profile_survives_json() -> None:
    rows = pa.table({"x": np.linspace(0, 1, 9), "c": list("aabbbcccc"), "b": [True] * 4 + [None] * 5})
    found = profile(rows, {"x": Kind.NUMERIC, "c": Kind.CATEGORICAL, "b": Kind.BOOLEAN})
    assert WindowProfile.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_what_is_no_profile_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="not a window's profile"):
        WindowProfile.from_json({"rows": "many"})
