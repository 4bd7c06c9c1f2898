"""Rows beside others of the same key: outside of memory as in it."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from perennial import joining, ordered
from perennial.joining import joined, with_columns_of
from perennial.ordered import OrderedTable

KEYS = {
    "numbers": lambda ids: pa.array(ids, pa.int64()),
    "texts": lambda ids: pa.array([f"k{each}" for each in ids], pa.string()),
}


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("run_bytes", [1, 900, 10**9])
def test_rows_and_others_that_are_many_meet_by_their_keys(
    monkeypatch: pytest.MonkeyPatch, run_bytes: int, kind: str
) -> None:
    monkeypatch.setattr(ordered, "CHUNK_ROWS", 37)
    monkeypatch.setattr(joining, "ordered", partial(ordered.ordered, run_bytes=run_bytes))
    random = np.random.default_rng(0)
    ids = random.permutation(500)
    theirs = random.permutation([*ids[:400], *range(1_000, 1_050)])
    rows = pa.table({"a": random.random(500), "id": KEYS[kind](ids), "note": random.choice(["x", "y"], 500)})
    others = pa.table({"id": KEYS[kind](theirs), "p": random.random(450), "unasked": pa.repeat(1, 450)})
    expected = with_columns_of(rows, others.select(["id", "p"]), "id")
    assert expected.num_rows == 400

    def chunks(table: pa.Table) -> Iterator[pa.Table]:
        return (table.slice(first, 60) for first in range(0, table.num_rows, 60))

    with ordered.ordered(chunks(others), run_bytes) as known:
        found = pa.concat_tables(joined(chunks(rows), known, "id", ["p"])).select(expected.column_names)
        assert isinstance(known, OrderedTable) == (run_bytes > 900)
    order = [("id", "ascending")]
    assert found.sort_by(order).combine_chunks().equals(expected.sort_by(order).combine_chunks())
    if isinstance(known, OrderedTable):
        assert found.combine_chunks().equals(expected.combine_chunks())
