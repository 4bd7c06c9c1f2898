"""Expectations as sentences: one for each, and none that a wrong argument breaks."""

from typing import Any

import pytest

from perennial.spec.expectations import EXPECTATION_ARGUMENTS
from perennial.spec.sentences import MOST_LISTED, SENTENCES, sentence

SAID: list[tuple[str, dict[str, Any], str]] = [
    ("column_values_to_be_between", {"column": "x", "min_value": 1}, "x must be at least 1"),
    (
        "column_values_to_be_between",
        {"column": "distance", "min_value": 1, "max_value": 20_000, "mostly": 0.99},
        "distance must be at least 1 and at most 20,000, for at least 99% of values",
    ),
    (
        "column_values_to_be_between",
        {"column": "x", "min_value": 0, "max_value": 1.5, "strict_min": True, "strict_max": True, "mostly": 1},
        "x must be above 0 and below 1.5",
    ),
    (
        "column_values_to_be_between",
        {"column": "day", "min_value": "2013-01-01", "max_value": None},
        "day must be at least 2013-01-01",
    ),
    ("column_values_to_not_be_null", {"column": "x"}, "x must have a value in every row"),
    (
        "column_values_to_not_be_null",
        {"column": "x", "mostly": 0.9995},
        "x must have a value in at least 99.95% of rows",
    ),
    ("column_values_to_be_null", {"column": "x"}, "x must have no value in every row"),
    ("column_values_to_be_unique", {"column": "id"}, "id must be different in every row"),
    ("column_values_to_be_in_set", {"column": "x", "value_set": ["", "b"]}, "x must be one of an empty text, b"),
    ("column_values_to_not_be_in_set", {"column": "x", "value_set": [0]}, "x must be none of 0"),
    ("column_values_to_match_regex", {"column": "x", "regex": "^[A-Z]$"}, "x must match the pattern ^[A-Z]$"),
    ("column_values_to_not_match_regex", {"column": "x", "regex": "a"}, "x must not match the pattern a"),
    (
        "column_value_lengths_to_be_between",
        {"column": "x", "min_value": 2, "max_value": 2},
        "x must have exactly 2 characters",
    ),
    ("column_mean_to_be_between", {"column": "x", "max_value": 3}, "The mean of x must be at most 3"),
    (
        "column_proportion_of_non_null_values_to_be_between",
        {"column": "x", "min_value": 0.25},
        "The share of rows in which x has a value must be at least 25%",
    ),
    (
        "column_quantile_values_to_be_between",
        {"column": "x", "quantile_ranges": {"quantiles": [0.05, 0.5], "value_ranges": [[0, 1], [None, 9]]}},
        "Quantiles of x must be: the 5% quantile at least 0 and at most 1; the 50% quantile at most 9",
    ),
    (
        "column_pair_values_a_to_be_greater_than_b",
        {"column_A": "a", "column_B": "b", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
        "a must be at least b (rows in which either is missing are left out)",
    ),
    (
        "column_pair_values_a_to_be_greater_than_b",
        {"column_A": "a", "column_B": "b", "mostly": 0.5},
        "a must be greater than b, for at least 50% of rows",
    ),
    ("column_pair_values_to_be_equal", {"column_A": "a", "column_B": "b"}, "a must be equal to b"),
    (
        "compound_columns_to_be_unique",
        {"column_list": ["a", "b", "c"]},
        "a, b and c together must be different in every row",
    ),
    ("multicolumn_sum_to_equal", {"column_list": ["a", "b"], "sum_total": 100}, "a and b must add up to 100"),
    ("table_columns_to_match_set", {"column_set": ["a", "b"]}, "The columns must be exactly a, b"),
    (
        "table_columns_to_match_set",
        {"column_set": ["a", "b"], "exact_match": False},
        "The columns must include a, b",
    ),
    (
        "table_row_count_to_be_between",
        {"min_value": 400, "max_value": 15_000},
        "The window must have at least 400 and at most 15,000 rows",
    ),
    (
        "column_most_common_value_to_be_in_set",
        {"column": "x", "value_set": ["a"], "ties_okay": True},
        "The most frequent value of x must be one of a; one of several equally frequent ones is enough",
    ),
    (
        "column_distinct_values_to_equal_set",
        {"column": "x", "value_set": [True]},
        "The distinct values of x must be exactly true",
    ),
]


@pytest.mark.parametrize(("kind", "arguments", "said"), SAID)
def test_an_expectation_is_said(kind: str, arguments: dict[str, Any], said: str) -> None:
    assert sentence(f"expect_{kind}", arguments) == said


def test_every_expectation_has_a_sentence() -> None:
    assert SENTENCES.keys() == EXPECTATION_ARGUMENTS.keys()


def test_of_a_long_set_the_first_values_are_named_and_all_counted() -> None:
    said = sentence("expect_column_values_to_be_in_set", {"column": "x", "value_set": list(range(50))})
    assert said == f"x must be one of {', '.join(str(each) for each in range(MOST_LISTED))} … (50 in all)"


@pytest.mark.parametrize("kind", [*EXPECTATION_ARGUMENTS, "expect_moon_to_be_full"])
@pytest.mark.parametrize("wrong", [{}, {"column": "x", "min_value": [], "value_set": 3, "quantile_ranges": 1}])
def test_wrong_or_unknown_arguments_are_said_plainly(kind: str, wrong: dict[str, Any]) -> None:
    assert sentence(kind, wrong)


def test_what_is_unknown_is_named_with_its_arguments() -> None:
    assert sentence("expect_moon_to_be_full", {"column": "moon", "share": 1}) == "moon: moon to be full (share 1)"
