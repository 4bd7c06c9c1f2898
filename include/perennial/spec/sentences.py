"""Expectations as sentences: what must hold, for people who don't know Great Expectations' names.

One sentence for each name in `EXPECTATION_ARGUMENTS`; a test compares the two.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from perennial.spec.expectations import COLUMN_ARGUMENTS

Arguments = Mapping[str, Any]
MOST_LISTED = 12
COMMAS_FROM = 10_000  # below, a number may be a year


def sentence(kind: str, arguments: Arguments) -> str:
    """What the expectation `kind` with these arguments asks for, without a full stop.

    >>> sentence("expect_column_values_to_be_between", {"column": "distance", "min_value": 1, "max_value": 20_000})
    'distance must be at least 1 and at most 20,000'
    >>> sentence("expect_column_values_to_not_be_null", {"column": "temp", "mostly": 0.8})
    'temp must have a value in at least 80% of rows'
    """
    if kind in SENTENCES:
        try:
            return SENTENCES[kind](arguments)
        except (KeyError, TypeError, ValueError, AttributeError):  # no arguments of it, which Great Expectations tells
            return _plainly(kind, arguments)
    return _plainly(kind, arguments)  # another version of Perennial knew it


def _plainly(kind: str, arguments: Arguments) -> str:
    columns = ", ".join(str(arguments[name]) for name in COLUMN_ARGUMENTS if name in arguments)
    others = ", ".join(f"{name} {value}" for name, value in arguments.items() if name not in COLUMN_ARGUMENTS)
    said = kind.removeprefix("expect_").replace("_", " ")
    return f"{columns}{': ' if columns else ''}{said}{f' ({others})' if others else ''}"


def written(value: object) -> str:
    """A value of an expectation: long numbers with commas, an empty text as what it is.

    >>> written(20_000), written(2013), written(0.25), written(""), written(True)
    ('20,000', '2013', '0.25', 'an empty text', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= COMMAS_FROM else str(value)
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) >= COMMAS_FROM else f"{value:.6g}"
    if value is None:
        return "no value"
    return str(value) or "an empty text"


def percent(share: float) -> str:
    """A share with as many digits as it has, up to six: 99.95% is not 100%.

    >>> percent(0.8), percent(0.9995)
    ('80%', '99.95%')
    """
    return f"{100 * share:.6g}%"


def _bounds(arguments: Arguments, shown: Callable[[Any], str] = written) -> str:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if low is not None and low == high:
        return f"exactly {shown(low)}"
    parts = []
    if low is not None:
        parts.append(f"{'above' if arguments.get('strict_min') else 'at least'} {shown(low)}")
    if high is not None:
        parts.append(f"{'below' if arguments.get('strict_max') else 'at most'} {shown(high)}")
    return " and ".join(parts) or "anything"


def _mostly(arguments: Arguments, of: str = "values") -> str:
    mostly = arguments.get("mostly")
    return "" if mostly is None or mostly == 1 else f", for at least {percent(mostly)} of {of}"


def _listed(values: Any) -> str:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return written(values)
    named = ", ".join(written(each) for each in values[:MOST_LISTED])
    return named if len(values) <= MOST_LISTED else f"{named} … ({len(values)} in all)"


def _columns(arguments: Arguments) -> str:
    *first, last = [str(name) for name in arguments["column_list"]]
    return f"{', '.join(first)} and {last}" if first else last


_LEFT_OUT = {
    "both_values_are_missing": "rows in which both are missing are left out",
    "either_value_is_missing": "rows in which either is missing are left out",
    "all_values_are_missing": "rows in which all are missing are left out",
    "any_value_is_missing": "rows in which any is missing are left out",
}


def _ignored(arguments: Arguments) -> str:
    said = _LEFT_OUT.get(str(arguments.get("ignore_row_if")))
    return f" ({said})" if said else ""


def _about(what: str, shown: Callable[[Any], str] = written) -> Callable[[Arguments], str]:
    """A figure of a column that must lie between bounds."""
    return lambda arguments: f"{what.format(arguments['column'])} must be {_bounds(arguments, shown)}"


def _each(what: Callable[[Arguments], str]) -> Callable[[Arguments], str]:
    """Something that every value of a column must be or have."""
    return lambda arguments: f"{arguments['column']} must {what(arguments)}{_mostly(arguments)}"


def _present(arguments: Arguments, what: str) -> str:
    mostly = arguments.get("mostly")
    where = "every row" if mostly is None or mostly == 1 else f"at least {percent(mostly)} of rows"
    return f"{arguments['column']} must have {what} in {where}"


