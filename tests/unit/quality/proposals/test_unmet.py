"""Past windows judged by what they were like: the same answers as Great Expectations gives of their rows."""

from typing import Any

import pyarrow as pa
import pytest
import yaml
from tests.unit.jobs.world import SPEC, START

from perennial.quality.chunks import Chosen
from perennial.quality.frame import to_frame
from perennial.quality.proposals.proposal import Proposal
from perennial.quality.proposals.seen import MOST_VALUES, WindowSeen, look
from perennial.quality.proposals.shapes import shape_of
from perennial.quality.proposals.unmet import unmet
from perennial.quality.suite import run_suite
from perennial.spec.expectations import Expectation
from perennial.spec.models import UseCase
from perennial.window import Window

WINDOWS = [
    pa.table({"n": [1, 2, 3, None], "x": [0.5, 1.5, None, None], "t": ["AB1", "no", None, "no"]}),
    pa.table({"n": [9, 2], "x": [1e300, -1.0], "t": ["AB1", "AB2"]}),
    pa.table({"n": [None], "x": [None], "t": [None]}).cast(
        pa.schema([("n", pa.int64()), ("x", pa.float64()), ("t", pa.string())])
    ),
    pa.table({"n": [4] * 20, "x": [2.0] * 19 + [None], "t": ["AB9"] * 20}),
]


@pytest.mark.parametrize(
    ("type_", "kwargs", "expected"),
    [
        ("expect_table_row_count_to_be_between", {"min_value": 2, "max_value": 4}, [False, False, True, True]),
        ("expect_table_row_count_to_be_between", {"max_value": 19}, [False, False, False, True]),
        ("expect_column_values_to_be_between", {"column": "n", "max_value": 4}, [False, True, False, False]),
        ("expect_column_values_to_be_between", {"column": "x", "min_value": 0.5}, [False, True, False, False]),
        ("expect_column_values_to_be_in_set", {"column": "t", "value_set": ["AB1", "no"]}, [False, True, False, True]),
        ("expect_column_values_to_match_regex", {"column": "t", "regex": "^AB[0-9]$"}, [True, False, False, False]),
        ("expect_column_values_to_not_be_null", {"column": "x"}, [True, False, True, True]),
        ("expect_column_values_to_not_be_null", {"column": "x", "mostly": 0.5}, [False, False, True, False]),
        ("expect_column_values_to_not_be_null", {"column": "x", "mostly": 0.95}, [True, False, True, False]),
        ("expect_column_values_to_not_be_null", {"column": "x", "mostly": 0.96}, [True, False, True, True]),
    ],
)
def test_each_window_is_judged_as_great_expectations_does(
    type_: str, kwargs: dict[str, Any], expected: list[bool]
) -> None:
    expectation = Expectation(type=type_, kwargs=kwargs)
    assert [unmet(Proposal(expectation, "", ()), seen(window)) for window in WINDOWS] == expected
    assert [not run_suite([expectation], to_frame(window))[0].met for window in WINDOWS] == expected


MANY = [f"AB{number}" for number in range(MOST_VALUES + 1)]


@pytest.mark.parametrize(
    ("type_", "arguments", "texts", "expected"),
    [
        ("match_regex", {"regex": "^[A-Z]{2}[0-9]+$"}, MANY, False),
        ("match_regex", {"regex": "^[A-Z]{2}[0-9]+$"}, [*MANY, "AB" + "1" * 60], False),
        ("match_regex", {"regex": "^[A-Z]{2}[0-9]+$"}, [*MANY, "ab1"], True),
        ("match_regex", {"regex": "^[A-Z]{2}[0-9]+$"}, [*MANY, "é"], True),
        ("match_regex", {"regex": "^[A-Z]{2}[0-9]+$"}, [*MANY, ""], True),
        ("be_in_set", {"value_set": MANY[:MOST_VALUES]}, MANY, True),
        ("be_in_set", {"value_set": MANY[:MOST_VALUES]}, [None, "x" * 100], True),
    ],
)
def test_so_do_windows_of_many_texts_whose_values_were_not_kept(
    type_: str, arguments: dict[str, Any], texts: list[str | None], expected: bool
) -> None:
    rows = pa.table({"n": [1] * len(texts), "x": [1.0] * len(texts), "t": texts})
    expectation = Expectation(type=f"expect_column_values_to_{type_}", kwargs={"column": "t", **arguments})
    window = seen(rows)
    assert not window.columns["t"].values
    assert unmet(Proposal(expectation, "", (), shape_of(pa.array(["AB1", "CD22"]))), window) == expected
    assert run_suite([expectation], to_frame(rows))[0].met == (not expected)


def seen(rows: pa.Table) -> WindowSeen:
    """What the rows are like."""
    document = yaml.safe_load(SPEC)
    kept = {name: column for name, column in document["columns"].items() if name in ("parcel", "sent_at")}
    kinds = {"n": "integer", "x": "numeric", "t": "categorical"}
    document["columns"] = kept | {name: {"kind": kind} for name, kind in kinds.items()}
    return look(UseCase.model_validate(document), Window(START, START.replace(day=2)), Chosen.of(rows))
