"""Tables that are stacked come apart as they were."""

import numpy as np
import pyarrow as pa

from perennial.stacked import stacked

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
