"""Reading columns: what counts as a value, and what is refused."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from perennial.drift.profiles.values import LONGEST_CATEGORY, Categories, Numbers, from_array, read_column
from perennial.errors import SchemaMismatch
from perennial.spec.columns import Kind


def test_null_is_missing_and_nan_infinite_or_absurd_is_not_finite() -> None:
    rows = pa.table({"x": pa.array([1.0, None, float("nan"), float("inf"), float("-inf"), 1e200, 2.0])})
    column = read_column(rows, "x", Kind.NUMERIC)
    assert isinstance(column, Numbers)
    assert column.values.tolist() == [1.0, 2.0]
    assert (column.rows, column.missing, column.non_finite) == (7, 1, 4)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2, None], pa.int64()),
        pa.array([1, 2, None], pa.uint8()),
        pa.array([1.0, 2.0, None], pa.float32()),
        pa.array([Decimal("1.00"), Decimal("2.00"), None], pa.decimal128(10, 2)),
    ],
)
def test_every_number_type_is_read(values: pa.Array) -> None:
    column = read_column(pa.table({"x": values}), "x", Kind.INTEGER)
    assert isinstance(column, Numbers)
    assert column.values.tolist() == [1.0, 2.0]
    assert column.missing == 1


def test_a_column_of_nulls_has_no_type_and_no_values() -> None:
    rows = pa.table({"x": pa.nulls(3)})
    numbers, categories = read_column(rows, "x", Kind.NUMERIC), read_column(rows, "x", Kind.CATEGORICAL)
    assert isinstance(numbers, Numbers)
    assert isinstance(categories, Categories)
    assert numbers.values.size == 0
    assert numbers.missing == categories.missing == 3
    assert categories.counts == {}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["b", "a", "b", None]), {"b": 2, "a": 1}),
        (pa.array(["b", "a", "b", None]).dictionary_encode(), {"b": 2, "a": 1}),
        (pa.array([True, True, False, None]), {"true": 2, "false": 1}),
        (pa.array([7, 7, 3, None]), {"7": 2, "3": 1}),
    ],
)
def test_categories_are_counted_the_most_frequent_first(values: pa.Array, expected: dict[str, int]) -> None:
    column = read_column(pa.table({"c": values}), "c", Kind.CATEGORICAL)
    assert isinstance(column, Categories)
    assert list(column.counts.items()) == list(expected.items())
    assert (column.rows, column.missing) == (4, 1)


def test_ties_are_ordered_by_name_whatever_the_order_of_rows() -> None:
    one = read_column(pa.table({"c": ["z", "a"]}), "c", Kind.CATEGORICAL)
    other = read_column(pa.table({"c": ["a", "z"]}), "c", Kind.CATEGORICAL)
    assert isinstance(one, Categories)
    assert isinstance(other, Categories)
    assert list(one.counts) == list(other.counts) == ["a", "z"]


def test_long_categories_are_shortened_and_stay_apart() -> None:
    long = ["x" * 10_000 + "1", "x" * 10_000 + "2"]
    column = read_column(pa.table({"c": long}), "c", Kind.CATEGORICAL)
    assert isinstance(column, Categories)
    assert len(column.counts) == 2
    assert max(map(len, column.counts)) <= LONGEST_CATEGORY


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(SchemaMismatch, match="needs the column 'y'; the rows have x"):
        read_column(pa.table({"x": [1]}), "y", Kind.NUMERIC)


def test_text_and_booleans_are_no_numbers() -> None:
    for values in (["1", "2"], [True, False]):
        with pytest.raises(SchemaMismatch, match="should hold numbers, but its type is"):
            read_column(pa.table({"x": values}), "x", Kind.NUMERIC)


def test_lists_are_no_categories() -> None:
    with pytest.raises(SchemaMismatch, match="should hold categories"):
        read_column(pa.table({"x": [[1], [2]]}), "x", Kind.CATEGORICAL)


def test_a_timestamp_is_refused_because_later_is_always_later() -> None:
    rows = pa.table({"at": pa.array([0], pa.timestamp("us", "UTC"))})
    with pytest.raises(SchemaMismatch, match="Monitor the parts that are read off it"):
        read_column(rows, "at", Kind.TIMESTAMP)


def test_predictions_are_numbers_too() -> None:
    column = from_array(np.array([0.5, np.nan]))
    assert column.values.tolist() == [0.5]
    assert (column.rows, column.missing, column.non_finite) == (2, 0, 1)
