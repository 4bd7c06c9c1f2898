"""The rules that hold without being asked for."""

from typing import Any

import pyarrow as pa
import pytest

from perennial.quality.row_rules import Mask, doubled, integrity_rules
from perennial.spec.models import UseCase
from perennial.window import Window


def rules(spec: UseCase, rows: pa.Table, window: Window) -> dict[str, Mask]:
    return dict(integrity_rules(spec, rows, window, doubled(rows.column(spec.key))))


def caught(spec: UseCase, rows: pa.Table, window: Window) -> dict[str, list[int]]:
    """The positions of the rows that each rule catches, for rules that catch any."""
    return {rule: mask.nonzero()[0].tolist() for rule, mask in rules(spec, rows, window).items() if mask.any()}


def test_ordinary_rows_are_caught_by_nothing(spec: UseCase, make_rows: Any, window: Window) -> None:
    assert caught(spec, make_rows(), window) == {}


def test_there_is_a_rule_for_each_column_that_needs_one(spec: UseCase, make_rows: Any, window: Window) -> None:
    assert list(rules(spec, make_rows(), window)) == [
        "required(trip_id)",
        "required(departure)",
        "required(distance)",
        "unique_key(trip_id)",
        "finite(distance)",
        "finite(fare)",
        "in_window(departure)",
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"trip_id": [0, None, 2, None]}, {"required(trip_id)": [1, 3]}),
        ({"distance": [1.0, None, 1.0, 1.0]}, {"required(distance)": [1]}),
        ({"trip_id": [7, 8, 7, 7]}, {"unique_key(trip_id)": [0, 2, 3]}),
        ({"fare": [float("inf"), float("-inf"), None, 1.0]}, {"finite(fare)": [0, 1]}),
        ({"fare": [None] * 4, "carrier": [None] * 4, "stops": [None] * 4}, {}),
    ],
)
def test_a_row_is_caught_by_what_is_wrong_with_it(
    spec: UseCase, make_rows: Any, window: Window, columns: dict[str, Any], expected: dict[str, list[int]]
) -> None:
    assert caught(spec, make_rows(4, **columns), window) == expected


def test_times_outside_the_window_are_caught_and_missing_ones_are_required(
    spec: UseCase, make_rows: Any, window: Window
) -> None:
    rows = make_rows(3, departure=[window.start, window.end, None])
    assert caught(spec, rows, window) == {"required(departure)": [2], "in_window(departure)": [1]}


def test_no_rows_break_no_rule(spec: UseCase, make_rows: Any, window: Window) -> None:
    masks = rules(spec, make_rows().slice(0, 0), window)
    assert [mask.shape for mask in masks.values()] == [(0,)] * 7


def test_doubled_values_are_found_across_chunks() -> None:
    values = pa.chunked_array([["a", "b", None], ["b", None, "c"]])
    assert doubled(values).tolist() == [False, True, False, True, False, False]
