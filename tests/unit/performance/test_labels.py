from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.errors import SchemaMismatch
from perennial.performance.labels import active_labels, join_labels, last_labels, truth_of, unmatched
from perennial.spec.names import Task

START = datetime(2013, 3, 1, tzinfo=UTC)
ARRIVAL = pa.timestamp("us", tz="UTC")


def labels(*rows: tuple[str | None, float | None, int | None]) -> pa.Table:
    """Rows of (key, label, hours after START at which it arrived)."""
    return pa.table(
        {
            "id": pa.array([row[0] for row in rows], pa.string()),
            "late": pa.array([row[1] for row in rows], pa.float64()),
            "arrived": pa.array([None if row[2] is None else START + timedelta(hours=row[2]) for row in rows], ARRIVAL),
        }
    )


def active(table: pa.Table, hours: float) -> dict[Any, Any]:
    found = active_labels(table, key="id", label="late", arrival="arrived", as_of=START + timedelta(hours=hours))
    assert found.column_names == table.column_names
    return dict(zip(found["id"].to_pylist(), found["late"].to_pylist(), strict=True))


def test_the_last_that_had_arrived_counts() -> None:
    table = labels(("a", 1, 1), ("a", 0, 3), ("b", 1, 2), ("a", 1, 5))
    assert active(table, 0.5) == {}
    assert active(table, 1) == {"a": 1}
    assert active(table, 4) == {"a": 0, "b": 1}
    assert active(table, 5) == {"a": 1, "b": 1}


def test_a_label_one_microsecond_in_the_future_does_not_exist() -> None:
    assert active(labels(("a", 1, 1)), 1 - 1e-6 / 3600) == {}


def test_null_labels_are_dropped_and_a_late_null_withdraws() -> None:
    table = labels(("a", None, 1), ("b", 1, 1), ("b", None, 2))
    assert active(table, 1) == {"b": 1}
    assert active(table, 2) == {}


def test_a_null_label_that_arrived_last_says_that_no_outcome_will_come() -> None:
    table = labels(("a", None, 1), ("a", 1, 3), ("b", 1, 1), ("b", None, 2), ("c", None, None))

    def last(hours: int) -> dict[str, float | None]:
        at = START + timedelta(hours=hours)
        found = last_labels(table, key="id", label="late", arrival="arrived", as_of=at)
        return dict(zip(found["id"].to_pylist(), found["late"].to_pylist(), strict=True))

    assert [last(hours) for hours in (0, 1, 2, 3)] == [
        {},
        {"a": None, "b": 1},
        {"a": None, "b": None},
        {"a": 1, "b": None},
    ]


def test_rows_without_key_or_arrival_do_not_count() -> None:
    assert active(labels((None, 1, 1), ("a", 1, None)), 9) == {}


def test_ties_do_not_depend_on_the_order_of_rows() -> None:
    rows = [("a", 0.0, 1), ("a", 2.0, 1), ("a", None, 1), ("a", 1.0, 1)]
    assert active(labels(*rows), 1) == active(labels(*reversed(rows)), 1) == {"a": 2.0}


ROW = st.tuples(
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from([0.0, 1.0, None]),
    st.one_of(st.none(), st.integers(0, 6)),
)


@given(st.lists(ROW, max_size=12), st.integers(0, 6))
def test_active_labels_are_what_a_plain_loop_finds(
    rows: list[tuple[str | None, float | None, int | None]], hours: int
) -> None:
    expected: dict[str, tuple[int, float]] = {}
    for key, label, arrived in rows:
        if key is not None and arrived is not None and arrived <= hours:
            candidate = (arrived, float("-inf") if label is None else label)
            expected[key] = max(expected.get(key, candidate), candidate)
    assert active(labels(*rows), hours) == {k: v for k, (_, v) in expected.items() if v != float("-inf")}


@given(st.lists(ROW, max_size=12), st.integers(0, 6), st.integers(0, 6))
def test_what_arrives_later_never_changes_what_was_known(
    rows: list[tuple[str | None, float | None, int | None]], hours: int, later: int
) -> None:
    known = [row for row in rows if row[2] is None or row[2] <= hours]
    assert active(labels(*rows), hours) == active(labels(*known), hours)


def test_arrival_times_of_another_unit_or_zone() -> None:
    table = labels(("a", 1, 1)).cast(
        pa.schema([("id", pa.string()), ("late", pa.float64()), ("arrived", pa.timestamp("ns", tz="America/New_York"))])
    )
    assert active(table, 0.9) == {}
    assert active(table, 1) == {"a": 1}


