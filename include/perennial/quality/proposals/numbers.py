"""Proposals about numbers: how many rows a window has, and between which bounds values lie."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from perennial.quality.proposals.bounds import MIN_WINDOWS, Bound, lower, upper, wide
from perennial.quality.proposals.proposal import LeftAlone, Looked, Proposal, Series
from perennial.quality.proposals.seen import ColumnSeen
from perennial.spec.columns import Column, Kind
from perennial.spec.expectations import Expectation, Severity
from perennial.spec.models import UseCase

ROW_COUNT = "expect_table_row_count_to_be_between"
BETWEEN = "expect_column_values_to_be_between"
LARGEST_EXACT = 2**53
FEW_ROWS = 30
NEAR_ZERO = 0.01  # of the highest values
WIDE = 3  # times as many rows, or a third, told from too few windows: `perennial new` takes the same factor


def row_count(spec: UseCase, looked: Looked) -> Iterator[Proposal | LeftAlone]:
    """Bounds for the number of rows, as far as the spec's own limits don't say more."""
    counts = [float(window.rows) for window in looked.windows]
    learnt = counts[: looked.derived]
    low: Bound | None
    high: Bound | None
    if looked.few:
        low = Bound(math.floor(min(learnt) / WIDE), "a third", exact=True)
        high = Bound(max(learnt) * WIDE, "three times as many", exact=True)
    else:
        low, high = (bound(learnt, looked.learnt_seasons, whole=True) for bound in (lower, upper))
    if low.value <= max(spec.quality.min_rows, 1):
        low = None  # quality.min_rows asks for as much
    if high.value >= spec.limits.max_rows:
        high = None  # more are not even read
    if low is None and high is None:
        why = "the number of rows differs too much: quality.min_rows and limits.max_rows say as much as a bound would"
        yield LeftAlone(None, why)
        return
    words = f"{_span(learnt)} rows a window {looked.in_words}; {_how(low, high)}"
    yield Proposal(_between(ROW_COUNT, None, low, high, whole=True), words, (Series("rows", tuple(counts)),))


def value_range(name: str, column: Column, seen: Sequence[ColumnSeen], looked: Looked) -> Proposal | LeftAlone:
    """Bounds for the values of a column of numbers, of which the windows that may be learnt from have some."""
    there = [position for position, each in enumerate(seen[: looked.derived]) if each.low is not None]
    lows, highs = ([float(getattr(seen[position], end)) for position in there] for end in ("low", "high"))
    if why := _no_range(column, [seen[position] for position in there], lows, highs):
        return LeftAlone(name, why)
    whole = column.kind is Kind.INTEGER
    if len(there) < MIN_WINDOWS:
        low, high = wide([*lows, *highs], max(highs) - min(lows), whole=whole)
    else:
        seasons = None if looked.seasons is None else [looked.seasons[position] for position in there]
        low, high = lower(lows, seasons, whole=whole), upper(highs, seasons, whole=whole)
    if low.value < 0 <= min(lows) and median(lows) <= NEAR_ZERO * median(highs):
        low = Bound(0.0, "near zero in most windows, and never below", exact=True)
    words = f"lowest values {_span(lows)}, highest {_span(highs)} {looked.in_words}; {_how(low, high)}"
    series = Series("lowest", tuple(each.low for each in seen)), Series("highest", tuple(each.high for each in seen))
    return Proposal(_between(BETWEEN, name, low, high, whole=whole), words, series)


def _no_range(column: Column, seen: Sequence[ColumnSeen], lows: list[float], highs: list[float]) -> str | None:
    """Why bounds would say nothing about numbers, or would soon be broken."""
    rows = sum(each.present for each in seen)
    if max(map(abs, (*lows, *highs))) >= LARGEST_EXACT:
        return "numbers so large that bounds would lose digits: an id, it seems"
    if column.kind is Kind.INTEGER and rows >= FEW_ROWS and all(each.different == each.present for each in seen):
        return "every row of a window has another whole number: an id, it seems"
    if min(lows) == max(highs):
        return "the same number in all rows: nothing shows how far it may differ"
    steps = [*pairwise(lows), *pairwise(highs)]
    if len(seen) >= MIN_WINDOWS and all(before < after for before, after in steps):
        return "grows from window to window, like a counter or a date: bounds would soon be broken"
    return None


def _between(type_: str, column: str | None, low: Bound | None, high: Bound | None, *, whole: bool) -> Expectation:
    ends = {"min_value": low, "max_value": high}
    bounds = {name: int(end.value) if whole else end.value for name, end in ends.items() if end is not None}
    named = {} if column is None else {"column": column}
    return Expectation(type=type_, kwargs={**named, **bounds}, severity=Severity.WARNING)


def _span(values: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys((_number(min(values)), _number(max(values)))))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"


def _how(low: Bound | None, high: Bound | None) -> str:
    if low is not None and high is not None and low.how == high.how:
        return low.how
    ends = (("low end", low), ("high end", high))
    return "; ".join(f"{end}: {bound.how}" for end, bound in ends if bound is not None)
