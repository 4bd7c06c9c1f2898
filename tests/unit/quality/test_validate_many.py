"""Many windows validated at once come to what each comes to alone, whatever is in them."""

import math
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.quality.conftest import START, rows_with, use_case_with

from perennial.digest import canonical
from perennial.quality import validate_many as many
from perennial.quality.schema import conform
from perennial.quality.validate import CheckedRows, validate
from perennial.quality.validate_many import validate_many
from perennial.window import Window

WINDOWS = [Window(START + timedelta(hours=hour), START + timedelta(hours=hour + 1)) for hour in range(4)]
MINUTES = {window: 60 * hour for hour, window in enumerate(WINDOWS)}

SUITES: list[list[dict[str, Any]]] = [
    [],
    [
        {"type": kind, "kwargs": {"column": column, **kwargs}, "quarantine": True}
        for kind, column, kwargs in (
            ("expect_column_values_to_be_between", "stops", {"min_value": 0}),
            ("expect_column_values_to_match_regex", "stops", {"regex": "^[0-9]$"}),
            ("expect_column_values_to_be_in_set", "rainy", {"value_set": [True]}),
            ("expect_column_values_to_be_unique", "fare", {}),
            ("expect_column_value_lengths_to_be_between", "carrier", {"max_value": 2}),
        )
    ],
    [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "stops", "value_set": [1, "x"]},
      "quarantine": True}],
    [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "carrier", "min_value": 1},
      "quarantine": True}],
]  # fmt: skip

ROW = st.fixed_dictionaries(
    {
        "trip_id": st.sampled_from([None, *range(40)]),
        "departure": st.sampled_from([-1, 0, 1, 59, 60, None]),
        "distance": st.sampled_from([None, 0.0, 1.0, math.inf, math.nan]),
        "fare": st.sampled_from([None, -1.0, 5.0]),
        "stops": st.sampled_from([None, -1, 0, 1]),
        "carrier": st.sampled_from([None, "", "AA", "AAA"]),
        "rainy": st.sampled_from([None, True, False]),
    }
)


def table(rows: list[dict[str, Any]], window: Window) -> pa.Table:
    """Odd rows, with their departures in minutes since the window began, as they lie in the lake."""
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}
    if rows:
        columns["departure"] = [
            at if at is None else window.start + timedelta(minutes=at) for at in columns["departure"]
        ]
    return canonical(conform(use_case_with().spec, rows_with(len(rows), **columns)))


def good(window: Window, count: int = 3) -> pa.Table:
    first = 1_000 + MINUTES[window]
    departures = [window.start + timedelta(minutes=minute) for minute in range(count)]
    return canonical(rows_with(count, trip_id=list(range(first, first + count)), departure=departures))


def assert_same(one: CheckedRows, other: CheckedRows) -> None:
    assert (one.verdict, one.reasons, one.result) == (other.verdict, other.reasons, other.result)
    assert one.clean.equals(other.clean)
    assert one.quarantined.equals(other.quarantined)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    odd=st.lists(st.lists(ROW, max_size=4), min_size=3, max_size=3),
    suite=st.sampled_from(SUITES),
    extra=st.sampled_from([None, pa.int64(), pa.string()]),
)
def test_each_window_comes_to_what_it_comes_to_alone(
    odd: list[list[dict[str, Any]]], suite: list[dict[str, Any]], extra: pa.DataType | None
) -> None:
    use_case = use_case_with(suite)
    rows = {window: table(each, window) for window, each in zip(WINDOWS, odd, strict=False)} | {
        WINDOWS[3]: good(WINDOWS[3])
    }
    if extra is not None:  # one window is of another shape
        rows[WINDOWS[0]] = rows[WINDOWS[0]].append_column("zzz", pa.nulls(rows[WINDOWS[0]].num_rows, extra))
    for window, found in validate_many(use_case, rows).items():
        assert_same(found, validate(use_case, rows[window], window))


def test_windows_without_a_finding_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    alone: list[Window] = []

    def counting(use_case: Any, rows: pa.Table, window: Window) -> CheckedRows:
        alone.append(window)
        return validate(use_case, rows, window)

    monkeypatch.setattr(many, "validate", counting)
    rows = {window: good(window) for window in WINDOWS}
    late = rows[WINDOWS[2]].column("departure").to_pylist()
    late[-1] = WINDOWS[1].start  # in the windows' time, not in its own
    rows[WINDOWS[2]] = canonical(rows[WINDOWS[2]].set_column(1, "departure", pa.array(late, pa.timestamp("us", "UTC"))))
    unread = pa.array([None, "column fare: 'x' is not a number", None])
    rows[WINDOWS[1]] = rows[WINDOWS[1]].append_column("bad_cells", unread)
    use_case = use_case_with(SUITES[1][:2])
    found = validate_many(use_case, rows)
    assert alone == [WINDOWS[1], WINDOWS[2]]
    assert list(found) == WINDOWS
    for window in WINDOWS:
        assert_same(found[window], validate(use_case, rows[window], window))
