"""Rows by a value of theirs."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.grouping import positions_by_value, tables_by_value


def test_the_rows_of_each_value_are_those_that_a_filter_finds_in_their_order() -> None:
    names = np.random.default_rng(3).choice(["b", "a", "long name", ""], 1_000)
    rows = pa.table({"name": pa.chunked_array([names[:300], names[300:]]), "number": np.arange(1_000)})
    found = tables_by_value(rows, "name", ["a", "", "nobody", "long name"])
    assert [name for name, _ in found] == ["a", "", "nobody", "long name"]
    for name, own in found:
        assert own.equals(rows.filter(pc.equal(rows.column("name"), name)))


def test_without_rows_there_is_no_value() -> None:
    assert positions_by_value(pa.chunked_array([], pa.string())) == {}
