"""What may enter, and what is said about the rest."""

import pickle
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from perennial.errors import SchemaMismatch, SourceRejected, UndecodableText
from perennial.quality.schema import Conforming, Restricted, canonical_schema, conform
from perennial.quality.texts import Spelling, read_text
from perennial.quality.unread import UnreadRows, bad_cells
from perennial.spec.models import UseCase
from perennial.window import Window

NAIVE = datetime(2013, 3, 1)  # noqa: DTZ001 - a time without a zone is what is tested


def check_window(spec: UseCase, rows: pa.Table, window: Window) -> None:
    """Take the rows as one part."""
    restricted = Restricted(spec, window)
    restricted.take(rows)
    restricted.finish()


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
        ("stops", [1.5, 2.5], "not one of its 2 cells could be read; the first: '1.5' is not a whole number"),
        ("stops", ["1", "2"], "column stops is declared integer and holds string"),
        ("carrier", [1.5, 2.0], "column carrier is declared categorical and holds double"),
        ("carrier", [["a"], ["b"]], "column carrier is declared categorical and holds list"),
        ("rainy", [3, 2], "the first: '3' is neither true nor false; only 0 and 1"),
        ("departure", pa.array([2**62, -(2**62)], pa.timestamp("us", "UTC")), "is not a time between the years 1 and"),
        ("carrier", pa.array([b"ab", b"cd"], pa.binary(2)), "declared categorical and holds fixed_size_binary[2]"),
        ("carrier", pa.array([1, 2], pa.duration("s")), "declared categorical and holds duration[s]"),
        ("carrier", pa.array([{"a": 1}] * 2), "declared categorical and holds struct<a: int64>"),
        ("carrier", pa.array([[("a", 1)]] * 2, pa.map_(pa.string(), pa.int64())), "holds map<string, int64>"),
        ("carrier", pa.array([["a"]] * 2, pa.list_view(pa.string())), "holds list_view<item: string>"),
        ("carrier", pa.array([1, 2], pa.time64("us")), "holds time64[us]"),
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


@pytest.mark.parametrize(
    ("column", "given", "taken", "said"),
    [
        ("stops", [1.5, 2.0], 2, "'1.5' is not a whole number"),
        ("stops", [float("inf"), 2.0], 2, "'inf' is not a whole number"),
        ("stops", [Decimal("1.5"), Decimal("2")], 2, "'1.5' is not a whole number"),
        ("stops", pa.array([2**64 - 1, 1], pa.uint64()), 1, "'18446744073709551615' needs more than 64 bits"),
        ("stops", [Decimal(10**30), Decimal("2")], 2, f"'{10**30}' needs more than 64 bits"),
        ("stops", [3.0518408044175406e17, 2.0], 2, "is a float of 2**53 or more, which may have lost its last digits"),
        ("fare", [Decimal("305184080441754059"), Decimal("1.50")], 1.5, "'305184080441754059.00' would lose digits"),
        ("rainy", [2, 1], True, "'2' is neither true nor false"),
        ("rainy", [0.5, 1.0], True, "'0.5' is neither true nor false"),
        ("departure", pa.array([1, 1_000], pa.timestamp("ns", "UTC")), datetime(1970, 1, 1, microsecond=1, tzinfo=UTC),
         "is finer than a microsecond"),
        ("departure", pa.array([2**61, 0], pa.timestamp("us", "UTC")), datetime(1970, 1, 1, tzinfo=UTC),
         "is not a time between the years 1 and 9999"),
    ],
)  # fmt: skip
def test_a_value_that_would_change_is_unread(
    spec: UseCase, make_rows: Any, column: str, given: Any, taken: Any, said: str
) -> None:
    rows = conform(spec, make_rows(2, **{column: given if isinstance(given, pa.Array) else pa.array(given)}))
    assert rows.column(column).to_pylist() == [None, taken]
    bad, good = rows.column("bad_cells").to_pylist()
    assert good is None
    assert bad.startswith(f"column {column}: ")
    assert said in bad
    again = conform(spec, rows)
    assert again.equals(rows)


def test_several_bad_cells_of_a_row_are_all_told(spec: UseCase, make_rows: Any) -> None:
    rows = make_rows(2, stops=pa.array([1.5, 1.0]), rainy=pa.array([3, 1]))
    told = conform(spec, rows).column("bad_cells").to_pylist()
    assert told[0].split("\n") == [
        "column stops: '1.5' is not a whole number",
        "column rainy: '3' is neither true nor false; only 0 and 1 can be read as such",
    ]
    assert told[1] is None


def test_a_bad_cell_never_pretends_to_be_another_columns(spec: UseCase, make_rows: Any) -> None:
    evil = pa.array(["1\ncolumn fare: 2", "x"])
    text = read_text(spec.columns["stops"], pa.chunked_array([evil]), Spelling())
    assert text.unread is not None
    assert text.unread[0].as_py() == r"'1\ncolumn fare: 2' is not a whole number"


