"""Rules about single rows, as masks: which rows break them.

Some hold for every row of every use case, without being asked for:

| rule | what it catches |
| --- | --- |
| readable(column) | a cell that could not be read as the column's kind |
| required(column) | no value in a column with `nullable: false`; key and event time always are |
| short_key(column) | a key of more than 1,000 bytes: the published table's index could not hold it |
| unique_key(column) | a key that another row of the window has too: all of them, since nothing tells which is right |
| finite(column) | plus or minus infinity in a numeric column |
| in_window(column) | an event time outside the window |

The others are expectations with `quarantine`. Great Expectations says how many values are unexpected and shows a few;
setting rows aside needs all of them. Each function here gives the same answer as the expectation it is registered
for: missing values meet everything but `not_be_null`, and of equal values all break `be_unique`. Tests compare them.
"""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import InvalidSpec
from perennial.quality.frame import comparable_arguments, to_series
from perennial.quality.unread import BAD_CELLS, unread_in
from perennial.spec.columns import Kind
from perennial.spec.expectations import Expectation
from perennial.spec.models import UseCase
from perennial.stacked import Stack
from perennial.window import Window

READABLE = "readable"  # asked only where cells could not be read
LONGEST_KEY = 1_000  # bytes; PostgreSQL refuses index entries of more than about 2,700

Mask = npt.NDArray[np.bool_]
Arguments = dict[str, Any]


def integrity_rules(spec: UseCase, rows: pa.Table, window: Window, keys: Mask) -> Iterator[tuple[str, Mask]]:
    """Each rule's name, and which of the conforming rows it catches. `keys` says which of their keys are not unique."""
    if BAD_CELLS in rows.column_names:
        for name in spec.columns:
            yield f"{READABLE}({name})", unread_in(rows, name)
    for name, column in spec.columns.items():
        if not column.nullable:
            yield f"required({name})", _mask(pc.is_null(rows.column(name)))
    if spec.columns[spec.key].kind is Kind.CATEGORICAL:
        yield f"short_key({spec.key})", _mask(pc.greater(pc.binary_length(rows.column(spec.key)), LONGEST_KEY))
    yield f"unique_key({spec.key})", keys
    for name, column in spec.columns.items():
        if column.kind is Kind.NUMERIC:
            yield f"finite({name})", _mask(pc.is_inf(rows.column(name)))
    yield f"in_window({spec.event_time})", outside_window(spec, rows, window)


def outside_window(spec: UseCase, rows: pa.Table, window: Window) -> Mask:
    """Which conforming rows have an event time outside the window; a row without one is not among them."""
    times = rows.column(spec.event_time)
    early = pc.less(times, pa.scalar(window.start, times.type))
    late = pc.greater_equal(times, pa.scalar(window.end, times.type))
    return _mask(pc.or_(early, late))


def outside_windows(spec: UseCase, stack: Stack, windows: Sequence[Window]) -> Mask:
    """`outside_window` of the rows of many windows, each of which is a table of the stack."""
    times = stack.rows.column(spec.event_time)
    numbers = pa.array(stack.numbers)
    starts, ends = (
        pa.array(bounds, times.type).take(numbers)
        for bounds in ([each.start for each in windows], [each.end for each in windows])
    )
    return _mask(pc.or_(pc.less(times, starts), pc.greater_equal(times, ends)))


def doubled(values: pa.ChunkedArray) -> Mask:
    """Which values occur more than once; missing ones never do."""
    counts = values.value_counts()
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).drop_null()
    return _mask(pc.is_in(values, value_set=several))


def _mask(answers: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(answers, fill_value=False).to_numpy(), dtype=np.bool_)


def failing_rows(expectation: Expectation, rows: pa.Table) -> Mask:
    """Which of the conforming rows break the row-level expectation.

    Errors: `InvalidSpec` when its arguments don't suit the column, such as a date as the bound of a number.
    """
    column = ruled_column(expectation, rows.column_names)
    return failing_values(expectation, to_series(rows.column(column)))


