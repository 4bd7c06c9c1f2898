"""Whether a suite checks already what an expectation would check."""

from collections.abc import Sequence

from perennial.spec.expectations import Expectation

# Types that check the same thing of a column, each with other limits or in other words.
ALIKE: tuple[frozenset[str], ...] = (
    frozenset({"expect_table_row_count_to_be_between"}),
    frozenset(
        {
            "expect_column_values_to_be_between",
            "expect_column_max_to_be_between",
            "expect_column_min_to_be_between",
        }
    ),
    frozenset(
        {
            "expect_column_values_to_be_in_set",
            "expect_column_distinct_values_to_be_in_set",
            "expect_column_distinct_values_to_equal_set",
        }
    ),
    frozenset({"expect_column_values_to_match_regex"}),
    frozenset(
        {
            "expect_column_values_to_not_be_null",
            "expect_column_proportion_of_non_null_values_to_be_between",
        }
    ),
)


def alike(expectation: Expectation, suite: Sequence[Expectation]) -> str | None:
    """The type of the first expectation in the suite that checks the same of the same column; None without one."""
    types = next(group for group in ALIKE if expectation.type in group)
    column = expectation.kwargs.get("column")
    return next((each.type for each in suite if each.type in types and each.kwargs.get("column") == column), None)
