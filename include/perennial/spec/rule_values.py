"""Whether a rule's values can occur in its column: a number never equals a text, and bounds don't apply to text."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from perennial.errors import InvalidWindow
from perennial.spec.columns import Kind
from perennial.spec.expectations import BOUNDS
from perennial.spec.problems import Problem
from perennial.window import parse_instant

# Expectations whose bounds are compared with the column's values. Other bounds are counts, shares and lengths.
_BETWEEN_VALUES = frozenset(
    {"expect_column_values_to_be_between", "expect_column_max_to_be_between", "expect_column_min_to_be_between"}
)
_OF_NUMBERS = frozenset(
    {
        "expect_column_mean_to_be_between",
        "expect_column_median_to_be_between",
        "expect_column_quantile_values_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_sum_to_be_between",
    }
)
_SETS = frozenset({"value_set"})
# Expectations that look for each value of their set in the column, where a missing value is never found.
_SEEK_EACH_VALUE = frozenset(
    {
        "expect_column_values_to_not_be_in_set",
        "expect_column_distinct_values_to_contain_set",
        "expect_column_distinct_values_to_equal_set",
    }
)
_NULL = "a missing value is never equal to anything; leave it out, and use expect_column_values_to_not_be_null"
_PAIR = ("column_A", "column_B")
_MATCHES_DIGITS = re.compile(r"\d|\\[dwS]|\.|\[\^")
_LARGEST_INTEGER = 2**63


def unfit_values(type_: str, kwargs: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    """Values that decide nothing, given the kinds of the columns: no row could meet, or break, the expectation.

    Locations are inside `kwargs`.
    """
    kind = kinds.get(str(kwargs.get("column")))
    if kind is not None:
        yield from _values(type_, kwargs, kind)
        if "regex" in kwargs and isinstance(kwargs["regex"], str):
            yield from _regex(kwargs["regex"], kind)
    yield from _columns_that_do_not_compare(kwargs, kinds)


def _values(type_: str, kwargs: Mapping[str, Any], kind: Kind) -> Iterator[Problem]:
    if type_ in _OF_NUMBERS and kind in (Kind.CATEGORICAL, Kind.BOOLEAN, Kind.TIMESTAMP):
        yield Problem(("column",), f"{type_} needs numbers; this column is {kind}")
    for name in sorted(_SETS & kwargs.keys()):
        for position, value in enumerate(kwargs[name] if isinstance(kwargs[name], list) else ()):
            if value is None:
                if type_ in _SEEK_EACH_VALUE:
                    yield Problem((name, position), _NULL)
            elif problem := _FITS[kind](value):
                yield Problem((name, position), *problem)
    if type_ not in _BETWEEN_VALUES:
        return
    if kind is Kind.CATEGORICAL:
        yield Problem(("column",), "text can't lie between bounds; use expect_column_values_to_be_in_set, or a regex")
        return
    for name in BOUNDS:
        value = kwargs.get(name)
        if value is None or (kind is Kind.INTEGER and isinstance(value, float)):  # it may be a fraction
            continue
        if problem := _FITS[kind](value):
            yield Problem((name,), *problem)


def _regex(regex: str, kind: Kind) -> Iterator[Problem]:
    if kind is Kind.CATEGORICAL or (kind is Kind.INTEGER and _MATCHES_DIGITS.search(regex)):
        return
    text = "no whole number matches it; " if kind is Kind.INTEGER else ""
    other = "a set" if kind is Kind.BOOLEAN else "bounds (expect_column_values_to_be_between)"
    yield Problem(
        ("regex",),
        f"{text}a regular expression is for text, and this column is {kind}; use {other}, or make it categorical",
    )


def _columns_that_do_not_compare(kwargs: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    first, second = (kinds.get(str(kwargs.get(name))) for name in _PAIR)
    if first is not None and second is not None and _sort(first) != _sort(second):
        text = f"is {second} and {kwargs['column_A']} is {first}: no value of one equals one of the other"
        yield Problem(("column_B",), text)
    if "sum_total" in kwargs and isinstance(kwargs.get("column_list"), list):
        for position, name in enumerate(kwargs["column_list"]):
            if kinds.get(str(name)) in (Kind.CATEGORICAL, Kind.TIMESTAMP):
                yield Problem(("column_list", position), f"is {kinds[str(name)]} and can't be added up")


def _sort(kind: Kind) -> str:
    return "number" if kind in (Kind.NUMERIC, Kind.INTEGER) else str(kind)


Unfit = tuple[str] | tuple[str, str] | None


def _text(value: object) -> Unfit:
    if isinstance(value, str):
        return None
    written = str(value).lower() if isinstance(value, bool) else str(value)
    return "the column holds text, which this never equals; put it in quotes", f'"{written}"'


def _number(value: object) -> Unfit:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None
    text = "the column holds numbers, which this never equals"
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?", value.strip()):
        return f"{text}; write it without quotes", value.strip()
    return (text,)


def _integer(value: object) -> Unfit:
    if isinstance(value, float) and not value.is_integer():
        return ("the column holds whole numbers, which this never equals",)
    if isinstance(value, int) and not isinstance(value, bool) and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        return ("the column holds whole numbers of 64 bits, which this never equals",)
    return _number(value)


def _boolean(value: object) -> Unfit:
    if isinstance(value, bool) or value in (0, 1):
        return None
    meant = {"true": "true", "false": "false", "1": "true", "0": "false", "yes": "true", "no": "false"}
    text = "the column holds true and false, which this never equals"
    suggestion = meant.get(str(value).lower())
    return (text, suggestion) if suggestion else (text,)


def _timestamp(value: object) -> Unfit:
    if not isinstance(value, str):
        return ("the column holds times; write a date such as 2024-01-31, or a time such as 2024-01-31T12:00Z",)
    try:
        parse_instant(value)
    except InvalidWindow as error:
        return (str(error).rstrip("."),)
    return None


_FITS: dict[Kind, Callable[[object], Unfit]] = {
    Kind.NUMERIC: _number,
    Kind.INTEGER: _integer,
    Kind.CATEGORICAL: _text,
    Kind.BOOLEAN: _boolean,
    Kind.TIMESTAMP: _timestamp,
}