@pytest.mark.parametrize(
    ("column", "given", "canonical"),
    [
        ("carrier", pa.array([Decimal("305184080441754059.10")]), "305184080441754059.10"),
        ("carrier", pa.array([Decimal("0.000000000012")]), "0.000000000012"),
        ("carrier", pa.array([Decimal(7 * 10**60)], pa.decimal256(70, 0)), f"{7 * 10**60}"),
        ("carrier", pa.array([Decimal(700)], pa.decimal128(5, -2)), "700"),
        ("carrier", pa.array([2**64 - 1], pa.uint64()), f"{2**64 - 1}"),
        ("carrier", pa.array(["007 "], pa.string_view()), "007 "),
        ("carrier", pa.array([b"007"], pa.binary_view()), "007"),
        ("carrier", pa.array([b"007"], pa.large_binary()), "007"),
        ("carrier", pa.array([b"0" * 16], pa.uuid()), "30303030-3030-3030-3030-303030303030"),
        ("carrier", pa.array(['{"a": 1}'], pa.json_()), '{"a": 1}'),
        ("carrier", pc.run_end_encode(pa.array(["a"])), "a"),
        ("rainy", pa.array([1], pa.bool8()), True),
        ("rainy", pa.array([1.0]), True),
        ("rainy", pa.array([Decimal("0.0")]), False),
        ("stops", pa.array([Decimal("305184080441754059.00")]), 305184080441754059),
        ("stops", pa.array([Decimal("305184080441754059")], pa.decimal256(40, 0)), 305184080441754059),
        ("stops", pa.array([5], pa.decimal32(3, 0)), 5),
        ("fare", pa.array([Decimal("0.1")]), 0.1),
    ],
)
def test_every_type_that_holds_the_value_is_read(
    spec: UseCase, make_rows: Any, column: str, given: pa.Array, canonical: Any
) -> None:
    rows = conform(spec, make_rows(1, **{column: given}))
    assert rows.column(column).to_pylist() == [canonical]
    assert rows.schema.equals(canonical_schema(spec))


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
    assert "not declared, so perhaps one of those that are missing: Carier" in message
    assert "column fare is delivered 2 times" in message
    assert "column rainy is declared boolean" in message
    assert r"<script>\nxxx" in message
    assert "x" * 101 not in message
    assert str(pickle.loads(pickle.dumps(refusal.value))) == message


def test_other_columns_are_ignored_or_refused_as_the_spec_says(make_use_case: Any, make_rows: Any) -> None:
    spec = make_use_case().spec
    rows = make_rows(2).append_column("Carier", pa.array(["a", "b"]))
    assert conform(spec, rows).equals(make_rows(2))
    source = spec.source.model_copy(update={"other_columns": "refuse"})
    with pytest.raises(SchemaMismatch, match="column Carier is not declared; the nearest declared one is carrier"):
        conform(spec.model_copy(update={"source": source}), rows)


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


@pytest.mark.parametrize("carriers", [["a\x00b", "c", "d\x00", None], ["a", "b", "c", "d"]])
@pytest.mark.parametrize("fares", [["x", "", "y", None], ["1", "z", "2", "3"]])
@pytest.mark.parametrize("shift", [timedelta(0), timedelta(days=9)])
def test_rows_in_parts_are_told_of_as_all_of_them_together(
    spec: UseCase, make_rows: Any, window: Window, carriers: list[str], fares: list[str], shift: timedelta
) -> None:
    read = read_text(spec.columns["fare"], pa.chunked_array([pa.array(fares, pa.string())]), Spelling())
    times = [window.start, window.start + shift, window.start - shift, None]
    rows = make_rows(4, carrier=carriers, fare=read.values, departure=times)
    rows = rows.append_column("bad_cells", bad_cells({"fare": read.unread}, None))

    def said(size: int) -> list[Any]:
        conforming, restricted, unread = Conforming(spec), Restricted(spec, window), UnreadRows()
        try:
            parts = [conforming.take(rows.slice(first, size)) for first in range(0, 4, size)]
            conforming.finish()
            for part in parts:
                restricted.take(part)
                unread.take(part)
            told = list(unread.told())
            restricted.finish()
        except SourceRejected as error:
            return [type(error), str(error)]
        return [pa.concat_tables(parts, promote_options="default").to_pylist(), told]

    assert said(1) == said(2) == said(4)


@pytest.mark.parametrize("text", ["", " ", "<b onload=x>", "'; DROP TABLE t; --", "🛫" * 10_000, "\u202e", "\n", "𐀀"])
def test_any_other_text_comes_through_as_it_is(spec: UseCase, make_rows: Any, text: str) -> None:
    assert conform(spec, make_rows(1, carrier=[text])).column("carrier").to_pylist() == [text]


def test_the_window_holds_its_start_and_not_its_end(spec: UseCase, make_rows: Any, window: Window) -> None:
    last = window.end - timedelta(microseconds=1)
    check_window(spec, make_rows(2, departure=[window.start, last]), window)
    with pytest.raises(SchemaMismatch, match="1 of 2 rows for trips have their departure outside the window"):
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