def test_arrival_times_without_zone_are_refused() -> None:
    with pytest.raises(SchemaMismatch, match="time zone"):
        active(labels(("a", 1, 1)).set_column(2, "arrived", pa.array([0], pa.timestamp("us"))), 1)


def test_joining_keeps_the_order_of_rows_and_drops_those_without_label() -> None:
    rows = pa.table({"id": ["c", "a", "x", "b"], "distance": [3, 1, 9, 2]})
    joined = join_labels(rows, labels(("a", 1, 1), ("b", 0, 1), ("c", 1, 2), ("d", 1, 2)), "id")
    assert joined.column_names == ["id", "distance", "late", "arrived"]
    assert joined.select(["id", "distance", "late"]).to_pylist() == [
        {"id": "c", "distance": 3, "late": 1.0},
        {"id": "a", "distance": 1, "late": 1.0},
        {"id": "b", "distance": 2, "late": 0.0},
    ]


def test_joining_with_no_labels_gives_no_rows() -> None:
    joined = join_labels(pa.table({"id": ["a"]}), labels(), "id")
    assert (joined.num_rows, joined.column_names) == (0, ["id", "late", "arrived"])


def test_joining_keys_of_unlike_integer_types() -> None:
    rows = pa.table({"id": pa.array([1, 2], pa.int64())})
    assert join_labels(rows, pa.table({"id": pa.array([2], pa.int32()), "late": [1]}), "id").to_pylist() == [
        {"id": 2, "late": 1}
    ]


def test_three_hundred_thousand_rows_in_any_order_find_their_own_labels() -> None:
    n = 300_000
    random = np.random.default_rng(0)
    keys = pa.array([f"flight-{i}" for i in random.permutation(n)])
    table = pa.table(
        {"id": keys, "late": random.random(n), "arrived": pa.array(np.arange(n), pa.int64()).cast(ARRIVAL)}
    )
    joined = join_labels(
        table.select(["id"]), active_labels(table, key="id", label="late", arrival="arrived", as_of=START), "id"
    )
    assert joined.select(["id", "late"]).equals(table.select(["id", "late"]))


def test_truth_of_booleans_and_numbers() -> None:
    assert truth_of(Task.BINARY_CLASSIFICATION, pa.chunked_array([[True], [False]])).tolist() == [1.0, 0.0]
    assert truth_of(Task.REGRESSION, pa.chunked_array([[3, -1]])).tolist() == [3.0, -1.0]


@pytest.mark.parametrize(
    ("task", "values", "told"),
    [
        (Task.BINARY_CLASSIFICATION, [0, 2], "these are 0, 2"),
        (Task.REGRESSION, [1.0, None], "missing"),
        (Task.REGRESSION, [float("inf")], "infinite"),
        (Task.REGRESSION, ["late"], "must be numbers"),
    ],
)
def test_truth_that_is_none_is_refused(task: Task, values: list[Any], told: str) -> None:
    with pytest.raises(SchemaMismatch, match=told):
        truth_of(task, pa.chunked_array([values]))


@pytest.mark.parametrize(
    ("rows", "labels", "told"),
    [
        (["o1", "o2"], ["o2", "o1"], None),
        (
            ["o1", "o2", "o3"],
            ["o1", "o2  ", "x"],
            "2 of 3 labels match no row by their key (a label's is 'o2  ', a row's 'o2'); trimming spaces (in the "
            "query, or in the file) would match 1 of them",
        ),
        (
            ["ab", "cd"],
            ["AB", "CD"],
            "2 of 2 labels match no row by their key (a label's is 'AB', a row's 'ab'); writing all keys in lower case "
            "would match 2 of them",
        ),
        (
            ["7"],
            ["007"],
            "1 of 1 labels match no row by their key (a label's is '007', a row's '7'); dropping leading zeros would "
            "match 1 of them",
        ),
        (["a"], ["b"], "1 of 1 labels match no row by their key (a label's is 'b', a row's 'a')"),
        ([7], [8], "1 of 1 labels match no row by their key (a label's is '8', a row's '7')"),
        ([7, 8], [8, 9, 7], "1 of 3 labels match no row by their key (a label's is '9')"),
    ],
)
def test_labels_that_match_no_row_are_told_with_what_would_help(
    rows: list[object], labels: list[object], told: str | None
) -> None:
    found = unmatched(pa.table({"key": rows}), pa.table({"key": labels}), "key")
    assert (str(found) if found else None) == told


def test_labels_that_are_one_and_two_are_all_named() -> None:
    with pytest.raises(SchemaMismatch, match=r"these are 1, 2\. Say which.*`outcome = 2` in SQL"):
        truth_of(Task.BINARY_CLASSIFICATION, pa.chunked_array([[1, 2, 2]]))
