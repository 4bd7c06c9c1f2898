"""Past windows judged at once: the same answers as Great Expectations gives of each, also at the edge."""

from typing import Any

import pyarrow as pa
import pytest

from perennial.quality.frame import to_frame
from perennial.quality.proposals.replay import unmet
from perennial.quality.suite import run_suite
from perennial.spec.expectations import Expectation

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
    assert unmet([expectation], WINDOWS).tolist() == [expected]
    assert [not run_suite([expectation], to_frame(window))[0].met for window in WINDOWS] == expected
    assert [unmet([expectation], [window]).item() for window in WINDOWS] == expected
