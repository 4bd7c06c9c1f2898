"""The verdict on a window's rows: golden cases, and what holds for all rows whatever is in them."""

import json
import math
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.quality.conftest import rows_of

from perennial.quality import expecting
from perennial.quality.frame import to_frame
from perennial.quality.schema import canonical_schema
from perennial.quality.setting_aside import RULE_COLUMN
from perennial.quality.validate import CheckedRows, validate
from perennial.spec.expectations import Severity
from perennial.verdict import Verdict
from perennial.window import Window

GOLDEN = yaml.safe_load((Path(__file__).parents[2] / "golden" / "quality.yaml").read_text())


def rules_of(outcome: CheckedRows) -> list[str]:
    rules: list[str] = outcome.quarantined.table().column(RULE_COLUMN).to_pylist()
    return rules


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_verdict_and_reasons(case: dict[str, Any], make_use_case: Any, make_rows: Any, window: Window) -> None:
    use_case = make_use_case(case.get("expectations"), **case.get("quality", {}))
    outcome = validate(use_case, rows_of(case), window)
    assert list(outcome.reasons) == case["reasons"]
    assert outcome.verdict == case["verdict"]
    assert rules_of(outcome) == case.get("quarantined", [])
    assert outcome.result["verdict"] == case["verdict"]
    assert outcome.result["reasons"] == case["reasons"]
    json.dumps(outcome.result, allow_nan=False)


@pytest.mark.parametrize(("least", "verdict"), [(10, Verdict.PASS), (11, Verdict.FAIL)])
def test_rows_are_counted_also_where_no_column_is_asked_about(
    make_use_case: Any, make_rows: Any, window: Window, least: int, verdict: Verdict
) -> None:
    counting = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": least}, "severity": "critical"}
    assert validate(make_use_case([counting]), make_rows(10), window).verdict is verdict


def test_only_columns_that_are_asked_about_become_a_frame(
    make_use_case: Any, make_rows: Any, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    framed: list[list[str]] = []
    monkeypatch.setattr(expecting, "to_frame", lambda rows: (framed.append(rows.column_names), to_frame(rows))[1])
    rows = make_rows(10)
    about_one = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "fare", "max_value": 99}}
    about_all = {"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": rows.column_names}}
    for suite in ([about_one], [about_one, about_all]):
        assert validate(make_use_case(suite), rows, window).verdict is Verdict.PASS
    assert framed == [["fare"], rows.column_names]


def test_the_result_tells_all_that_was_checked(make_use_case: Any, make_rows: Any, window: Window) -> None:
    suite = [
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "fare"}, "quarantine": True},
        {
            "type": "expect_column_max_to_be_between",
            "kwargs": {"column": "fare", "max_value": 9},
            "severity": "warning",
        },
    ]
    fares = [None] + [10.5] * 9
    outcome = validate(make_use_case(suite, max_quarantined_share=0.5), make_rows(10, fare=fares), window)
    result = json.loads(json.dumps(outcome.result))
    assert list(result) == [
        "format",
        "checks",
        "verdict",
        "reasons",
        "rows",
        "rows_clean",
        "rows_quarantined",
        "gates",
        "row_rules",
        "expectations",
    ]
    assert (result["format"], result["rows"], result["rows_clean"], result["rows_quarantined"]) == (1, 10, 9, 1)
    assert [(gate["gate"], gate["verdict"]) for gate in result["gates"]] == [
        ("schema", "pass"),
        ("row_count", "pass"),
        ("columns_present", "pass"),
        ("circuit_breaker", "warn"),
    ]
    assert result["row_rules"][-1] == {
        "rule": "expect_column_values_to_not_be_null(fare)",
        "rows": 1,
        "error": None,
        "accepted": False,
    }
    assert len(result["row_rules"]) == 8
    assert result["expectations"] == [
        {
            "type": "expect_column_max_to_be_between",
            "kwargs": {"column": "fare", "max_value": 9},
            "severity": "warning",
            "met": False,
            "checked": None,
            "missing": None,
            "unexpected": None,
            "observed": 10.5,
            "samples": [],
            "error": None,
            "values": [],
            "values_counted": 0,
            "values_different": 0,
        }
    ]


def test_rows_that_do_not_conform_are_in_neither_part(make_use_case: Any, window: Window) -> None:
    use_case = make_use_case()
    outcome = validate(use_case, pa.table({"x": [1, 2]}), window)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.clean.table().equals(canonical_schema(use_case.spec).empty_table())
    assert outcome.quarantined.table().column_names == [*use_case.spec.columns, RULE_COLUMN]
    assert outcome.quarantined.num_rows == 0
    assert (outcome.result["rows"], outcome.result["rows_clean"], outcome.result["rows_quarantined"]) == (2, 0, 0)


def test_rows_as_the_lake_returns_them_are_judged_the_same(make_use_case: Any, make_rows: Any, window: Window) -> None:
    rows = make_rows(10, fare=[math.inf] + [1.0] * 9)
    straight = validate(make_use_case(), rows, window)
    sorted_ = validate(make_use_case(), rows.select(sorted(rows.column_names)), window)
    assert sorted_.result == straight.result
    assert sorted_.clean.table().equals(straight.clean.table())


