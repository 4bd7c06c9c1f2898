"""What many windows were like, told at once: of each what looking at it alone tells."""

from datetime import timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.quality.conftest import START, rows_with, use_case_with

from perennial.quality.chunks import Chosen
from perennial.quality.proposals.seen import LONGEST_VALUE, MOST_VALUES, look
from perennial.quality.proposals.seen_together import look_at_each
from perennial.stacked import stacked
from perennial.window import Window

SPEC = use_case_with().spec
CARRIERS = [None, "AA", "DL9", "é", "", "x" * LONGEST_VALUE, "x" * (LONGEST_VALUE + 1)]
ROW = st.fixed_dictionaries(
    {
        "distance": st.sampled_from([0.5, 1e300, -2.0]),
        "fare": st.sampled_from([None, 5.0]),
        "stops": st.sampled_from([None, 2**60, 2**60 + 1, -1]),
        "carrier": st.sampled_from(CARRIERS),
        "rainy": st.sampled_from([None, True, False]),
    }
)


def assert_told_as_alone(tables: list[pa.Table]) -> None:
    windows = [Window(START + timedelta(hours=n), START + timedelta(hours=n + 1)) for n in range(len(tables))]
    stack = stacked(tables)
    assert stack is not None
    together = look_at_each(SPEC, windows, stack)
    alone = [look(SPEC, each, Chosen.of(rows)) for each, rows in zip(windows, tables, strict=True)]
    assert together == alone
    assert [type(each.columns["stops"].low) for each in together] == [type(each.columns["stops"].low) for each in alone]


@settings(max_examples=100)
@given(st.lists(st.lists(ROW, max_size=5), min_size=1, max_size=4))
def test_each_window_was_like_what_it_is_alone(windows: list[list[dict[str, Any]]]) -> None:
    assert_told_as_alone(
        [
            rows_with(len(rows), **{name: [row[name] for row in rows] for name in (rows[0] if rows else {})})
            for rows in windows
        ]
    )


def test_the_values_of_many_or_long_texts_are_not_told_but_their_shape() -> None:
    few = [f"AB{number}" for number in range(MOST_VALUES)]
    many = [*few, f"AB{MOST_VALUES}"]
    texts = [few, many, [*many, *many], [*many, "no"], [*many, "é"], ["x" * (LONGEST_VALUE + 1)], [None], []]
    assert_told_as_alone([rows_with(len(each), carrier=each) for each in texts])
