"""What all rows of a batch say alike is kept once, and changes nothing of the batch."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

import pyarrow as pa
import pytest

from perennial.digest import canonical, table_digest
from perennial.ordered import OrderedRows, WithConstants
from perennial.records import batch as module
from perennial.records.batch import Provenance, content_digest, ordered_batch_rows
from perennial.records.scorers import Scorers
from perennial.registry.port import LoadedModel

ORIGIN = Provenance("s" * 64, 3, "a run")
CHAMPION, CHALLENGER = (LoadedModel(version, version * 64, cast(Any, None), {}) for version in ("7", "8"))
ONE, TWO = Scorers(CHAMPION), Scorers(CHAMPION, CHALLENGER)


def rows(first: int, versions: str) -> pa.Table:
    """A row by each of these versions, in no order."""
    keys = [first - number for number in range(len(versions))]
    return pa.table(
        {
            "ride": pa.array(keys, pa.int64()),
            "event_time": pa.array(keys, pa.timestamp("us", "UTC")),
            "prediction": pa.array([1 / (2 + key) for key in keys]),
            "model_version": list(versions),
            "model_digest": [version * 64 for version in versions],
            "snapshot_digest": [ORIGIN.snapshot_digest] * len(keys),
            "revision": pa.array([ORIGIN.revision] * len(keys), pa.int64()),
            "run_id": [ORIGIN.run_id] * len(keys),
        }
    )


@pytest.mark.parametrize(("scorers", "sorted_columns"), [(ONE, 3), (TWO, 5)], ids=["champion", "canary"])
def test_the_rows_are_those_that_were_predicted(
    scorers: Scorers, sorted_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = "7777" if scorers is ONE else "7878"
    chunks = [rows(10, versions), rows(20, versions)]
    whole = pa.concat_tables(chunks)
    widths: list[int] = []
    sort = module.ordered

    def watched(
        chunks: Iterable[pa.Table], *, constants: Mapping[str, pa.Scalar]
    ) -> AbstractContextManager[OrderedRows]:
        held = list(chunks)
        widths.extend(chunk.num_columns for chunk in held)
        return sort(held, constants=constants)

    monkeypatch.setattr(module, "ordered", watched)
    with ordered_batch_rows(chunks, scorers, ORIGIN) as found:
        assert isinstance(found, WithConstants)
        assert found.table().equals(canonical(whole))
        assert (found.digest(), content_digest(found)) == (table_digest(whole), content_digest(whole))
    assert widths == [sorted_columns] * 2


def test_no_chunk_has_no_columns() -> None:
    with ordered_batch_rows([], ONE, ORIGIN) as found:
        assert (found.num_rows, found.schema.names) == (0, [])


def test_chunks_of_no_rows_keep_their_columns() -> None:
    empty = rows(1, "7").slice(0, 0)
    with ordered_batch_rows([empty], ONE, ORIGIN) as found:
        assert found.table().equals(canonical(empty))
        assert found.digest() == table_digest(empty)
