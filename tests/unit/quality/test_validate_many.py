"""Many windows validated at once come to what each comes to alone, whatever is in them."""

import math
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.quality.conftest import START, rows_with, use_case_with

from perennial.digest import canonical
from perennial.quality import expecting
from perennial.quality import validate_many as many
from perennial.quality.proposals.seen import look
from perennial.quality.schema import conform
from perennial.quality.suite import run_suite as run
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
    assert one.clean.table().equals(other.clean.table())
    assert one.quarantined.table().equals(other.quarantined.table())


@settings(max_examples=200)
@given(
    odd=st.lists(st.lists(ROW, max_size=4), min_size=3, max_size=3),
    expectations=st.sampled_from(SUITES),
    extra=st.sampled_from([None, pa.int64(), pa.string()]),
)
def test_each_window_comes_to_what_it_comes_to_alone(
    odd: list[list[dict[str, Any]]], expectations: list[dict[str, Any]], extra: pa.DataType | None
) -> None:
    use_case = use_case_with(expectations)
    rows = {window: table(each, window) for window, each in zip(WINDOWS, odd, strict=False)} | {
        WINDOWS[3]: good(WINDOWS[3])
    }
    if extra is not None:  # one window is of another shape
        rows[WINDOWS[0]] = rows[WINDOWS[0]].append_column("zzz", pa.nulls(rows[WINDOWS[0]].num_rows, extra))
    for window, found in validate_many(use_case, rows).items():
        assert_same(found, validate(use_case, rows[window], window))
        assert found.seen in (None, look(use_case.spec, window, found.clean))


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
    assert [window for window in WINDOWS if found[window].seen is None] == alone
    for window in WINDOWS:
        assert_same(found[window], validate(use_case, rows[window], window))


EXPECTED: list[dict[str, Any]] = [
    {"type": kind, "kwargs": {"column": column, **kwargs}}
    for kind, column, kwargs in (
        ("expect_column_values_to_be_between", "fare", {"min_value": 0}),
        ("expect_column_values_to_be_between", "fare", {"max_value": 5, "strict_max": True, "mostly": 0.5}),
        ("expect_column_values_to_be_between", "stops", {"min_value": -1, "max_value": 1.5}),
        ("expect_column_values_to_be_between", "departure", {"min_value": "2013-03-01"}),
        ("expect_column_values_to_be_between", "carrier", {"min_value": 0}),
        ("expect_column_values_to_be_between", "fare", {"min_value": "2013-03-01"}),
        ("expect_column_values_to_be_between", "rainy", {"min_value": 0}),
        ("expect_column_values_to_be_in_set", "carrier", {"value_set": ["AA", ""]}),
        ("expect_column_values_to_be_in_set", "stops", {"value_set": [0, 1, "x"], "mostly": 0.1}),
        ("expect_column_values_to_be_in_set", "departure", {"value_set": ["2013-03-01T00:00Z", "2013-03-01"]}),
        ("expect_column_values_to_be_in_set", "rainy", {"value_set": [True]}),
        ("expect_column_values_to_not_be_in_set", "fare", {"value_set": [-1]}),
        ("expect_column_values_to_not_be_in_set", "carrier", {"value_set": ["x", 1]}),
        ("expect_column_values_to_be_unique", "fare", {"mostly": 0.9}),
        ("expect_column_values_to_be_unique", "trip_id", {}),
        ("expect_column_values_to_match_regex", "carrier", {"regex": "^(A)*$"}),
        ("expect_column_values_to_match_regex", "stops", {"regex": "^[0-9]"}),
        ("expect_column_values_to_match_regex", "fare", {"regex": "5"}),
        ("expect_column_value_lengths_to_be_between", "carrier", {"min_value": 0, "max_value": 2}),
        ("expect_column_value_lengths_to_be_between", "stops", {"min_value": 1}),
        ("expect_column_values_to_not_be_null", "fare", {"mostly": 0.5}),
        ("expect_column_values_to_not_be_null", "rainy", {}),
        ("expect_column_values_to_not_be_null", "carrier", {}),
        ("expect_column_mean_to_be_between", "fare", {"min_value": 0}),
        ("expect_column_values_to_not_match_regex", "carrier", {"regex": "b"}),
    )
]
CELLS = {
    "fare": st.sampled_from([None, -1.0, 5.0]),
    "stops": st.sampled_from([None, -1, 0, 1]),
    "carrier": st.sampled_from([None, "", "AA", "AAA"]),
    "rainy": st.sampled_from([None, True, False]),
}


def filled(window: Window, cells: dict[str, list[Any]]) -> pa.Table:
    """Three rows that no rule catches, with these values."""
    rows = good(window)
    for name, values in cells.items():
        at = rows.column_names.index(name)
        rows = rows.set_column(at, name, pa.array(values, rows.schema.field(at).type))
    return canonical(rows)


@settings(max_examples=25)
@given(
    cells=st.lists(
        st.fixed_dictionaries({name: st.lists(each, min_size=3, max_size=3) for name, each in CELLS.items()}),
        min_size=2,
        max_size=3,
    ),
    expectations=st.lists(st.sampled_from(EXPECTED), min_size=1, max_size=8),
)
def test_expectations_say_what_they_say_of_each_alone(
    cells: list[dict[str, list[Any]]], expectations: list[dict[str, Any]]
) -> None:
    use_case = use_case_with(expectations)
    rows = {window: filled(window, each) for window, each in zip(WINDOWS, cells, strict=False)}
    for window, found in validate_many(use_case, rows).items():
        assert_same(found, validate(use_case, rows[window], window))


@pytest.mark.parametrize("cells", [{}, {name: [None] * 3 for name in CELLS}], ids=["values", "nothing"])
@pytest.mark.parametrize("expected", EXPECTED, ids=lambda each: f"{each['type']}-{each['kwargs']['column']}")
def test_each_expectation_says_what_it_says_of_a_window_alone(
    expected: dict[str, Any], cells: dict[str, list[Any]]
) -> None:
    use_case, rows = use_case_with([expected]), {window: filled(window, cells) for window in WINDOWS[:2]}
    for window, found in validate_many(use_case, rows).items():
        assert_same(found, validate(use_case, rows[window], window))


def test_great_expectations_is_not_asked_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes milliseconds for each expectation of each window, however few rows there are."""
    asked: list[list[str]] = []
    monkeypatch.setattr(
        expecting,
        "run_suite",
        lambda given, *rest, **more: (asked.append([e.type for e in given]), run(given, *rest, **more))[1],
    )
    table_level = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    use_case = use_case_with([EXPECTED[0], EXPECTED[19], table_level])
    validate_many(
        use_case, {WINDOWS[0]: filled(WINDOWS[0], {}), WINDOWS[1]: filled(WINDOWS[1], {"fare": [-1.0, 5.0, None]})}
    )
    assert asked == [[table_level["type"]], [EXPECTED[0]["type"], table_level["type"]]]
