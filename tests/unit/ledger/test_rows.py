from datetime import UTC, datetime, timedelta
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial.encoding import lock_key
from perennial.ledger.entries import LedgerEntry, Performance, Snapshot
from perennial.ledger.postgres.schema.tables import TABLES
from perennial.ledger.rows import NATURAL_KEYS, as_stored, from_row, key_columns, same_content, to_row
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict
from perennial.window import Window

WINDOW = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
LOCK_OF_THE_FIRST_VERSION = -1427623927336411911  # a changed key would let two versions work on one window
RECORDED = datetime(2024, 1, 1, tzinfo=UTC)


def snapshot(columns: dict[str, object]) -> Snapshot:
    return Snapshot("flights", WINDOW, "raw/flights", 0, "s", 9, columns, "SELECT 1", "run")


def test_each_kind_of_entry_has_a_natural_key_and_a_table_with_columns_for_all_its_fields() -> None:
    assert set(get_args(LedgerEntry)) == set(TABLES) == set(NATURAL_KEYS)
    entry = as_stored(snapshot({}), RECORDED)
    assert set(to_row(entry)) | {"id"} == set(TABLES[Snapshot].c.keys())
    assert set(key_columns(entry)) == {"use_case", "window_start", "window_end", "table", "version"}


def test_a_row_holds_the_whole_entry() -> None:
    measured = Performance(
        "flights",
        WINDOW,
        1,
        "1",
        "m",
        RECORDED,
        Maturity.FINAL,
        9,
        9,
        1.0,
        Verdict.WARN,
        {"auc": 0.7},
        {"auc": {"low": 0.6}},
        {},
        (0.0, 0.5),
        {},
        3,
        "run",
    )
    stored = as_stored(measured, RECORDED)
    assert from_row(Performance, to_row(stored) | {"id": None}) == stored


text = st.text("aé'\x00\ud800\udc00😀", max_size=4)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50)
@given(st.dictionaries(text, json, max_size=3))
def test_a_stored_entry_is_stored_as_it_is(columns: dict[str, object]) -> None:
    once = as_stored(snapshot(columns), RECORDED)
    assert as_stored(once, RECORDED) == once


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("x\udc00y", "x\ufffdy"),
        ("\ud800z", "\ufffdz"),
        ("\ud83d\ude00", "😀"),
        ("\ufeffmarked", "\ufeffmarked"),
    ],
)
def test_text_that_no_database_holds_is_mended(given_text: str, kept: str) -> None:
    assert as_stored(snapshot({"x": given_text}), RECORDED).columns == {"x": kept}


def test_numbers_of_numpy_become_plain_numbers() -> None:
    kept = as_stored(snapshot({"n": np.int64(3), "x": np.float32(0.5), "nan": np.float64("nan")}), RECORDED).columns
    assert kept == {"n": 3, "x": 0.5, "nan": None}
    assert [type(value) for value in kept.values()] == [int, float, type(None)]


def test_integers_beyond_what_json_readers_agree_on_become_floats() -> None:
    kept = as_stored(snapshot({"exact": 2**53, "large": 2**70}), RECORDED).columns
    assert kept == {"exact": 2**53, "large": float(2**70)}
    assert [type(value) for value in kept.values()] == [int, float]


def test_content_is_the_same_whoever_recorded_it_and_when() -> None:
    one = as_stored(snapshot({"a": 1}), RECORDED)
    assert same_content(one, as_stored(snapshot({"a": 1}), RECORDED + timedelta(days=1)))
    assert not same_content(one, as_stored(snapshot({"a": 2}), RECORDED))


def test_lock_keys_are_the_same_in_every_version_and_tell_names_apart() -> None:
    assert lock_key("window", "flights", WINDOW.key) == LOCK_OF_THE_FIRST_VERSION
    assert lock_key("a", "bc") != lock_key("ab", "c")
    assert all(-(2**63) <= lock_key("use case", str(number)) < 2**63 for number in range(50))