def _set_of(what: str) -> Callable[[Arguments], str]:
    return lambda arguments: what.format(arguments["column"], _listed(arguments["value_set"]))


def _most_common(arguments: Arguments) -> str:
    ties = "; one of several equally frequent ones is enough" if arguments.get("ties_okay") else ""
    return f"The most frequent value of {arguments['column']} must be one of {_listed(arguments['value_set'])}{ties}"


def _pair(what: str) -> Callable[[Arguments], str]:
    def said(arguments: Arguments) -> str:
        relation = what.format("at least" if arguments.get("or_equal") else "greater than")
        pair = f"{arguments['column_A']} must be {relation} {arguments['column_B']}"
        return f"{pair}{_mostly(arguments, 'rows')}{_ignored(arguments)}"

    return said


def _quantiles(arguments: Arguments) -> str:
    asked = arguments["quantile_ranges"]
    limits = "; ".join(
        f"the {percent(quantile)} quantile {_bounds({'min_value': low, 'max_value': high})}"
        for quantile, (low, high) in zip(asked["quantiles"], asked["value_ranges"], strict=True)
    )
    return f"Quantiles of {arguments['column']} must be: {limits}"


def _together(arguments: Arguments) -> str:
    said = f"{_columns(arguments)} together must be different in every row"
    return f"{said}{_mostly(arguments, 'rows')}{_ignored(arguments)}"


def _sum(arguments: Arguments) -> str:
    said = f"{_columns(arguments)} must add up to {written(arguments['sum_total'])}"
    return f"{said}{_mostly(arguments, 'rows')}{_ignored(arguments)}"


def _column_set(arguments: Arguments) -> str:
    how = "be exactly" if arguments.get("exact_match", True) else "include"
    return f"The columns must {how} {_listed(arguments['column_set'])}"


SENTENCES: dict[str, Callable[[Arguments], str]] = {
    "expect_column_distinct_values_to_be_in_set": _set_of("The distinct values of {} must all be among {}"),
    "expect_column_distinct_values_to_contain_set": _set_of("The distinct values of {} must include {}"),
    "expect_column_distinct_values_to_equal_set": _set_of("The distinct values of {} must be exactly {}"),
    "expect_column_max_to_be_between": _about("The largest value of {}"),
    "expect_column_mean_to_be_between": _about("The mean of {}"),
    "expect_column_median_to_be_between": _about("The median of {}"),
    "expect_column_min_to_be_between": _about("The smallest value of {}"),
    "expect_column_most_common_value_to_be_in_set": _most_common,
    "expect_column_pair_values_a_to_be_greater_than_b": _pair("{}"),
    "expect_column_pair_values_to_be_equal": _pair("equal to"),
    "expect_column_proportion_of_non_null_values_to_be_between": _about(
        "The share of rows in which {} has a value", percent
    ),
    "expect_column_proportion_of_unique_values_to_be_between": _about(
        "The share of distinct values among those of {}", percent
    ),
    "expect_column_quantile_values_to_be_between": _quantiles,
    "expect_column_stdev_to_be_between": _about("The standard deviation of {}"),
    "expect_column_sum_to_be_between": _about("The sum of {}"),
    "expect_column_unique_value_count_to_be_between": _about("The number of distinct values of {}"),
    "expect_column_value_lengths_to_be_between": _each(lambda given: f"have {_bounds(given)} characters"),
    "expect_column_values_to_be_between": _each(lambda given: f"be {_bounds(given)}"),
    "expect_column_values_to_be_in_set": _each(lambda given: f"be one of {_listed(given['value_set'])}"),
    "expect_column_values_to_be_null": lambda given: _present(given, "no value"),
    "expect_column_values_to_be_unique": _each(lambda _: "be different in every row"),
    "expect_column_values_to_match_regex": _each(lambda given: f"match the pattern {given['regex']}"),
    "expect_column_values_to_not_be_in_set": _each(lambda given: f"be none of {_listed(given['value_set'])}"),
    "expect_column_values_to_not_be_null": lambda given: _present(given, "a value"),
    "expect_column_values_to_not_match_regex": _each(lambda given: f"not match the pattern {given['regex']}"),
    "expect_compound_columns_to_be_unique": _together,
    "expect_multicolumn_sum_to_equal": _sum,
    "expect_table_columns_to_match_set": _column_set,
    "expect_table_row_count_to_be_between": lambda given: f"The window must have {_bounds(given)} rows",
}
