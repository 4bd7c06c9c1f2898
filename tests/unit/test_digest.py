"""Digests depend on content alone."""

import math
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.digest import canonical, canonical_digest, canonical_types, table_digest
from perennial.errors import SchemaMismatch

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
OTHER_NAN = np.array([0xFFF8000000000001], dtype=np.uint64).view(np.float64)[0]

cells = st.fixed_dictionaries(
    {
        "number": st.none() | st.floats(),
        "count": st.none() | st.integers(-3, 3),
        "text": st.none() | st.text(max_size=3),
        "flag": st.none() | st.booleans(),
        "at": st.none() | st.datetimes(timezones=st.just(UTC)),
    }
)
SCHEMA = pa.schema(
    [
        ("number", pa.float64()),
        ("count", pa.int64()),
        ("text", pa.string()),
        ("flag", pa.bool_()),
        ("at", pa.timestamp("us", "UTC")),
    ]
)


@given(st.lists(cells, max_size=8), st.randoms(use_true_random=False))
def test_order_of_rows_and_columns_and_chunks_do_not_matter(rows: list[dict[str, object]], random: object) -> None:
    table = pa.Table.from_pylist(rows, SCHEMA)
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    names = list(SCHEMA.names)
    random.shuffle(names)  # type: ignore[attr-defined]
    other = pa.Table.from_pylist(shuffled, SCHEMA).select(names)
    chunked = pa.concat_tables([other.slice(0, 3), other.slice(3)])
    assert table_digest(chunked) == table_digest(table)
    assert repr(canonical(chunked).to_pydict()) == repr(canonical(table).to_pydict())


@pytest.mark.parametrize(
    "changed",
    [
        {"x": [1.0, 2.0], "y": ["a", "c"]},
        {"x": [1.0, None], "y": ["a", "b"]},
        {"x": [1.0, math.nan], "y": ["a", "b"]},
        {"x": [2.0, 1.0], "y": ["a", "b"]},
        {"x": [1, 2], "y": ["a", "b"]},
        {"x": [1.0, 2.0], "z": ["a", "b"]},
        {"x": [1.0, 2.0], "y": ["ab", ""]},
        {"x": [1.0], "y": ["a"]},
    ],
)
def test_any_difference_in_content_is_another_digest(changed: dict[str, list[object]]) -> None:
    assert table_digest(pa.table(changed)) != table_digest(pa.table({"x": [1.0, 2.0], "y": ["a", "b"]}))


def test_null_and_nan_differ() -> None:
    nan = pa.table({"x": pa.array([math.nan])})
    assert table_digest(nan) != table_digest(pa.table({"x": pa.array([None], pa.float64())}))


def test_equal_numbers_have_equal_bytes() -> None:
    assert table_digest(pa.table({"x": [0.0], "y": [1]})) == table_digest(pa.table({"x": [-0.0], "y": [1]}))
    assert table_digest(pa.table({"x": [math.nan]})) == table_digest(pa.table({"x": [OTHER_NAN]}))
    one = pa.table({"x": [0.0, -0.0], "y": [2, 1]})
    assert canonical(one).column("y").to_pylist() == [1, 2]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
def test_text_is_text_in_whatever_form(kind: pa.DataType) -> None:
    plain = pa.table({"x": pa.array(["b", None, "ü"])})
    other = pa.table({"x": plain.column("x").cast(kind)})
    assert table_digest(other) == table_digest(plain)
    assert canonical_types(other).schema == plain.schema


@pytest.mark.parametrize("kind", [pa.timestamp("s", "UTC"), pa.timestamp("ns", "Asia/Tokyo"), pa.timestamp("ms")])
def test_instants_are_microseconds_in_utc(kind: pa.DataType) -> None:
    plain = pa.table({"x": pa.array([NOON], pa.timestamp("us", "UTC"))})
    assert table_digest(pa.table({"x": plain.column("x").cast(kind)})) == table_digest(plain)


def test_dates_have_a_digest() -> None:
    days = [pa.table({"x": [date(2013, 3, day)]}) for day in (1, 2)]
    assert table_digest(days[0]) != table_digest(days[1])


@pytest.mark.parametrize("kind", [pa.binary(), pa.decimal128(9, 2), pa.uint64(), pa.time64("us"), pa.null()])
def test_types_without_canonical_form_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(SchemaMismatch, match="Column x is of Arrow type"):
        table_digest(pa.table({"x": pa.array([None], kind)}))


def test_instants_finer_than_a_microsecond_are_refused() -> None:
    with pytest.raises(SchemaMismatch, match="Column x holds instants"):
        table_digest(pa.table({"x": pa.array([1], pa.timestamp("ns", "UTC"))}))


def test_doubled_columns_are_refused() -> None:
    with pytest.raises(SchemaMismatch, match="more than one x"):
        canonical(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]))


def test_the_digest_stays_what_it_was() -> None:
    """Ledgers hold digests for years: a change here makes every snapshot look new."""
    table = pa.table(
        {"id": ["b", None], "n": [1, 2], "x": [0.5, math.nan], "at": pa.array([NOON, None], pa.timestamp("us", "UTC"))}
    )
    expected = "3bc18b91647a332f9925dd00676aa3bda11aac55c1067527d735fe749daaba18"
    assert table_digest(table) == expected
    assert canonical_digest(canonical(table)) == expected
