"""Tables that are stacked come apart as they were."""

import math
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.digest import canonical, table_digest
from perennial.errors import SchemaMismatch
from perennial.stacked import canonical_digest_each, canonical_each, stacked

TABLES = [pa.table({"a": pa.array(values, pa.string())}) for values in (["x", None], [], ["y"], [])]


def test_tables_come_apart_as_they_were() -> None:
    stack = stacked(TABLES)
    assert stack is not None
    assert stack.numbers.tolist() == [0, 0, 2]
    assert stack.counts() == [2, 0, 1, 0]
    assert [each.equals(table) for each, table in zip(stack.apart(), TABLES, strict=True)] == [True] * 4


def test_rows_that_are_left_stay_with_their_tables() -> None:
    stack = stacked(TABLES)
    assert stack is not None
    left = stack.filter(np.array([False, True, True]))
    assert [each.column("a").to_pylist() for each in left.apart()] == [[None], [], ["y"], []]
    assert stack.filter(np.ones(3, dtype=bool)) is stack


def test_tables_that_differ_and_none_at_all_are_not_stacked() -> None:
    assert stacked([]) is None
    assert stacked([TABLES[0], pa.table({"a": [1]})]) is None
    assert stacked([TABLES[0], pa.table({"b": ["x"]})]) is None


CELLS = st.tuples(st.sampled_from([None, 0.0, -0.0, math.nan, 1.0]), st.sampled_from([None, "", "a", "b"]))


@given(st.lists(st.lists(CELLS, max_size=5), max_size=4), st.booleans())
def test_tables_get_the_order_that_each_has_alone(
    given: list[list[tuple[float | None, str | None]]], odd: bool
) -> None:
    tables = [
        pa.table({"y": pa.array([y for y, _ in rows], pa.float32()), "x": pa.array([x for _, x in rows], pa.string())})
        for rows in given
    ]
    if odd and tables:
        tables[0] = tables[0].append_column("a", pa.nulls(tables[0].num_rows, pa.int8()))
    for found, table in zip(canonical_each(tables), tables, strict=True):
        alone = canonical(table)
        assert found.schema == alone.schema
        assert repr(found.to_pylist()) == repr(alone.to_pylist())


def test_what_has_no_canonical_form_is_refused_of_many_too() -> None:
    table = pa.table({"a": pa.array([b"x"])})
    with pytest.raises(SchemaMismatch, match="Column a is of Arrow type binary"):
        canonical_each([table, table])


MIXED = st.tuples(
    st.sampled_from([None, -0.0, math.nan, 1.5]),
    st.sampled_from([None, "", "a", "zürich"]),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 1, 2, 3, 4, tzinfo=UTC)]),
    st.sampled_from([None, date(2024, 2, 29)]),
    st.sampled_from([None, 7, -7]),
)
COLUMNS = {
    "f": pa.float64(),
    "s": pa.string(),
    "b": pa.bool_(),
    "t": pa.timestamp("us", "UTC"),
    "d": pa.date32(),
    "i": pa.int16(),
}


@given(st.lists(st.lists(MIXED, max_size=20), max_size=4))
def test_tables_get_the_digest_that_each_has_alone(given: list[list[tuple[object, ...]]]) -> None:
    tables = [
        pa.table(
            {name: pa.array([row[place] for row in rows], kind) for place, (name, kind) in enumerate(COLUMNS.items())}
        )
        for rows in given
    ]
    found = canonical_digest_each([canonical(each) for each in tables])
    assert found == [table_digest(each) for each in tables]
