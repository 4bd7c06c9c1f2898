"""What each check said, as it is kept in the ledger and shown to people."""

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from perennial.spec.expectations import Expectation, Severity
from perennial.verdict import Verdict

JsonValue = None | bool | int | float | str | list[Any] | dict[str, Any]
LONGEST_TEXT = 100
MOST_SAMPLES = 5
MOST_VALUES = 20  # different unexpected values that are kept with their counts
CHECKED_BY = "checks"  # in a validation's result: the version of our checks that gave it
RESULT_FORMAT = 1  # of a whole validation; a reader refuses those that are newer than itself
# Their observed value is a count or a share, which tells nothing about any single value.
OBSERVE_NO_VALUES = (
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_to_exist",
    "expect_table_columns_to_match_set",
    "expect_table_row_count_to_be_between",
)


@dataclass(frozen=True)
class GateOutcome:
    """What a check of the window as a whole said. `reason` is None for a pass."""

    gate: str
    verdict: Verdict
    reason: str | None = None


@dataclass(frozen=True)
class RuleOutcome:
    """How many rows a rule caught. `error` says why it could not be evaluated; it caught nothing then.

    Where a person `accepted` what it caught, the rows were not set aside.
    """

    rule: str
    rows: int
    error: str | None = None
    accepted: bool = False


@dataclass(frozen=True)
class ValueCount:
    """An unexpected value, long texts cut, and how often it was found."""

    value: JsonValue
    count: int


@dataclass(frozen=True)
class ExpectationOutcome:
    """What Great Expectations said about one expectation; everything in it is JSON.

    `checked`, `missing` and `unexpected` count values, None where the expectation is not about values. `observed` is
    the number or value it was judged by, `samples` are a few unexpected values, long texts cut. `values` are the
    `MOST_VALUES` most frequent ones with their counts, among the first `values_counted` unexpected values, of which
    `values_different` are different. `error` is the message of an exception, and the expectation is not met then.
    """

    type: str
    kwargs: dict[str, JsonValue]
    severity: Severity
    met: bool
    checked: int | None = None
    missing: int | None = None
    unexpected: int | None = None
    observed: JsonValue = None
    samples: tuple[JsonValue, ...] = ()
    error: str | None = None
    values: tuple[ValueCount, ...] = ()
    values_counted: int = 0
    values_different: int = 0


def met_by_every_row(expectation: Expectation, rows: int, missing: int) -> ExpectationOutcome:
    """What Great Expectations says of an expectation about single rows that none of so many rows breaks."""
    return ExpectationOutcome(
        type=expectation.type,
        kwargs={name: json_safe(value) for name, value in expectation.kwargs.items()},
        severity=expectation.severity,
        met=True,
        checked=rows,
        missing=None if expectation.type == "expect_column_values_to_not_be_null" else missing,
        unexpected=0,
    )


def json_safe(value: Any, most: int | None = None) -> JsonValue:  # noqa: PLR0911 - one return per type
    """The value as JSON can hold it; with `most`, long texts are cut and lists end after so many items.

    NaN is a missing value, infinities become texts, times ISO 8601, and anything unknown its text.

    >>> json_safe({"mean": np.float64("inf"), "at": pd.Timestamp("2013-01-01", tz="UTC")})
    {'mean': 'inf', 'at': '2013-01-01T00:00:00+00:00'}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or isinstance(value, bool):
        return value if isinstance(value, bool) else None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): json_safe(item, most) for key, item in value.items()}
    if isinstance(value, list | tuple | Set | np.ndarray):
        return [json_safe(item, most) for item in list(value)[:most]]
    text = str(value)
    return text if most is None or len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
