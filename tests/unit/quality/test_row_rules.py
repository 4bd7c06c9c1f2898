"""Which rows break an expectation: by hand, and compared with Great Expectations itself."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial.errors import InvalidSpec
from perennial.quality.frame import to_frame
from perennial.quality.outcome import MOST_SAMPLES, json_safe
from perennial.quality.row_rules import ROW_RULES, failing_rows
from perennial.quality.suite import run_suite
from perennial.spec.expectations import ROW_LEVEL_EXPECTATIONS, Expectation

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


def expectation(kind: str, **kwargs: Any) -> Expectation:
    return Expectation(type=f"expect_column_{kind}", kwargs={"column": "x", **kwargs}, quarantine=True)


def failing(kind: str, values: pa.Array, **kwargs: Any) -> list[int]:
    mask = failing_rows(expectation(kind, **kwargs), pa.table({"x": values}))
    assert mask.shape == (len(values),)
    return [int(position) for position in mask.nonzero()[0]]


def test_every_row_level_expectation_has_a_rule() -> None:
    assert sorted(ROW_RULES) == sorted(ROW_LEVEL_EXPECTATIONS)


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"min_value": 2}, [0]),
        ({"max_value": 2}, [3]),
        ({"min_value": 2, "max_value": 2}, [0, 3]),
        ({"min_value": 1, "strict_min": True}, [0]),
        ({"max_value": 3, "strict_max": True}, [3]),
        ({"min_value": 1, "max_value": 3, "strict_min": True, "strict_max": True}, [0, 3]),
    ],
)
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64()])
def test_between(kwargs: dict[str, Any], expected: list[int], kind: pa.DataType) -> None:
    assert failing("values_to_be_between", pa.array([1, None, 2, 3], kind), **kwargs) == expected


@pytest.mark.parametrize("noon", [NOON, "2013-03-01T12:00Z", "2013-03-01T12:00", "2013-03-01T13:00+01:00"])
def test_times_are_compared_as_instants(noon: Any) -> None:
    values = pa.array([NOON, None, NOON - timedelta(microseconds=1)], pa.timestamp("us", "UTC"))
    assert failing("values_to_be_between", values, min_value=noon) == [2]
    assert failing("values_to_be_in_set", values, value_set=[noon]) == [2]
    assert failing("values_to_not_be_in_set", values, value_set=[noon]) == [0]


@pytest.mark.parametrize("day", [date(2013, 3, 2), "2013-03-02", datetime(2013, 3, 2)])  # noqa: DTZ001
def test_a_date_is_its_first_instant_in_utc(day: Any) -> None:
    values = pa.array([NOON, NOON + timedelta(hours=12)], pa.timestamp("us", "UTC"))
    assert failing("values_to_be_between", values, min_value=day) == [0]


def test_booleans_are_compared_as_zero_and_one() -> None:
    assert failing("values_to_be_between", pa.array([True, None, False]), min_value=1) == [2]
    assert failing("values_to_be_between", pa.array([True, False]), max_value=0) == [0]
    assert failing("values_to_be_in_set", pa.array([True, None, False]), value_set=[True]) == [2]


def test_sets() -> None:
    values = pa.array(["a", None, "<b>", ""])
    assert failing("values_to_be_in_set", values, value_set=["a", ""]) == [2]
    assert failing("values_to_not_be_in_set", values, value_set=["a", ""]) == [0, 3]


def test_of_equal_values_all_fail_and_missing_ones_never() -> None:
    assert failing("values_to_be_unique", pa.array([1, None, 2, None, 1, 1])) == [0, 4, 5]


def test_only_not_null_fails_missing_values() -> None:
    assert failing("values_to_not_be_null", pa.array([1.0, None, 2.0])) == [1]
    assert failing("values_to_not_be_null", pa.array(["", None])) == [1]


def test_patterns_are_found_anywhere_and_may_have_groups() -> None:
    values = pa.array(["AA", None, "xAAx", "A", "ÄÄ"])
    assert failing("values_to_match_regex", values, regex="AA") == [3, 4]
    assert failing("values_to_match_regex", values, regex="^(A|Ä)+$") == [2]


def test_a_whole_number_stays_whole_beside_missing_ones() -> None:
    values = pa.array([17, None, 9_007_199_254_740_993])
    assert failing("values_to_match_regex", values, regex=r"^\d+$") == []
    assert failing("value_lengths_to_be_between", values, max_value=2) == [2]
    assert failing("values_to_be_in_set", values, value_set=[17, 9_007_199_254_740_992]) == [2]


def test_lengths_count_characters_not_bytes() -> None:
    values = pa.array(["éé", None, "", "🛫🛫🛫"])
    assert failing("value_lengths_to_be_between", values, min_value=1, max_value=2) == [2, 3]
    assert failing("value_lengths_to_be_between", values, max_value=3, strict_max=True) == [3]


@pytest.mark.parametrize(
    ("kind", "values", "kwargs", "complaint"),
    [
        ("values_to_be_between", pa.array(["a"]), {"min_value": 1}, "text lies between no bounds"),
        ("values_to_be_between", pa.array([1.0]), {"min_value": "low"}, r"can't be evaluated on column x \(float64\)"),
        ("values_to_be_between", pa.array([NOON]), {"min_value": 1}, "can't be evaluated on column x"),
        ("values_to_be_between", pa.array([NOON]), {"min_value": "soon"}, "'soon' is not a date or time"),
        ("values_to_match_regex", pa.array(["a"]), {"regex": r"(?P<a>x)(?P=a"}, "can't be evaluated"),
    ],
)
def test_arguments_that_do_not_suit_the_column_are_the_specs_fault(
    kind: str, values: pa.Array, kwargs: dict[str, Any], complaint: str
) -> None:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", "UTC"))
    given = Expectation.model_construct(type=f"expect_column_{kind}", kwargs={"column": "x", **kwargs})
    with pytest.raises(InvalidSpec, match=complaint) as refusal:
        failing_rows(given, pa.table({"x": values}))
    assert refusal.value.__cause__ is not None


def test_bounds_the_wrong_way_round_catch_nothing_silently() -> None:
    given = Expectation.model_construct(
        type="expect_column_values_to_be_between", kwargs={"column": "x", "min_value": 2, "max_value": 1}
    )
    with pytest.raises(InvalidSpec, match="min_value 2 is above max_value 1"):
        failing_rows(given, pa.table({"x": [1]}))


def test_mostly_a_strange_column_and_a_strange_type_are_refused() -> None:
    rows = pa.table({"x": [1]})
    with pytest.raises(InvalidSpec, match="`mostly`"):
        failing_rows(
            Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": "x", "mostly": 0.9}), rows
        )
    with pytest.raises(InvalidSpec, match="the rows have the columns x"):
        failing_rows(Expectation(type="expect_column_values_to_not_be_null", kwargs={"column": "y"}), rows)
    with pytest.raises(InvalidSpec, match="expect_column_mean_to_be_between on column x can't set rows aside"):
        failing_rows(Expectation(type="expect_column_mean_to_be_between", kwargs={"column": "x", "min_value": 0}), rows)


NUMBERS = st.one_of(st.none(), st.integers(-4, 4))
FLOATS = st.one_of(st.none(), st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, 2.0]))
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "A", "ab", "éé", "<b>", "1", "2013-01-01", "🛫", " "]))
TIMES = st.one_of(st.none(), st.integers(-3, 3).map(lambda hours: NOON + timedelta(hours=hours)))
BOUNDS = {
    pa.int64(): st.integers(-3, 3),
    pa.float64(): st.sampled_from([-1.0, 0.0, 0.5, 1]),
    pa.timestamp("us", "UTC"): st.sampled_from([NOON, "2013-03-01T11:00Z", "2013-03-01", date(2013, 3, 2)]),
}
COLUMNS = {pa.int64(): NUMBERS, pa.float64(): FLOATS, pa.string(): TEXTS, pa.timestamp("us", "UTC"): TIMES}


@st.composite
def columns(draw: st.DrawFn) -> pa.Array:
    kind = draw(st.sampled_from(list(COLUMNS)))
    return pa.array(draw(st.lists(COLUMNS[kind], min_size=1, max_size=8)), kind)


@st.composite
def cases(draw: st.DrawFn) -> tuple[pa.Array, list[Expectation]]:
    """A column, and one expectation of each kind that suits it."""
    values = draw(columns())
    present = st.sampled_from([value for value in values.to_pylist() if value is not None] or [0])
    strict = st.fixed_dictionaries({}, optional={"strict_min": st.booleans(), "strict_max": st.booleans()})
    chosen = draw(st.lists(present, min_size=1, max_size=3))
    low, high = sorted(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))))
    suite = [
        expectation("values_to_be_unique"),
        expectation("values_to_not_be_null"),
        expectation("values_to_be_in_set", value_set=chosen),
        expectation("values_to_not_be_in_set", value_set=chosen),
        expectation(
            "values_to_match_regex", regex=draw(st.sampled_from(["^a", "[a-z]", r"^\d+$", "(é|<)", "^$", "2"]))
        ),
        expectation("value_lengths_to_be_between", min_value=low, max_value=high, **draw(strict)),
    ]
    if values.type in BOUNDS:
        bound = draw(BOUNDS[values.type])
        end = draw(st.sampled_from(["min_value", "max_value"]))
        suite.append(expectation("values_to_be_between", **{end: bound}, **draw(strict)))
    return values, suite


@settings(max_examples=20)
@given(cases())
def test_the_rules_say_what_great_expectations_says(case: tuple[pa.Array, list[Expectation]]) -> None:
    values, suite = case
    rows = pa.table({"x": values})
    judged = run_suite(suite, to_frame(rows))
    for rule, outcome in zip(suite, judged, strict=True):
        mask = failing_rows(rule, rows)
        assert outcome.error is None, rule
        assert (outcome.unexpected, outcome.met) == (mask.sum(), not mask.any()), rule
        caught = {json_safe(value) for value in values.filter(pa.array(mask)).drop_null().to_pylist()}
        assert set(outcome.samples) == caught or len(caught) > len(outcome.samples) == MOST_SAMPLES, rule
