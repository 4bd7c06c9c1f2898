"""What may enter, and what is said about the rest."""

import pickle
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from perennial.errors import SchemaMismatch, UndecodableText
from perennial.quality.schema import canonical_schema, check_window, conform
from perennial.spec.models import UseCase
from perennial.window import Window

NAIVE = datetime(2013, 3, 1)  # noqa: DTZ001 - a time without a zone is what is tested


def test_ordinary_rows_come_through_unchanged(spec: UseCase, make_rows: Any) -> None:
    rows = make_rows()
    assert conform(spec, rows).equals(rows)


def test_columns_come_in_the_order_of_the_spec(spec: UseCase, make_rows: Any) -> None:
    rows = make_rows()
    shuffled = rows.select(sorted(rows.column_names, reverse=True))
    assert conform(spec, shuffled).equals(rows)


def test_the_canonical_schema_is_what_conforming_rows_have(spec: UseCase, make_rows: Any) -> None:
    assert conform(spec, make_rows()).schema.equals(canonical_schema(spec))
    assert str(canonical_schema(spec).field("departure").type) == "timestamp[us, tz=UTC]"


def test_no_rows_of_any_type_conform(spec: UseCase) -> None:
    nothing = pa.table({name: pa.array([], pa.string()) for name in spec.columns})
    assert conform(spec, nothing).equals(canonical_schema(spec).empty_table())


@pytest.mark.parametrize(
    ("column", "given", "canonical"),
    [
        ("fare", pa.array([1, None], pa.int16()), [1.0, None]),
        ("fare", pa.array([1.5, None], pa.float32()), [1.5, None]),
        ("fare", pa.array([1.5, float("nan")], pa.float16()), [1.5, None]),
        ("fare", pa.array([Decimal("1.25"), None]), [1.25, None]),
        ("fare", pa.array([float("nan"), 2.0]), [None, 2.0]),
        ("fare", pa.nulls(2), [None, None]),
        ("stops", pa.array([7, 8], pa.uint8()), [7, 8]),
        ("stops", pa.array([7.0, float("nan")]), [7, None]),
        ("stops", pa.array([Decimal("7.00"), None]), [7, None]),
        ("stops", pa.array([9_007_199_254_740_993, None]), [9_007_199_254_740_993, None]),
        ("carrier", pa.array(["a", None, "a"]).dictionary_encode()[:2], ["a", None]),
        ("carrier", pa.array(["é", None], pa.large_string()), ["é", None]),
        ("carrier", pa.array(["é", None], pa.string_view()), ["é", None]),
        ("carrier", pa.array(["é".encode(), None]), ["é", None]),
        ("carrier", pa.array([17, None]), ["17", None]),
        ("rainy", pa.array([0, 1], pa.int8()), [False, True]),
        ("rainy", pa.array([None, 1], pa.int64()), [None, True]),
    ],
)
def test_what_loses_nothing_is_cast(spec: UseCase, make_rows: Any, column: str, given: Any, canonical: Any) -> None:
    conforming = conform(spec, make_rows(2, **{column: given}))
    assert conforming.column(column).to_pylist() == canonical
    assert conforming.schema.equals(canonical_schema(spec))


@pytest.mark.parametrize(
    ("column", "given", "complaint"),
    [
        ("fare", ["1.5", "2"], "column fare is declared numeric and holds string; cast it to a number"),
        ("fare", [True, False], "column fare is declared numeric and holds bool"),
        ("fare", [9_007_199_254_740_993, 1], "can't hold exactly; declare it integer"),
        ("stops", [1.5, 2.0], "not whole"),
        ("stops", [float("inf"), 2.0], "not whole"),
        ("stops", [Decimal("1.5"), Decimal("2")], "not whole"),
        ("stops", pa.array([2**64 - 1, 1], pa.uint64()), "more than 64 bits"),
        ("stops", ["1", "2"], "column stops is declared integer and holds string"),
        ("carrier", [1.5, 2.0], "column carrier is declared categorical and holds double"),
        ("carrier", [["a"], ["b"]], "column carrier is declared categorical and holds list"),
        ("rainy", [1, 2], "holds integers from 1 to 2; only 0 and 1"),
        ("rainy", ["yes", "no"], "column rainy is declared boolean and holds string"),
        ("departure", pa.array([NAIVE] * 2, pa.timestamp("us")), "no time zone"),
        ("departure", pa.array([NAIVE.date()] * 2), "holds date32[day], which has no time zone"),
        ("departure", [1, 2], "column departure is declared timestamp and holds int64"),
        ("departure", pa.array([2**60, 1], pa.timestamp("s", "UTC")), "too far away for microseconds"),
    ],
)
def test_what_would_be_guessed_is_refused(
    spec: UseCase, make_rows: Any, column: str, given: Any, complaint: str
) -> None:
    rows = make_rows(2, **{column: given if isinstance(given, pa.Array) else pa.array(given)})
    with pytest.raises(SchemaMismatch) as refusal:
        conform(spec, rows)
    assert complaint in str(refusal.value)