def ruled_column(expectation: Expectation, columns: Sequence[str]) -> str:
    """The one of these columns whose values the expectation judges.

    Errors: `InvalidSpec` when it can't set rows aside.
    """
    if "mostly" in expectation.kwargs:
        raise InvalidSpec(
            f"{expectation.type} has `mostly`, which says nothing about a single row; remove it, or don't quarantine."
        )
    name: str = expectation.kwargs["column"]
    if expectation.type not in ROW_RULES or name not in columns:
        raise InvalidSpec(
            f"{expectation.type} on column {name} can't set rows aside; the rows have the columns "
            f"{', '.join(columns)}, and the expectations that can are {', '.join(ROW_RULES)}."
        )
    return name


def failing_values(expectation: Expectation, values: pd.Series) -> Mask:
    """Which of the values, that `to_series` gave, break the row-level expectation. Errors: as `failing_rows`."""
    name = expectation.kwargs["column"]
    try:
        return ROW_RULES[expectation.type](values, comparable_arguments(expectation.kwargs, values.dtype))
    except (TypeError, ValueError, re.error) as error:
        raise InvalidSpec(
            f"{expectation.type} can't be evaluated on column {name} ({values.dtype}): {error}. "
            "Correct its arguments in the expectations file."
        ) from error


def _null(values: pd.Series, _: Arguments) -> Mask:
    return np.asarray(values.isna(), dtype=np.bool_)


def _not_between(values: pd.Series, arguments: Arguments) -> Mask:
    if isinstance(values.dtype, pd.StringDtype):
        raise TypeError("text lies between no bounds; use a set or a regular expression")
    if values.dtype == object:  # booleans, some of them missing
        values = values.astype("boolean")
    if isinstance(values.dtype, pd.BooleanDtype) or values.dtype == bool:
        values = values.astype("Int64")
    return _among_present(values, lambda present: _within(present, arguments))


def _length_not_between(values: pd.Series, arguments: Arguments) -> Mask:
    return _among_present(values, lambda present: _within(present.astype(str).str.len(), arguments))


def _not_in_set(values: pd.Series, arguments: Arguments) -> Mask:
    return _among_present(values, lambda present: present.isin(arguments["value_set"]))


def _in_set(values: pd.Series, arguments: Arguments) -> Mask:
    return _among_present(values, lambda present: ~present.isin(arguments["value_set"]))


def _not_unique(values: pd.Series, _: Arguments) -> Mask:
    return _among_present(values, lambda present: ~present.duplicated(keep=False))


def _no_match(values: pd.Series, arguments: Arguments) -> Mask:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This pattern is interpreted as a regular expression, and has match groups")
        return _among_present(values, lambda present: present.astype(str).str.contains(arguments["regex"]))


UNIQUE = "expect_column_values_to_be_unique"  # the only one that compares rows
ROW_RULES: dict[str, Callable[[pd.Series, Arguments], Mask]] = {
    "expect_column_value_lengths_to_be_between": _length_not_between,
    "expect_column_values_to_be_between": _not_between,
    "expect_column_values_to_be_in_set": _not_in_set,
    UNIQUE: _not_unique,
    "expect_column_values_to_match_regex": _no_match,
    "expect_column_values_to_not_be_in_set": _in_set,
    "expect_column_values_to_not_be_null": _null,
}


def _among_present(values: pd.Series, meets: Callable[[pd.Series], pd.Series]) -> Mask:
    present = np.asarray(values.notna(), dtype=np.bool_)
    failing = np.zeros(len(values), dtype=np.bool_)
    failing[present] = ~np.asarray(meets(values[present]), dtype=np.bool_)
    return failing


def _within(values: pd.Series, arguments: Arguments) -> pd.Series:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if low is None and high is None:
        raise ValueError("it needs min_value, max_value or both")
    if low is not None and high is not None and low > high:
        raise ValueError(f"min_value {low} is above max_value {high}")
    meets = pd.Series(data=True, index=values.index)
    if low is not None:
        meets &= values > low if arguments.get("strict_min") else values >= low
    if high is not None:
        meets &= values < high if arguments.get("strict_max") else values <= high
    return meets
