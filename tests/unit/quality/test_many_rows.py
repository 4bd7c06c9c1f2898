"""A window that is gone through in chunks gets the verdict, and loses the rows, that it would as a whole."""

import json
import math
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.quality.conftest import COLUMNS, START, rows_with, use_case_with

from perennial import ordered
from perennial.digest import canonical
from perennial.ordered import OrderedTable
from perennial.quality import deciding, expecting, parts, setting_aside
from perennial.quality.chunks import Chosen
from perennial.quality.proposals.kept import with_seen
from perennial.quality.schema import conform
from perennial.quality.suite import ADDITIVE
from perennial.quality.validate import CheckedRows, validate
from perennial.spec.expectations import EXPECTATION_ARGUMENTS, ROW_LEVEL_EXPECTATIONS, Expectation
from perennial.window import Window

WINDOW = Window(START, START + timedelta(days=1))
MANY_COLUMNS = COLUMNS | {"note": {"kind": "categorical"}, "secret": {"kind": "categorical", "personal": True}}
NAMES = [*COLUMNS, "note", "secret"]
EVERY_TYPE: dict[str, list[dict[str, Any]]] = {
    "expect_column_distinct_values_to_be_in_set": [{"column": "carrier", "value_set": ["AA", "DL"]}],
    "expect_column_distinct_values_to_contain_set": [
        {"column": "carrier", "value_set": ["AA", "XX"]},
        {"column": "departure", "value_set": ["2013-03-01T12:00Z"]},
    ],
    "expect_column_distinct_values_to_equal_set": [
        {"column": "stops", "value_set": [0, 1]},
        {"column": "rainy", "value_set": [True, False]},
    ],
    "expect_column_max_to_be_between": [
        {"column": "fare", "max_value": 3},
        {"column": "stops", "max_value": 1},
        {"column": "departure", "max_value": "2013-03-01T12:00Z"},
        {"column": "note", "max_value": "b"},
    ],
    "expect_column_mean_to_be_between": [
        {"column": "fare", "min_value": 0.3},
        {"column": "stops", "min_value": 0.3},
        {"column": "trip_id", "max_value": 5},
        {"column": "rainy", "max_value": 1},
        {"column": "note", "max_value": 1},
    ],
    "expect_column_median_to_be_between": [{"column": "distance", "max_value": 1}],
    "expect_column_min_to_be_between": [{"column": "stops", "min_value": 0}, {"column": "distance", "min_value": 0}],
    "expect_column_most_common_value_to_be_in_set": [{"column": "note", "value_set": ["a"]}],
    "expect_column_pair_values_a_to_be_greater_than_b": [
        {"column_A": "distance", "column_B": "fare", "or_equal": True},
        {"column_A": "stops", "column_B": "trip_id", "mostly": 0.5, "ignore_row_if": "either_value_is_missing"},
        {"column_A": "note", "column_B": "stops"},
    ],
    "expect_column_pair_values_to_be_equal": [{"column_A": "note", "column_B": "carrier", "mostly": 0.2}],
    "expect_column_proportion_of_non_null_values_to_be_between": [{"column": "fare", "min_value": 0.9}],
    "expect_column_proportion_of_unique_values_to_be_between": [{"column": "note", "max_value": 0.2}],
    "expect_column_quantile_values_to_be_between": [
        {"column": "distance", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]}}
    ],
    "expect_column_stdev_to_be_between": [{"column": "fare", "max_value": 1}],
    "expect_column_sum_to_be_between": [{"column": "fare", "min_value": 1}, {"column": "stops", "max_value": 20}],
    "expect_column_unique_value_count_to_be_between": [
        {"column": "secret", "max_value": 1},
        {"column": "note", "min_value": 3},
        {"column": "rainy", "max_value": 1},
    ],
    "expect_column_value_lengths_to_be_between": [
        {"column": "note", "max_value": 1},
        {"column": "rainy", "min_value": 5},
    ],
    "expect_column_values_to_be_between": [
        {"column": "fare", "min_value": 3, "mostly": 0.8},
        {"column": "stops", "min_value": 0, "max_value": 1},
        {"column": "rainy", "min_value": 1},
        {"column": "note", "min_value": 1},
        {"column": "departure", "max_value": "2013-03-01T12:00Z"},
        {"column": "departure", "max_value": "soon"},
    ],
    "expect_column_values_to_be_in_set": [
        {"column": "rainy", "value_set": [True]},
        {"column": "stops", "value_set": [1, 1.5, "1"]},
        {"column": "secret", "value_set": ["a"]},
    ],
    "expect_column_values_to_be_null": [{"column": "note", "mostly": 0.3}],
    "expect_column_values_to_be_unique": [
        {"column": "stops"},
        {"column": "note", "mostly": 0.5},
        {"column": "trip_id", "mostly": 0.9},
    ],
    "expect_column_values_to_match_regex": [{"column": "note", "regex": "^a"}, {"column": "stops", "regex": r"^\d$"}],
    "expect_column_values_to_not_be_in_set": [{"column": "carrier", "value_set": ["AA", ""]}],
    "expect_column_values_to_not_be_null": [{"column": "fare", "mostly": 0.8}, {"column": "secret"}],
    "expect_column_values_to_not_match_regex": [{"column": "secret", "regex": "a"}],
    "expect_compound_columns_to_be_unique": [{"column_list": ["note", "stops"]}],
    "expect_multicolumn_sum_to_equal": [{"column_list": ["distance", "fare"], "sum_total": 1.0}],
    "expect_table_columns_to_match_set": [{"column_set": NAMES}, {"column_set": ["fare", "fares"]}],
    "expect_table_row_count_to_be_between": [{"max_value": 9}, {"min_value": 30, "strict_min": True}],
}
ASKED = [{"type": name, "kwargs": kwargs} for name, each in EVERY_TYPE.items() for kwargs in each]
SETTING_ASIDE = [
    {"type": name, "kwargs": {k: v for k, v in kwargs.items() if k != "mostly"}, "quarantine": True}
    for name in ROW_LEVEL_EXPECTATIONS
    for kwargs in EVERY_TYPE[name]
]
FEW_CAUGHT = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "fare", "min_value": 1},
    "quarantine": True,
}
ODD_ROW = st.fixed_dictionaries(
    {
        "trip_id": st.one_of(st.integers(0, 40), st.sampled_from([None, 7])),
        "departure": st.sampled_from([-1, 0, 1, 719, 720, 1439, 1440, None]),
        "distance": st.sampled_from([None, 0.0, -0.0, 0.1, 0.2, 1.0, math.inf, math.nan]),
        "fare": st.sampled_from([None, -1.0, 0.0, 0.1, 0.3, 5.0, math.inf]),
        "stops": st.sampled_from([None, -1.0, 0.0, 1.0, 2.0, 1.5]),
        "carrier": st.sampled_from([None, "", "AA", "DL", "<b>", "é" * 300]),
        "rainy": st.sampled_from([None, True, False]),
        "note": st.one_of(st.sampled_from([None, "a", "b", "AA"]), st.from_regex(r"\A[A-Z]{2}\d{1,3}\Z")),
        "secret": st.sampled_from([None, "a", "ab"]),
    }
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows are many."""
    monkeypatch.setattr(ordered, "CHUNK_ROWS", 3)
    monkeypatch.setattr(parts, "PART_ROWS", 5)
    monkeypatch.setattr(expecting, "FRAME_ROWS", 8)
    monkeypatch.setattr(deciding, "MOST_ROWS", 4)


def table_of(odd: list[dict[str, Any]]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [row[name] for row in odd] for name in NAMES}
    times = [minutes if minutes is None else START + timedelta(minutes=minutes) for minutes in columns["departure"]]
    return rows_with(
        len(odd),
        **{name: columns[name] for name in ("trip_id", "distance", "fare", "carrier", "rainy")},
        departure=times,
        stops=pa.array(columns["stops"], pa.float64()),
        **{name: pa.array(columns[name], pa.string()) for name in ("note", "secret")},
    )


def both(use_case: Any, rows: pa.Table, accepted: frozenset[str] = frozenset()) -> list[list[Any]]:
    """What is found of the rows as a table, and of the same rows in chunks."""
    ingested = use_case_with(
        columns=MANY_COLUMNS if "note" in rows.column_names else COLUMNS, max_quarantined_share=1.0
    )
    stored = canonical(conform(ingested.spec, rows))

    def found(checked: CheckedRows) -> list[Any]:
        result = with_seen(use_case, WINDOW, checked, accepted)
        tables = [each.combine_chunks().to_pylist() for each in (checked.clean.table(), checked.quarantined.table())]
        schemas = [each.schema for each in (checked.clean.table(), checked.quarantined.table())]
        return [json.dumps(result), schemas, str(tables), checked.reasons, checked.verdict]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expecting, "FRAME_ROWS", 10**6)
        patch.setattr(parts, "PART_ROWS", 10**6)
        whole = found(validate(use_case, stored, WINDOW, accepted))
    return [whole, found(validate(use_case, OrderedTable(stored), WINDOW, accepted))]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    odd=st.lists(ODD_ROW, max_size=40),
    asked=st.lists(st.sampled_from(ASKED), max_size=6),
    asking=st.lists(st.sampled_from(SETTING_ASIDE), max_size=4),
    accepted=st.sampled_from([frozenset(), frozenset({"expect_column_values_to_not_be_null(fare)"})]),
    share=st.sampled_from([0.0, 1.0]),
)
def test_any_rows_come_to_the_same_in_chunks(
    odd: list[dict[str, Any]], asked: list[Any], asking: list[Any], accepted: frozenset[str], share: float
) -> None:
    use_case = use_case_with([*asked, *asking], columns=MANY_COLUMNS, max_quarantined_share=share)
    whole, chunks = both(use_case, table_of(odd), accepted)
    assert chunks == whole


def ordinary(count: int) -> pa.Table:
    """Rows of which nearly none breaks a rule, with odd cells here and there."""
    return table_of(
        [
            {
                "trip_id": number,
                "departure": number,
                "distance": number * 0.1,
                "fare": None if number % 7 == 3 else 0.1 + number,
                "stops": None if number == 11 else float(number % 3),
                "carrier": ("AA", "DL", "UA")[number % 3],
                "rainy": None if number > 20 else number % 2 == 0,
                "note": None if number % 5 == 0 else f"AB{number % 13}",
                "secret": "ab"[number % 2],
            }
            for number in range(count)
        ]
    )


def test_every_expectation_comes_to_the_same_in_chunks() -> None:
    assert EVERY_TYPE.keys() == EXPECTATION_ARGUMENTS.keys()
    assert set(ADDITIVE) < EVERY_TYPE.keys()
    whole, chunks = both(use_case_with(ASKED, columns=MANY_COLUMNS), ordinary(30))
    assert chunks == whole
    assert '"met": true' in whole[0]
    assert '"error": "' in whole[0]


def test_every_rule_comes_to_the_same_in_chunks() -> None:
    whole, chunks = both(use_case_with(SETTING_ASIDE, columns=MANY_COLUMNS, max_quarantined_share=1.0), ordinary(30))
    assert chunks == whole
    assert "; expect" in whole[2]


def test_no_more_than_a_part_is_in_memory_where_answers_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [each for each in ASKED if each["type"] in ADDITIVE and each["kwargs"].get("column") in ("fare", "stops")]
    use_case = use_case_with([*asked, FEW_CAUGHT], columns=MANY_COLUMNS)
    stored = OrderedTable(canonical(conform(use_case.spec, ordinary(30))))
    monkeypatch.setattr(Chosen, "table", None)
    monkeypatch.setattr(OrderedTable, "table", None)
    assert len(validate(use_case, stored, WINDOW).result["expectations"]) == len(asked) > 3


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("distinct_values_to_be_in_set", {"column": "carrier", "value_set": ["AA"]}),
        ("distinct_values_to_contain_set", {"column": "stops", "value_set": [9]}),
        ("distinct_values_to_equal_set", {"column": "rainy", "value_set": [True]}),
        ("unique_value_count_to_be_between", {"column": "note", "max_value": 2}),
        ("max_to_be_between", {"column": "fare", "max_value": 2}),
        ("min_to_be_between", {"column": "departure", "min_value": "2013-03-01T12:00Z"}),
        ("mean_to_be_between", {"column": "trip_id", "max_value": 2}),
        ("sum_to_be_between", {"column": "stops", "max_value": 2}),
        ("values_to_be_unique", {"column": "note"}),
    ],
)
def test_few_rows_decide_what_is_asked_of_all(
    kind: str, kwargs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "MOST_ROWS", 24)
    use_case = use_case_with([{"type": f"expect_column_{kind}", "kwargs": kwargs}], columns=MANY_COLUMNS)
    rows = ordinary(30)
    whole, chunks = both(use_case, rows)
    assert chunks == whole
    assert '"met": false' in whole[0]
    assert '"error": null' in whole[0]
    monkeypatch.setattr(Chosen, "table", None)
    assert len(validate(use_case, OrderedTable(canonical(conform(use_case.spec, rows))), WINDOW).reasons) == 1


@pytest.mark.parametrize(
    ("kind", "bounds"), [("values_to_be_unique", {}), ("unique_value_count_to_be_between", {"max_value": 1})]
)
def test_no_more_rows_than_are_few_decide(kind: str, bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Expectation(type=f"expect_column_{kind}", kwargs={"column": "x", **bounds})
    rows = Chosen.of(OrderedTable(pa.table({"x": [*range(12), *range(12)]})))
    for most, few in ((5, False), (24, True)):
        monkeypatch.setattr(deciding, "MOST_ROWS", most)
        assert (deciding.deciding_rows(asked, rows) is not None) is few


@pytest.mark.parametrize("most", [29, 30])
def test_the_number_of_rows_is_asked_about_without_a_frame_of_so_many(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_case = use_case_with([{"type": "expect_table_row_count_to_be_between", "kwargs": {"max_value": most}}])
    stored = canonical(conform(use_case.spec, rows_with(30, departure=[START] * 30)))
    lengths: list[int] = []
    ask = expecting.found_in

    def watched(frame: Any, expectations: Any) -> Any:
        lengths.append(len(frame))
        return ask(frame, expectations)

    monkeypatch.setattr(expecting, "found_in", watched)
    (found,) = validate(use_case, OrderedTable(stored), WINDOW).result["expectations"]
    assert (found["met"], found["observed"], lengths) == (most == 30, 30, [1])


def test_integers_too_large_to_be_summed_exactly_are_asked_as_a_whole() -> None:
    suite = [
        {"type": f"expect_column_{kind}_to_be_between", "kwargs": {"column": "trip_id"}} for kind in ("mean", "sum")
    ]
    rows = rows_with(10, trip_id=[2**60 + number for number in range(10)], departure=[START] * 10)
    for each in suite:
        each["kwargs"] |= {"max_value": 1}
    whole, chunks = both(use_case_with(suite), rows)
    assert chunks == whole


def test_every_part_has_the_dtypes_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    dtypes: list[str] = []
    frames, series = expecting.to_frame, setting_aside.failing_values

    def framed(*given: Any) -> Any:
        dtypes.extend(str(dtype) for dtype in frames(*given).dtypes)
        return frames(*given)

    def failing(expectation: Any, values: Any) -> Any:
        dtypes.append(str(values.dtype))
        return series(expectation, values)

    monkeypatch.setattr(expecting, "to_frame", framed)
    monkeypatch.setattr(setting_aside, "failing_values", failing)
    for column, dtype in (("stops", "Int64"), ("rainy", "object")):
        about = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": column, "value_set": [0, 1, 2]}}
        use_case = use_case_with([about, about | {"quarantine": True}], columns=MANY_COLUMNS)
        stored = OrderedTable(canonical(conform(use_case.spec, ordinary(30))))
        assert [values.null_count == 0 for values in Chosen.of(stored).column(column)].count(True) > 3
        dtypes.clear()
        validate(use_case, stored, WINDOW)
        assert len(dtypes) > 10
        assert set(dtypes) == {dtype}


def test_samples_are_those_of_the_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "CHUNK_ROWS", 100)
    monkeypatch.setattr(expecting, "FRAME_ROWS", 150)
    suite = [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "distance", "min_value": 1000}}]
    rows = rows_with(1_000, departure=[START] * 1_000)
    whole, chunks = both(use_case_with(suite), rows)
    assert chunks == whole
    assert '"unexpected": 900' in whole[0]
    assert '"values_counted": 200' in whole[0]


@pytest.mark.parametrize(
    "columns",
    [
        {"stops": pa.array([1.5] * 9 + [1.0])},
        {"fare": [None] * 10, "carrier": [None] * 10},
        {"trip_id": [3] * 10},
        {"trip_id": [*range(9), 0]},
        {"departure": [START - timedelta(days=1)] * 10},
    ],
)
def test_columns_that_are_wrong_as_a_whole_are_told_as_such(columns: dict[str, Any]) -> None:
    whole, chunks = both(use_case_with(), rows_with(10, **columns))
    assert chunks == whole


def test_a_column_in_which_nothing_was_read_is_refused_as_a_whole() -> None:
    as_ingested, now = use_case_with(max_quarantined_share=1.0), use_case_with(max_quarantined_share=0.5)
    stored = OrderedTable(canonical(conform(as_ingested.spec, rows_with(10, stops=pa.array([1.5] * 10)))))
    assert validate(as_ingested, stored, WINDOW).quarantined.num_rows == 10
    assert "not one of its 10 cells could be read" in validate(now, stored, WINDOW).reasons[0]


def test_rows_of_other_kinds_than_the_specs_are_conformed_first() -> None:
    stored = OrderedTable(canonical(conform(use_case_with().spec, rows_with(10))))
    numeric = use_case_with(columns=COLUMNS | {"stops": {"kind": "numeric"}})
    found = validate(numeric, stored, WINDOW)
    assert found.clean.schema.field("stops").type == pa.float64()
    more = use_case_with(columns=COLUMNS | {"gate": {"kind": "categorical"}})
    assert "column gate is missing" in validate(more, stored, WINDOW).reasons[0]
    fewer = use_case_with(columns={name: each for name, each in COLUMNS.items() if name != "fare"})
    assert validate(fewer, stored, WINDOW).clean.names == tuple(fewer.spec.columns)


@pytest.mark.parametrize("values", [[1, 2, 3, 2, None] * 4, list(range(20)), ["a", "b", None, "a"] * 5])
def test_different_values_are_counted_part_by_part(values: list[Any]) -> None:
    rows = Chosen.of(OrderedTable(pa.table({"x": values})))
    assert not rows.in_one_chunk
    assert parts.count_distinct(rows, "x") == len({each for each in values if each is not None})