def test_times_of_other_zones_are_the_same_instants(spec: UseCase, make_rows: Any) -> None:
    utc = make_rows(3).column("departure").combine_chunks()
    local = utc.cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s", "America/New_York"))
    assert conform(spec, make_rows(3, departure=local)).column("departure").combine_chunks().equals(utc)


def test_nanoseconds_are_cut_off_downwards(spec: UseCase, make_rows: Any) -> None:
    given = pa.array([1_999, -1], pa.timestamp("ns", "Europe/Berlin"))
    conforming = conform(spec, make_rows(2, departure=given)).column("departure")
    assert conforming.cast(pa.int64()).to_pylist() == [1, -1]


def test_everything_wrong_is_said_at_once(spec: UseCase, make_rows: Any) -> None:
    rows = make_rows(2).drop_columns(["carrier", "stops"])
    rows = rows.append_column("Carier", pa.array(["a", "b"])).append_column("fare", pa.array([1.0, 2.0]))
    rows = rows.append_column("<script>\n" + "x" * 500, pa.array([1, 2]))
    rows = rows.set_column(rows.column_names.index("rainy"), "rainy", pa.array(["yes", "no"]))
    with pytest.raises(SchemaMismatch) as refusal:
        conform(spec, rows)
    message = str(refusal.value)
    assert "column carrier is missing; is it the undeclared Carier?" in message
    assert "column stops is missing\n" in message
    assert "column Carier is not declared; the nearest declared one is carrier" in message
    assert "column fare is delivered 2 times" in message
    assert "column rainy is declared boolean" in message
    assert r"column <script>\nxxx" in message
    assert "x" * 101 not in message
    assert str(pickle.loads(pickle.dumps(refusal.value))) == message


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (pa.array(["a\x00b", "c"]), "column carrier holds the character NUL in 1 of 2 values"),
        (pa.array([b"\xff", b"c"]), "column carrier holds text that is not UTF-8"),
        (
            pa.Array.from_buffers(pa.string(), 2, [None, *pa.array([b"\xff", b"c"]).buffers()[1:]]),
            "column carrier holds text that is not UTF-8",
        ),
    ],
)
def test_text_that_can_not_be_stored_is_refused(spec: UseCase, make_rows: Any, given: pa.Array, complaint: str) -> None:
    with pytest.raises(UndecodableText, match=complaint):
        conform(spec, make_rows(2, carrier=given))


@pytest.mark.parametrize("text", ["", " ", "<b onload=x>", "'; DROP TABLE t; --", "🛫" * 10_000, "\u202e", "\n", "𐀀"])
def test_any_other_text_comes_through_as_it_is(spec: UseCase, make_rows: Any, text: str) -> None:
    assert conform(spec, make_rows(1, carrier=[text])).column("carrier").to_pylist() == [text]


def test_the_window_holds_its_start_and_not_its_end(spec: UseCase, make_rows: Any, window: Window) -> None:
    last = window.end - timedelta(microseconds=1)
    check_window(spec, make_rows(2, departure=[window.start, last]), window)
    with pytest.raises(SchemaMismatch, match="1 of 2 rows for trips have a departure outside the window"):
        check_window(spec, make_rows(2, departure=[window.start, window.end]), window)
    with pytest.raises(SchemaMismatch, match="they reach from 2013-02-28 23:59"):
        check_window(spec, make_rows(1, departure=[window.start - timedelta(microseconds=1)]), window)


def test_a_few_strays_are_left_to_validation(make_use_case: Any, make_rows: Any, window: Window) -> None:
    spec = make_use_case(max_quarantined_share=0.1).spec
    times = make_rows(20).column("departure").to_pylist()
    check_window(spec, make_rows(20, departure=[window.end, window.end, *times[2:]]), window)
    with pytest.raises(SchemaMismatch, match="3 of 20 rows"):
        check_window(spec, make_rows(20, departure=[window.end] * 3 + times[3:]), window)


def test_no_rows_and_no_times_are_in_any_window(spec: UseCase, make_rows: Any, window: Window) -> None:
    check_window(spec, canonical_schema(spec).empty_table(), window)
    check_window(spec, make_rows(1, departure=[None]), window)
