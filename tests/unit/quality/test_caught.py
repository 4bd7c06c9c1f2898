"""Which cells a rule did not accept."""

import pyarrow as pa
import pytest
from tests.unit.quality.conftest import rows_with, use_case_with

from perennial.quality.caught import CHANGED_RULE, CaughtCell, caught_by_rule, cells_caught
from perennial.quality.setting_aside import named_rules
from perennial.quality.unread import UnreadCell, unread_cells
from perennial.quality.validate import validate
from perennial.window import Window

ANY_ROW = 0.99


def test_each_rule_is_given_the_rows_that_it_caught() -> None:
    found = caught_by_rule(pa.table({"rule": ["finite(fare); required(fare)", "required(fare)", "finite(stops)"]}))
    assert {rule: list(mask) for rule, mask in found.items()} == {
        "finite(fare)": [True, False, False],
        "finite(stops)": [False, False, True],
        "required(fare)": [True, True, False],
    }


def test_only_the_cells_of_the_rules_own_column_are_its_own(window: Window) -> None:
    rows = rows_with(20, stops=pa.array([1.5, *[1.0] * 19]), rainy=pa.array([3, 4, *[1] * 18]))
    use_case = use_case_with(max_quarantined_share=ANY_ROW)
    quarantined = validate(use_case, rows, window).quarantined.table()
    assert cells_caught(use_case.spec, "readable(rainy)", quarantined, {}, 5) == (
        CaughtCell("rainy", "3", "boolean", 1, "is neither true nor false; only 0 and 1 can be read as such"),
        CaughtCell("rainy", "4", "boolean", 1, "is neither true nor false; only 0 and 1 can be read as such"),
    )


@pytest.mark.parametrize(
    ("column", "values", "rule", "cells"),
    [
        ("distance", [None, 1.0], "required(distance)", [("distance", None, "a value", 1)]),
        ("carrier", [None, "A"], "expect_column_values_to_not_be_null(carrier)", [("carrier", None, "a value", 1)]),
        ("carrier", ["AA", "B\n"], "expect_column_values_to_match_regex(carrier)",
         [("carrier", "B\\n", "regex ^A+$", 1)]),
        ("stops", [7, 7], "expect_column_values_to_be_in_set(stops)", [("stops", "7", "value_set [0, 1]", 2)]),
    ],
)  # fmt: skip
def test_every_kind_of_rule_says_what_it_expected(
    window: Window, column: str, values: list[object], rule: str, cells: list[tuple[object, ...]]
) -> None:
    rules = {
        "expect_column_values_to_not_be_null": {},
        "expect_column_values_to_match_regex": {"regex": "^A+$"},
        "expect_column_values_to_be_in_set": {"value_set": [0, 1]},
    }
    kind = rule.partition("(")[0]
    expected = (
        [{"type": kind, "kwargs": {"column": column, **rules[kind]}, "quarantine": True}] if kind in rules else []
    )
    use_case = use_case_with(expected, max_quarantined_share=ANY_ROW)
    quarantined = validate(use_case, rows_with(2, **{column: values}), window).quarantined.table()
    caught = quarantined.filter(pa.array(caught_by_rule(quarantined)[rule]))
    found = cells_caught(use_case.spec, rule, caught, dict(named_rules(use_case.expectations)), 5)
    assert found == tuple(CaughtCell(*cell) for cell in cells)  # type: ignore[arg-type]


def test_a_rule_about_a_column_that_left_the_spec_still_has_its_text() -> None:
    rows = pa.table({"trip_id": [1], "bad_cells": ["column speed: 'fast' is not a number"]})
    spec = use_case_with().spec
    assert cells_caught(spec, "readable(speed)", rows, {}, 5) == (
        CaughtCell("speed", "fast", CHANGED_RULE, 1, "is not a number"),
    )
    assert cells_caught(spec, "finite(speed)", rows, {}, 5) == ()


@pytest.mark.parametrize("text", ["it's", "'", "'quoted' text", "a: b", "column fare: 'x'", ""])
def test_any_text_comes_back_from_the_line_that_tells_of_it(text: str) -> None:
    line = f"column fare: '{text}' is not a number"
    assert unread_cells(f"{line}\n{line}") == (UnreadCell("fare", text, "is not a number"),) * 2
    assert unread_cells(None) == ()
