"""Which arguments each expectation takes, in Great Expectations' own words."""

from dataclasses import dataclass

BOUNDS = ("min_value", "max_value")
_RANGE = (*BOUNDS, "strict_min", "strict_max")


@dataclass(frozen=True)
class Arguments:
    """The arguments that an expectation must have, and those that it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self.required + self.optional


_RANGE_OF_COLUMN = Arguments(("column",), _RANGE)
_SET_OF_COLUMN = Arguments(("column", "value_set"))

EXPECTATION_ARGUMENTS: dict[str, Arguments] = {
    "expect_column_distinct_values_to_be_in_set": _SET_OF_COLUMN,
    "expect_column_distinct_values_to_contain_set": _SET_OF_COLUMN,
    "expect_column_distinct_values_to_equal_set": _SET_OF_COLUMN,
    "expect_column_max_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_mean_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_median_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_min_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_most_common_value_to_be_in_set": Arguments(("column", "value_set"), ("ties_okay",)),
    "expect_column_pair_values_a_to_be_greater_than_b": Arguments(
        ("column_A", "column_B"), ("mostly", "or_equal", "ignore_row_if")
    ),
    "expect_column_pair_values_to_be_equal": Arguments(("column_A", "column_B"), ("mostly", "ignore_row_if")),
    "expect_column_proportion_of_non_null_values_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_proportion_of_unique_values_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_quantile_values_to_be_between": Arguments(("column", "quantile_ranges"), ("allow_relative_error",)),
    "expect_column_stdev_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_sum_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_unique_value_count_to_be_between": _RANGE_OF_COLUMN,
    "expect_column_value_lengths_to_be_between": Arguments(("column",), ("mostly", *_RANGE)),
    "expect_column_values_to_be_between": Arguments(("column",), ("mostly", *_RANGE)),
    "expect_column_values_to_be_in_set": Arguments(("column", "value_set"), ("mostly",)),
    "expect_column_values_to_be_null": Arguments(("column",), ("mostly",)),
    "expect_column_values_to_be_unique": Arguments(("column",), ("mostly",)),
    "expect_column_values_to_match_regex": Arguments(("column", "regex"), ("mostly",)),
    "expect_column_values_to_not_be_in_set": Arguments(("column", "value_set"), ("mostly",)),
    "expect_column_values_to_not_be_null": Arguments(("column",), ("mostly",)),
    "expect_column_values_to_not_match_regex": Arguments(("column", "regex"), ("mostly",)),
    "expect_compound_columns_to_be_unique": Arguments(("column_list",), ("mostly", "ignore_row_if")),
    "expect_multicolumn_sum_to_equal": Arguments(("column_list", "sum_total"), ("mostly", "ignore_row_if")),
    "expect_table_columns_to_match_set": Arguments(("column_set",), ("exact_match",)),
    "expect_table_row_count_to_be_between": Arguments((), _RANGE),
}

# Arguments whose value names one column, or a list of columns.
COLUMN_ARGUMENTS: tuple[str, ...] = ("column", "column_A", "column_B", "column_list", "column_set")

# Arguments whose value is a list; a text would be taken for the list of its letters.
LIST_ARGUMENTS: tuple[str, ...] = ("value_set", "column_list", "column_set")
