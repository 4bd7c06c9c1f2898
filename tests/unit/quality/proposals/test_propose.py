"""What is proposed from windows, and what is left alone and why."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from tests.unit.jobs.world import SPEC

from perennial.quality.chunks import Chosen
from perennial.quality.proposals.proposal import LeftAlone, Looked, Proposal, held_out
from perennial.quality.proposals.propose import propose
from perennial.quality.proposals.seen import WindowSeen, look
from perennial.quality.schema import canonical_schema
from perennial.spec.expectations import Severity
from perennial.spec.models import UseCase
from perennial.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 60


def spec_with(kind: str, **column: Any) -> UseCase:
    """The parcels with one more column, x."""
    document = yaml.safe_load(SPEC)
    document["columns"]["x"] = {"kind": kind, "role": "carry", **column}
    return UseCase.model_validate(document)


def windows_of(spec: UseCase, cells: Callable[[int], list[Any]], count: int = 30) -> list[WindowSeen]:
    """Windows whose column x is what `cells` says of a day."""
    seen = []
    for day in range(count):
        x = cells(day)
        start = START + timedelta(days=day)
        rows = {
            "parcel": [day * 1_000 + row for row in range(len(x))],
            "sent_at": [start] * len(x),
            "weight": [float(row % 7) for row in range(len(x))],
            "service": ["air"] * len(x),
            "x": x,
        }
        table = pa.table({name: pa.array(rows[name], canonical_schema(spec).field(name).type) for name in rows})
        seen.append(look(spec, Window(start, start + timedelta(days=1)), Chosen.of(table)))
    return seen


def about_x(
    kind: str, cells: Callable[[int], list[Any]], count: int = 30, **column: Any
) -> tuple[list[Proposal], list[str]]:
    """The proposals for column x, and why something was left out for it."""
    spec = spec_with(kind, **column)
    seen = windows_of(spec, cells, count)
    last = held_out(count)
    days = [window.window.start.weekday() for window in seen]
    proposals, left_alone = propose(spec, Looked(seen, count - last, days))
    mine = [each for each in proposals if each.expectation.kwargs.get("column") == "x"]
    return mine, [each.why for each in left_alone if each.column == "x"]


def proposed(kind: str, cells: Callable[[int], list[Any]], count: int = 30, **column: Any) -> dict[str, dict[str, Any]]:
    """Type and arguments of each proposal for x, without the column."""
    mine, _ = about_x(kind, cells, count, **column)
    return {
        each.expectation.type.removeprefix("expect_column_values_to_"): {
            name: value for name, value in each.expectation.kwargs.items() if name != "column"
        }
        for each in mine
    }


def cycled(values: Sequence[Any]) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


def noise(day: int) -> np.random.Generator:
    return np.random.default_rng(100 + day)


def test_numbers_get_a_range_that_stands_off_and_never_null_where_none_was_missing() -> None:
    found = proposed("numeric", lambda day: noise(day).normal(50, 5, ROWS).tolist())
    assert found["not_be_null"] == {}
    assert 10 < found["be_between"]["min_value"] < 34
    assert 66 < found["be_between"]["max_value"] < 90


def test_a_column_that_never_goes_below_zero_but_nearly_reaches_it_stays_there() -> None:
    assert (
        proposed("numeric", lambda day: [*noise(day).gamma(2, 5, ROWS), noise(day).uniform(0, 0.1)])["be_between"][
            "min_value"
        ]
        == 0.0
    )
    # A temperature that was never negative so far may be so tomorrow.
    cold = proposed("numeric", lambda day: [noise(day).uniform(1, 30), *noise(day).normal(40, 2, ROWS)])
    assert cold["be_between"]["min_value"] < 0


def test_whole_numbers_get_whole_bounds() -> None:
    bounds = proposed("integer", lambda day: noise(day).poisson(200, ROWS).tolist())["be_between"]
    assert all(isinstance(bound, int) for bound in bounds.values())


def test_every_proposal_is_a_warning_with_what_it_was_derived_from() -> None:
    mine, _ = about_x("numeric", lambda day: [None, *noise(day).normal(50, 5, ROWS)])
    assert {each.expectation.severity for each in mine} == {Severity.WARNING}
    assert all("in 23 windows" in each.derived_from for each in mine)
    assert [len(series.values) for each in mine for series in each.series] == [30, 30, 30]


@pytest.mark.parametrize(
    ("kind", "cells", "why"),
    [
        ("integer", lambda day: [day * 100 + row for row in range(ROWS)], "another whole number: an id"),
        ("integer", lambda _: [2**60 + row % 3 for row in range(ROWS)], "so large"),
        ("numeric", lambda day: [1e6 + 100 * day + row % 9 for row in range(ROWS)], "grows from window to window"),
        ("numeric", lambda _: [7.0] * ROWS, "the same number in all rows"),
        ("boolean", lambda _: cycled([True, False]), "all that it can hold"),
        ("timestamp", lambda day: [START + timedelta(days=day)] * ROWS, "times go on"),
        ("categorical", lambda day: [f"note {day} {row} {'x' * row}" for row in range(ROWS)], "free text"),
        ("categorical", lambda day: cycled([f"{'abcdefghij'[day % 10] * day}-{day}", "a"]), "keep bringing new ones"),
    ],
)
def test_what_would_cry_wolf_is_left_alone_with_a_reason(
    kind: str, cells: Callable[[int], list[Any]], why: str
) -> None:
    assert set(proposed(kind, cells)) <= {"not_be_null"}
    assert any(why in each for each in about_x(kind, cells)[1])


def test_a_closed_set_of_texts_is_proposed_sorted() -> None:
    assert proposed("categorical", lambda _: cycled(["b", "no", "a"]))["be_in_set"] == {"value_set": ["a", "b", "no"]}


def test_a_rare_value_is_in_the_set_and_one_of_the_held_out_windows_is_not() -> None:
    found = proposed("categorical", lambda day: cycled(["a", "b", *({3: ["rare"], 28: ["new"]}.get(day, []))]))
    assert found["be_in_set"] == {"value_set": ["a", "b", "rare"]}


def test_texts_of_one_shape_get_a_pattern() -> None:
    cells = lambda day: [f"{'ABCDE'[row % 5]}X{day:02}{row:02}" for row in range(ROWS)]  # noqa: E731
    assert proposed("categorical", cells)["match_regex"] == {"regex": "^[A-Z]{2}[0-9]{4}$"}


def test_a_share_that_is_always_missing_gets_room_and_a_growing_one_no_bound() -> None:
    found = proposed("numeric", lambda day: [None] * (day % 3 + 5) + [1.0, 2.0] * 30)["not_be_null"]
    assert 0.8 < found["mostly"] < 0.92
    late, why = about_x("boolean", lambda day: ([None] * 9 if day > 25 else []) + [True] * ROWS)
    assert late == []
    assert any("held out" in each for each in why)
    assert "not_be_null" not in proposed("boolean", lambda day: [None] * (ROWS if day % 2 else 1) + [True])


def test_nothing_is_proposed_that_is_checked_anyway() -> None:
    assert "not_be_null" not in proposed("numeric", lambda _: cycled([1.0, 2.0]), nullable=False)
    spec = spec_with("numeric")
    proposals, left_alone = propose(spec, Looked(windows_of(spec, lambda _: cycled([1.0, 2.0])), 30))
    assert {"parcel", "sent_at"}.isdisjoint(each.expectation.kwargs.get("column") for each in proposals)
    why = {each.column: each.why for each in left_alone}
    assert "unique_key" in why["parcel"]
    assert "in_window" in why["sent_at"]


def counts(rows: Callable[[int], int], count: int = 30) -> list[Proposal | LeftAlone]:
    spec = spec_with("numeric")
    seen = windows_of(spec, lambda day: [1.0] * rows(day), count)
    days = [window.window.start.weekday() for window in seen]
    proposals, left_alone = propose(spec, Looked(seen, count - held_out(count), days))
    found = [each for each in proposals if "row_count" in each.expectation.type]
    return [*found, *(each for each in left_alone if each.column is None)]


def test_the_number_of_rows_allows_for_weekdays() -> None:
    (found,) = counts(lambda day: (30 if day % 7 == 6 else 150) + day % 5)
    assert isinstance(found, Proposal)
    assert 1 < found.expectation.kwargs["min_value"] <= 30
    assert 154 < found.expectation.kwargs["max_value"] < 300


def test_a_number_of_rows_that_says_nothing_is_left_alone() -> None:
    (found,) = counts(lambda day: 1 + day % 2 * 2, 30)
    assert isinstance(found, Proposal)
    assert "min_value" not in found.expectation.kwargs  # quality.min_rows is 1 already


def test_from_one_window_only_wide_guesses_are_made_and_say_so() -> None:
    mine, _ = about_x("numeric", lambda _: [10.0, *np.linspace(11, 20, ROWS)], count=1)
    (bounds,) = [each for each in mine if "between" in each.expectation.type]
    assert bounds.expectation.kwargs == {"column": "x", "min_value": 0.0, "max_value": 30.0}
    assert "a wide guess" in bounds.derived_from
    (rows,) = counts(lambda _: 90, 1)
    assert isinstance(rows, Proposal)
    assert rows.expectation.kwargs == {"min_value": 30, "max_value": 270}
    assert proposed("categorical", lambda _: cycled(["a", "b"]), count=1)["be_in_set"] == {"value_set": ["a", "b"]}
    assert "be_in_set" not in proposed("categorical", lambda _: [*cycled(["a", "b"]), "once"], count=1)


def test_a_quarter_is_held_out_if_enough_are_left() -> None:
    assert [held_out(windows) for windows in (1, 8, 10, 11, 30, 60)] == [0, 0, 2, 2, 7, 15]
