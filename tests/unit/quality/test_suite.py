"""Great Expectations behind its wall: outcomes are plain, safe JSON, and nothing raises."""

import json
import socket
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa
import pytest

from perennial.quality import suite
from perennial.quality.frame import to_frame
from perennial.quality.outcome import MOST_VALUES, ExpectationOutcome, ValueCount
from perennial.spec.expectations import EXPECTATION_ARGUMENTS, Expectation, Severity

SECRET = "ada.lovelace@example.org"


def run(rows: pa.Table | pd.DataFrame, *expectations: Expectation, private: tuple[str, ...] = ()) -> Any:
    frame = to_frame(rows) if isinstance(rows, pa.Table) else rows
    return suite.run_suite(expectations, frame, private)


def expect(kind: str, severity: Severity = Severity.CRITICAL, **kwargs: Any) -> Expectation:
    return Expectation(type=f"expect_{kind}", kwargs=kwargs, severity=severity)


def test_values_are_counted_and_a_few_shown() -> None:
    rows = pa.table({"x": [1.0, None, *[float(-i) for i in range(1, 20)], -1.0]})
    (outcome,) = run(rows, expect("column_values_to_be_between", Severity.WARNING, column="x", min_value=0))
    assert outcome == ExpectationOutcome(
        type="expect_column_values_to_be_between",
        kwargs={"column": "x", "min_value": 0},
        severity=Severity.WARNING,
        met=False,
        checked=22,
        missing=1,
        unexpected=20,
        samples=(-1.0, -2.0, -3.0, -4.0, -5.0),
        values=(ValueCount(-1.0, 2), *(ValueCount(float(-i), 1) for i in range(2, 20))),
        values_counted=20,
        values_different=19,
    )


def test_the_most_frequent_values_are_kept_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [f"rare {i}" for i in range(30)] + ["often"] * 9
    rule = expect("column_values_to_be_in_set", column="x", value_set=["fine"])
    (outcome,) = run(pa.table({"x": values}), rule)
    assert outcome.values[0] == ValueCount("often", 9)
    assert (len(outcome.values), outcome.values_counted, outcome.values_different) == (MOST_VALUES, 39, 31)
    monkeypatch.setattr(suite, "_COUNTED", 10)
    (outcome,) = run(pa.table({"x": values}), rule)
    assert (outcome.unexpected, outcome.values_counted, outcome.values_different) == (39, 10, 10)
    (hidden,) = run(pa.table({"x": values}), rule, private=("x",))
    assert (hidden.values, hidden.values_counted, hidden.unexpected) == ((), 0, 39)


def test_an_aggregate_is_shown_as_observed() -> None:
    met, unmet = run(
        pa.table({"x": [1.0, 3.0]}),
        expect("column_mean_to_be_between", column="x", min_value=2),
        expect("column_mean_to_be_between", column="x", max_value=1),
    )
    assert (met.met, met.observed) == (True, 2.0)
    assert (unmet.met, unmet.observed) == (False, 2.0)


def test_outcomes_come_in_order_also_of_expectations_given_twice() -> None:
    expectations = [
        expect("column_values_to_not_be_null", column="b"),
        expect("column_values_to_not_be_null", column="a"),
        expect("table_row_count_to_be_between", min_value=9),
        expect("column_values_to_not_be_null", Severity.WARNING, column="b"),
        expect("column_values_to_not_be_null", column="b"),
    ]
    outcomes = run(pa.table({"a": [1], "b": pa.nulls(1, pa.int64())}), *expectations)
    assert [(o.type, o.kwargs, o.severity) for o in outcomes] == [(e.type, e.kwargs, e.severity) for e in expectations]
    assert [o.met for o in outcomes] == [False, True, False, False, False]


def test_each_run_sees_its_own_rows() -> None:
    rule = expect("column_values_to_be_between", column="x", max_value=1)
    assert [run(pa.table({"x": [value]}), rule)[0].met for value in (1, 2, 1)] == [True, False, True]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (expect("column_values_to_be_between", column="text", min_value=1), "must either be None or of the same type"),
        (expect("column_mean_to_be_between", column="text", min_value=1), "string"),
        (expect("column_values_to_be_between", column="nope", min_value=1), "nope"),
        (expect("column_values_to_be_between", column="number", min_value="low"), "not a valid float"),
        (expect("column_values_to_be_between", column="time", min_value="soon"), "'soon' is not a date or time"),
        (expect("column_max_to_be_between", column="time", min_value=1), "not supported between instances"),
    ],
)
def test_an_exception_inside_an_expectation_is_a_failure(rule: Expectation, complaint: str) -> None:
    rows = pa.table({"text": ["a"], "number": [1.0], "time": pa.array([0], pa.timestamp("us", "UTC"))})
    broken, other = run(rows, rule, expect("column_values_to_not_be_null", column="number"))
    assert not broken.met
    assert complaint in broken.error
    assert other.met


