"""The expectations of a use case: what one `expectations.yaml` may say, in the words of Great Expectations.

The loader hands them on as `LoadedUseCase.expectations: tuple[Expectation, ...]`, in the order of the file.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from perennial.spec.fields import Spec
from perennial.spec.problems import Problem, broken_rules, unknown_name

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

ABOUT_ALL_COLUMNS = "expect_table_columns_to_match_set"
ABOUT_NUMBER_OF_ROWS = "expect_table_row_count_to_be_between"
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
    ABOUT_ALL_COLUMNS: Arguments(("column_set",), ("exact_match",)),
    ABOUT_NUMBER_OF_ROWS: Arguments((), _RANGE),
}

# Arguments whose value names one column, or a list of columns.
COLUMN_ARGUMENTS: tuple[str, ...] = ("column", "column_A", "column_B", "column_list", "column_set")

# Arguments whose value is a list; a text would be taken for the list of its letters.
LIST_ARGUMENTS: tuple[str, ...] = ("value_set", "column_list", "column_set")

# Each row by itself meets or breaks these, so it can be set aside by itself. All others are judged for the window as a
# whole.
ROW_LEVEL_EXPECTATIONS: tuple[str, ...] = (
    "expect_column_value_lengths_to_be_between",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_be_unique",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_not_be_null",
)


class Severity(StrEnum):
    """What an unmet expectation does to the window's verdict: `critical` fails it, `warning` warns."""

    CRITICAL = "critical"
    WARNING = "warning"


def _known(name: str) -> str:
    if name not in EXPECTATION_ARGUMENTS:
        raise broken_rules([unknown_name(name, "expectation", EXPECTATION_ARGUMENTS)])
    return name


def _regex_fault(regex: object) -> str | None:
    if not isinstance(regex, str):
        return "must be a text; put it in quotes"
    try:
        re.compile(regex)
    except re.error as error:
        return f"not a regular expression: {error}"
    return None


class Expectation(Spec):
    """One expectation, in Great Expectations' own words.

    `type` is its snake_case name; `kwargs` are its arguments exactly as Great Expectations takes them, `column` and
    `mostly` among them. With `quarantine`, rows that break it are set aside one by one and the window goes on without
    them; only an expectation in `ROW_LEVEL_EXPECTATIONS` can do that, and it takes no `mostly`.
    """

    type: Annotated[str, AfterValidator(_known)]
    kwargs: dict[str, Any] = Field(default_factory=dict)
    severity: Severity = Severity.CRITICAL
    quarantine: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = [*self._argument_problems(), *self._quarantine_problems()]
        if problems:
            raise broken_rules(problems)
        return self

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it names."""
        named = (self.kwargs[argument] for argument in COLUMN_ARGUMENTS if argument in self.kwargs)
        return frozenset(str(name) for value in named for name in (value if isinstance(value, list) else [value]))

    def _argument_problems(self) -> list[Problem]:
        arguments = EXPECTATION_ARGUMENTS[self.type]
        unknown = [name for name in self.kwargs if name not in arguments.names]
        problems = [
            unknown_name(name, f"argument of {self.type}", arguments.names, ("kwargs", name)) for name in unknown
        ]
        meant = {problem.suggestion for problem in problems}
        problems += [
            Problem(("kwargs", name), f"{self.type} needs this argument")
            for name in arguments.required
            if name not in self.kwargs and name not in meant
        ]
        problems += self._value_problems()
        bounds = [name for name in BOUNDS if name in arguments.names]
        if bounds and not meant.intersection(bounds) and all(self.kwargs.get(name) is None for name in bounds):
            problems.append(Problem(("kwargs",), "needs min_value, max_value or both; without them it checks nothing"))
        return problems

    def _value_problems(self) -> list[Problem]:
        problems = []
        for name in LIST_ARGUMENTS:
            if name in self.kwargs and not (isinstance(self.kwargs[name], list) and self.kwargs[name]):
                problems.append(Problem(("kwargs", name), "must be a list that is not empty: [a, b]"))
        low, high = (self.kwargs.get(name) for name in BOUNDS)
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            problems.append(Problem(("kwargs", "min_value"), f"is above max_value, {high}"))
        mostly = self.kwargs.get("mostly", 1)
        if not (isinstance(mostly, int | float) and 0 < mostly <= 1):
            problems.append(Problem(("kwargs", "mostly"), "must be a share above 0 and at most 1"))
        if fault := _regex_fault(self.kwargs.get("regex", "")):
            problems.append(Problem(("kwargs", "regex"), fault))
        return problems

    def _quarantine_problems(self) -> list[Problem]:
        if not self.quarantine:
            return []
        if self.type not in ROW_LEVEL_EXPECTATIONS:
            return [
                Problem(
                    ("quarantine",),
                    f"{self.type} says nothing about a single row, so no row can be set aside; "
                    f"the expectations that can are {', '.join(ROW_LEVEL_EXPECTATIONS)}",
                )
            ]
        if "mostly" in self.kwargs:
            return [
                Problem(
                    ("kwargs", "mostly"),
                    "with quarantine every row is judged by itself; quality.max_quarantined_share in use_case.yaml "
                    "says how many may be set aside",
                )
            ]
        return []


class Suite(Spec):
    """The whole of one `expectations.yaml`."""

    expectations: tuple[Expectation, ...] = Field(min_length=1)