@pytest.mark.parametrize("severity", list(Severity))
def test_rows_set_aside_warn_whatever_the_severity(
    severity: Severity, make_use_case: Any, make_rows: Any, window: Window
) -> None:
    rule = {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "carrier", "value_set": ["AA", "DL", "UA"]},
        "quarantine": True,
        "severity": severity,
    }
    carriers = ["XX", *make_rows().column("carrier").to_pylist()[1:]]
    use_case = make_use_case([rule], max_quarantined_share=0.1)
    assert validate(use_case, make_rows(carrier=carriers), window).verdict is Verdict.WARN


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "z" * 900, "🛫\u202e\u2028", "'; DROP TABLE x; --"])
def test_values_appear_in_no_reason_and_keys_nowhere(
    text: str, make_use_case: Any, make_rows: Any, window: Window
) -> None:
    columns = {
        "person": {"kind": "categorical", "role": "key"},
        "at": {"kind": "timestamp", "role": "event_time"},
        "note": {"kind": "categorical"},
    }
    suite = [
        {"type": kind, "kwargs": {"column": column, **arguments}}
        for column in ("person", "note")
        for kind, arguments in (
            ("expect_column_values_to_be_in_set", {"value_set": ["nobody"]}),
            ("expect_column_distinct_values_to_equal_set", {"value_set": ["nobody"]}),
            ("expect_column_most_common_value_to_be_in_set", {"value_set": ["nobody"]}),
            ("expect_column_value_lengths_to_be_between", {"max_value": 0}),
        )
    ]
    times = make_rows(3).column("departure")
    people = [f"{text}{number}" for number in range(3)]
    rows = pa.table({"person": people, "at": times, "note": [text] * 3})
    outcome = validate(make_use_case(suite, columns=columns), rows, window)
    assert outcome.verdict is Verdict.FAIL
    assert len(outcome.reasons) == 8
    assert not any(text[:50] in reason for reason in outcome.reasons)
    assert all(len(reason) < 500 for reason in outcome.reasons)
    about_people, about_notes = outcome.result["expectations"][:4], outcome.result["expectations"][4:]
    assert not any(text[:50] in json.dumps(about, ensure_ascii=False) for about in about_people)
    assert about_notes[0]["samples"] == [text if len(text) <= 100 else "z" * 99 + "…"]
    assert outcome.clean.table().column("note").to_pylist() == [text] * 3


ODD_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "trip_id": st.sampled_from([None, 1, 2, 3, 4, 5, 6]),
            "departure": st.sampled_from([-1, 0, 1, 1439, 1440, None]),
            "distance": st.sampled_from([None, 0.0, 1.0, math.inf, -math.inf, math.nan]),
            "fare": st.sampled_from([None, -1.0, 0.0, 5.0, math.inf]),
            "stops": st.sampled_from([None, -1, 0, 1]),
            "carrier": st.sampled_from([None, "", "AA", "<b>", "é" * 300]),
            "rainy": st.sampled_from([None, True, False]),
        }
    ),
    max_size=12,
)
SETTING_ASIDE = [
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "fare", "min_value": 0}, "quarantine": True},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "carrier", "regex": "^A"}, "quarantine": True},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "stops"}, "quarantine": True},
]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(odd=ODD_ROWS, share=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_no_row_is_lost_or_doubled(
    odd: list[dict[str, Any]], share: float, make_use_case: Any, make_rows: Any, window: Window
) -> None:
    columns = {name: [row[name] for row in odd] for name in make_rows().column_names}
    columns["departure"] = [m if m is None else window.start + timedelta(minutes=m) for m in columns["departure"]]
    given_rows = make_rows(len(odd), **columns)
    outcome = validate(make_use_case(SETTING_ASIDE, max_quarantined_share=share), given_rows, window)

    def bag(rows: pa.Table) -> Counter[str]:
        return Counter(str(list(row.values())).replace("nan", "None") for row in rows.to_pylist())

    set_aside = outcome.quarantined.table().drop_columns([RULE_COLUMN])
    assert bag(outcome.clean.table()) + bag(set_aside) == bag(given_rows)
    assert all(rules_of(outcome))
    again = validate(make_use_case(SETTING_ASIDE, max_quarantined_share=share), outcome.clean.table(), window)
    assert again.clean.table().equals(outcome.clean.table()), "what is clean stays clean"
    breaker = next(gate for gate in outcome.result["gates"] if gate["gate"] == "circuit_breaker")
    caught = outcome.quarantined.num_rows
    assert (breaker["verdict"] == "fail") == (caught > share * len(odd))
    assert (outcome.verdict is Verdict.PASS) <= (caught == 0 and len(odd) > 0)


def test_rules_with_a_limit_on_names_stay_readable(make_use_case: Any, make_rows: Any, window: Window) -> None:
    suite = [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "fare", "min_value": low},
            "quarantine": True,
        }
        for low in range(100, 107)
    ]
    outcome = validate(make_use_case(suite), make_rows(2), window)
    assert "#5 caught 2, and 2 more rules." in outcome.reasons[-1]
    assert rules_of(outcome)[0].count("; ") == 6


def test_validation_is_cheap_to_import() -> None:
    """The expensive library comes in when a suite runs, not before."""
    program = "import sys, perennial.quality.validate; sys.exit('great_expectations' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