def test_whatever_great_expectations_raises_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("out of patience")

    monkeypatch.setattr(suite, "_validate", fail)
    (outcome,) = run(pa.table({"x": [1]}), expect("column_values_to_not_be_null", column="x"))
    assert (outcome.met, outcome.error) == (False, "RuntimeError: out of patience")


def test_dates_bound_times_in_aggregates_too() -> None:
    rows = pa.table({"time": pa.array([0, 10**15], pa.timestamp("us", "UTC"))})
    early, late = run(
        rows,
        expect("column_min_to_be_between", column="time", min_value="1970-01-01"),
        expect("column_max_to_be_between", column="time", max_value="2000-01-01"),
    )
    assert (early.met, early.observed) == (True, "1970-01-01T00:00:00+00:00")
    assert (late.met, late.observed) == (False, "2001-09-09T01:46:40+00:00")


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "y" * 5_000, "🛫\u202e\n", "{{ 7*7 }}", '"\\'])
def test_hostile_values_stay_data(text: str) -> None:
    outcomes = run(
        pa.table({"x": [text, text, "a"]}),
        expect("column_values_to_be_in_set", column="x", value_set=["a"]),
        expect("column_distinct_values_to_be_in_set", column="x", value_set=["a"]),
        expect("column_most_common_value_to_be_in_set", column="x", value_set=["a"]),
    )
    shown = text if len(text) <= 100 else "y" * 99 + "…"
    assert [outcome.samples for outcome in outcomes] == [(shown,), (shown,), ()]
    assert outcomes[2].observed == [shown]


@pytest.mark.parametrize("kind", sorted(EXPECTATION_ARGUMENTS))
def test_every_expectation_runs_and_gives_json_without_private_values(kind: str) -> None:
    """Each is set up to fail, so that Great Expectations has something to show."""
    if kind == "expect_column_to_exist":
        arguments: dict[str, Any] = {"column": "id"}
    else:
        values = {
            "column": "id",
            "column_A": "id",
            "column_B": "other",
            "column_list": ["id", "other"],
            "column_set": ["id"],
            "column_index": 0,
            "value_set": ["nobody"],
            "regex": "^nobody$",
            "min_value": 5,
            "max_value": 4 if kind == "never" else None,
            "sum_total": 1,
            "value": 9,
            "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]},
        }
        needed = EXPECTATION_ARGUMENTS[kind]
        arguments = {name: values[name] for name in (*needed.required, "min_value") if name in needed.names}
    rule = Expectation(type=kind, kwargs=arguments)
    numbers = "sum" in kind or "mean" in kind or "quantile" in kind or "median" in kind or "stdev" in kind
    frames = [
        pa.table({"id": [SECRET, SECRET, "b", None], "other": ["c", "c", SECRET, None]}),
        pa.table({"id": [424242, 424242, 2, None], "other": [1, 1, 3, None]}),
    ]
    for rows in frames[1:] if numbers else frames:
        (outcome,) = run(rows, rule, private=("id",))
        text = json.dumps(
            [outcome.observed, outcome.samples, outcome.error, outcome.checked, outcome.missing, outcome.unexpected],
            allow_nan=False,
        )
        assert SECRET not in text
        assert "424242" not in text


def test_the_text_of_an_exception_about_a_private_column_is_kept_back() -> None:
    frame = pd.DataFrame({"id": pd.Series([SECRET, 1], dtype=object)})
    open_, kept = (
        run(frame, expect("column_mean_to_be_between", column="id", min_value=0), private=private)[0]
        for private in ((), ("id",))
    )
    assert not open_.met
    assert not kept.met
    assert "may hold values" in kept.error


def test_numbers_that_json_lacks_become_text() -> None:
    (outcome,) = run(pa.table({"x": [1.0, float("inf")]}), expect("column_max_to_be_between", column="x", max_value=1))
    assert outcome.observed == "inf"
    assert not outcome.met


def test_nothing_is_written_and_nothing_leaves_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a connection was opened")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    suite._batches.cache_clear()
    (outcome,) = run(pa.table({"x": [1]}), expect("column_values_to_not_be_null", column="x"))
    assert outcome.met
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_all_expectations_are_asked_in_one_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations.datasource.fluent.interfaces import Batch  # warnings of its import are ignored by `suite`

    rows = pa.table({name: [float(i) for i in range(1_000)] for name in "abcdefghijklmno"})
    rules = [expect("column_values_to_be_between", column=name, min_value=0) for name in rows.column_names]
    asked: list[object] = []
    validate = Batch.validate

    def counted(self: Batch, *arguments: object, **named: object) -> object:
        asked.append(arguments)
        return validate(self, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Batch, "validate", counted)
    assert all(outcome.met for outcome in run(rows, *rules))
    assert len(asked) == 1
