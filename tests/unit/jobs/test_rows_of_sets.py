"""The rows of a training set: small windows are put together, and let go of."""

from collections import Counter, deque
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from perennial.jobs.retrain.assembling import rows
from perennial.jobs.retrain.assembling.labelled_windows import LabelledWindow
from perennial.records.training_set import TrainingWindow
from perennial.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)


def windows(*counts: int) -> list[LabelledWindow]:
    return [
        LabelledWindow(
            part=TrainingWindow(
                Window(START + timedelta(hours=n), START + timedelta(hours=n + 1)), f"s{n}", n, "pass", count
            ),
            labelled=pa.table(
                {"id": pa.array(range(count), pa.int64()), "late": pa.array([n % 2 == 0] * count, pa.bool_())}
            ),
            rows=count,
            labels=count,
            strange=None,
            beyond=Counter(),
        )
        for n, count in enumerate(counts)
    ]


def test_each_row_has_the_key_of_its_window() -> None:
    given = windows(2, 0, 1)
    found = rows.rows_of(given)
    first, _, last = (each.part.window.key for each in given)
    assert found.to_pydict() == {"id": [0, 1, 0], "late": [True, True, True], "window": [first, first, last]}
    assert found.schema.field("window").type == pa.string()


def test_small_windows_come_together_and_are_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 5)
    given = windows(2, 3, 1, 9, 0, 4, 2)
    left, counts = deque(given), []
    for table in rows.taken_out(left):
        counts.append((table.num_rows, len(left)))
    assert counts == [(5, 5), (1, 4), (9, 3), (4, 1), (2, 0)]
    whole = rows.rows_of(given)
    assert pa.concat_tables(rows.taken_out(deque(given))).equals(whole)
