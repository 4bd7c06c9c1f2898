"""Labels that arrived and were known, each once: outside of memory the same as in memory."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from perennial import ordered
from perennial.digest import canonical
from perennial.joining import grouped
from perennial.ordered import OrderedTable
from perennial.performance.labels import contradicting
from perennial.records import distinct_labels
from perennial.records.distinct_labels import all_contradicting, distinct, in_memory

NAMES = {"key": "id", "label": "late", "arrival": "arrived"}
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred rows are many."""
    for module in (ordered, distinct_labels):
        monkeypatch.setattr(module, "CHUNK_ROWS", 16)
    monkeypatch.setattr(ordered, "RUN_BYTES", 600)
    monkeypatch.setattr(ordered, "BLOCK_ROWS", 4)


def labels(seed: int, rows: int, outcome: pa.DataType) -> pa.Table:
    """Few keys, arrivals and outcomes, nulls among the outcomes, so that most rows come several times."""
    random = np.random.default_rng(seed)
    outcomes = [None if each == 2 else each for each in random.integers(0, 3, rows).tolist()]
    return pa.table(
        {
            "id": pa.array([f"p{each}" for each in random.integers(0, 30, rows)]),
            "late": pa.array(outcomes, pa.int64()).cast(outcome),
            "arrived": pa.array([START + timedelta(hours=int(each)) for each in random.integers(0, 3, rows)]).cast(
                pa.timestamp("us", "UTC")
            ),
        }
    )


@pytest.mark.parametrize("outcome", [pa.bool_(), pa.float64()])
@pytest.mark.parametrize(("arrived", "known"), [(300, 0), (300, 200), (1, 300), (40, 40), (5, 5)])
@pytest.mark.usefixtures("many")
def test_many_labels_are_those_that_few_would_be(arrived: int, known: int, outcome: pa.DataType) -> None:
    """Rows, digest and contradictions are the same, whether all fit in memory or not."""
    new = labels(1, arrived, outcome)
    before = in_memory(labels(2, known, outcome), pa.table({})) if known else pa.table({})
    with distinct(OrderedTable.of(new), OrderedTable.of(before)) as found:
        assert isinstance(found, OrderedTable) == (arrived + known <= 16)
        expected = canonical(in_memory(new, before))
        assert found.table().equals(expected)
        assert found.digest() == OrderedTable(expected).digest()
        keys = contradicting(expected, **NAMES)
        assert all_contradicting(found, **NAMES) == (len(keys), keys[0] if len(keys) else None)


@pytest.mark.usefixtures("many")
def test_all_rows_of_a_key_are_in_one_piece() -> None:
    """Also one whose rows are more than a chunk, and rows without a key."""
    keys = pa.array(["b"] * 50 + ["a", None, "c", None] * 10)
    rows = pa.table({"id": keys, "row": pa.array(range(len(keys)))})
    pieces = list(grouped([rows.slice(first, 16) for first in range(0, len(keys), 16)], "id"))
    assert len(pieces) > 1
    seen: set[str | None] = set()
    for piece in pieces:
        own = set(piece.column("id").to_pylist())
        assert not own & seen
        seen |= own
    assert sorted(pa.concat_tables(pieces).column("row").to_pylist()) == list(range(len(keys)))
