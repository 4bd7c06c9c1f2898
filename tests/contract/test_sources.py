"""One small data set through every source: the same rows come out, and each failure has its own error."""

import gzip
import io
import re
import socket
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import boto3
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from pydantic import TypeAdapter
from tests.servers import S3_PAGE

from perennial.digest import table_digest
from perennial.errors import (
    EmptyWindow,
    InvalidQuery,
    InvalidSettings,
    SchemaMismatch,
    SourceUnavailable,
    TooMuchData,
    UndecodableText,
)
from perennial.quality.columns import ARROW_TYPES
from perennial.sources import intake, postgres
from perennial.sources.cache import FileCache
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.factory import Schedule, open_source
from perennial.sources.memory import InMemorySource
from perennial.sources.port import Source
from perennial.sources.postgres import PostgresSource
from perennial.spec.columns import Column, Kind
from perennial.spec.models import Limits
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Every, Grid, Window

START = datetime(2013, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))
AS_OF = START + timedelta(days=2)
LIMITS = Limits()
COLUMNS = {
    "id": Column(kind="integer", role="key"),
    "at": Column(kind="timestamp", role="event_time"),
    "carrier": Column(kind="categorical"),
    "distance": Column(kind="numeric"),
    "cancelled": Column(kind="boolean"),
    "arrived": Column(kind="timestamp", role="carry"),
}
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("at", pa.timestamp("us", "UTC")),
        ("carrier", pa.string()),
        ("distance", pa.float64()),
        ("cancelled", pa.bool_()),
        ("arrived", pa.timestamp("us", "UTC")),
    ]
)


def row(id: int, at: datetime | None, arrived: datetime | None, carrier: str | None = "ü, 50%") -> dict[str, object]:
    return {"id": id, "at": at, "carrier": carrier, "distance": id / 3, "cancelled": id % 2 == 0, "arrived": arrived}


INSIDE = pa.Table.from_pylist(
    [
        row(1, WINDOW.start, AS_OF),
        row(2, WINDOW.start + timedelta(hours=5, microseconds=1), START, carrier=None),
        row(3, WINDOW.end - timedelta(microseconds=1), START, carrier=""),
        {**row(4, WINDOW.start, START, carrier='a "b"\nc'), "distance": None, "cancelled": None},
    ],
    SCHEMA,
)
OUTSIDE = pa.Table.from_pylist(
    [
        row(5, WINDOW.end, START),
        row(6, WINDOW.start - timedelta(microseconds=1), START),
        row(7, WINDOW.start, AS_OF + timedelta(microseconds=1)),
        row(8, WINDOW.start, None),
        row(9, None, START),
    ],
    SCHEMA,
)
EVERYTHING = pa.concat_tables([OUTSIDE, INSIDE])
SQL = """
SELECT id, at, carrier::text, distance, cancelled, arrived -- 5% of ':start'
FROM flights /* :nothing */
WHERE at >= :start AND at < :end AND arrived <= :as_of
"""


@pytest.fixture(scope="module")
def s3(s3_endpoint: str) -> str:
    """The endpoint of a real HTTP server that speaks S3, with a bucket `flights`."""
    client(s3_endpoint).create_bucket(Bucket="flights")
    return s3_endpoint


def client(endpoint: str):  # type: ignore[no-untyped-def]
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=endpoint, **keys)


def aws_uri(endpoint: str) -> str:
    return f"aws://key:secret@/?endpoint_url={quote(endpoint, safe='')}&region_name=us-east-1"


def opened(
    spec: dict[str, object],
    folder: Path,
    sql: str = SQL,
    arrival: str | None = "arrived",
    columns: dict[str, Column] = COLUMNS,
    event_time: str | None = "at",
    cache: FileCache | None = None,
    grid: Grid = Grid(Every.DAY),  # noqa: B008 - it is frozen
    **connections: str,
) -> Source:
    return open_source(
        TypeAdapter(SourceSpec).validate_python(spec),
        queries={"flights.sql": sql},
        folder=folder,
        columns=columns,
        key="id",
        event_time=event_time,
        arrival=arrival,
        schedule=Schedule(grid, START),
        connections=EnvironmentConnections({f"AIRFLOW_CONN_{name.upper()}": uri for name, uri in connections.items()}),
        cache=cache,
    )


def as_csv(table: pa.Table) -> bytes:
    file = io.BytesIO()
    csv.write_csv(table, file)
    return file.getvalue()


def as_parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


WRITERS: dict[str, Callable[[pa.Table], bytes]] = {"csv": as_csv, "parquet": as_parquet}


def postgres_source(url: str, folder: Path, rows: pa.Table, sql: str = SQL) -> Source:
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE flights (id int, at timestamptz, carrier varchar(20), distance float8, cancelled bool, "
            "arrived timestamptz)"
        )
        for each in rows.to_pylist():
            cursor.execute("INSERT INTO flights VALUES (%s, %s, %s, %s, %s, %s)", tuple(each.values()))
        session.commit()
    return opened({"type": "postgres", "connection": "db", "query": "flights.sql"}, folder, sql, db=url)


def file_source(folder: Path, format: str, *parts: bytes, arrival: str | None = "arrived", **options: object) -> Source:
    (folder / "in" / "2013").mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        (folder / "in" / "2013" / f"flights-01-{number}").write_bytes(part)
    (folder / "in" / "2013" / "_SUCCESS").touch()
    spec = {"type": "files", "path": "in/%Y", "pattern": "*-%d-*", "format": format, **options}
    return opened(spec, folder, arrival=arrival)


def s3_source(
    endpoint: str, folder: Path, format: str, *parts: bytes, arrival: str | None = "arrived", **options: object
) -> Source:
    for number, part in enumerate(parts):
        client(endpoint).put_object(Bucket="flights", Key=f"{folder.name}/2013/{number}.{format}", Body=part)
    client(endpoint).put_object(Bucket="flights", Key=f"{folder.name}/2013/_SUCCESS", Body=b"")
    prefix = f"{folder.name}/%Y/"
    spec = {"type": "s3", "connection": "s3", "bucket": "flights", "prefix": prefix, "format": format, **options}
    return opened(spec, folder, arrival=arrival, s3=aws_uri(endpoint))


@pytest.fixture(params=["memory", "postgres", "files csv", "files parquet", "s3 csv", "s3 parquet"])
def source_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[pa.Table], Source]:
    """A source that holds the rows of a table, half of them in a file of its own where there are files."""
    kind, _, format = request.param.partition(" ")
    if kind == "memory":
        return lambda rows: InMemorySource(rows, "at", "arrived")
    if kind == "postgres":
        url = request.getfixturevalue("database_url")
        return lambda rows: postgres_source(url, tmp_path, rows)
    write = WRITERS[format]
    if kind == "files":
        return lambda rows: file_source(tmp_path, format, write(rows.slice(0, 6)), write(rows.slice(6)))
    endpoint = request.getfixturevalue("s3")
    return lambda rows: s3_source(endpoint, tmp_path, format, write(rows.slice(0, 6)), write(rows.slice(6)))


def test_every_source_gives_the_same_rows(source_of: Callable[[pa.Table], Source]) -> None:
    extract = source_of(EVERYTHING).fetch(WINDOW, AS_OF, LIMITS)
    assert table_digest(extract.rows.select(SCHEMA.names).cast(SCHEMA)) == table_digest(INSIDE)
    assert extract.rows.schema.equals(SCHEMA)
    assert extract.query


def test_the_same_rows_come_in_parts(source_of: Callable[[pa.Table], Source], monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(EVERYTHING)
    whole = source.fetch(WINDOW, AS_OF, LIMITS)
    (one,) = source.parts(WINDOW, AS_OF, LIMITS)
    assert (one.rows.equals(whole.rows), one.query) == (True, whole.query)
    monkeypatch.setattr(intake, "PART_ROWS", 1)
    monkeypatch.setattr(postgres, "BATCH_ROWS", 2)
    parts = list(source.parts(WINDOW, AS_OF, LIMITS))
    assert len(parts) > 1 or isinstance(source, InMemorySource)
    assert pa.concat_tables([part.rows for part in parts]).equals(whole.rows)
    assert (parts[-1].query, parts[-1].outside, parts[-1].remarks) == (whole.query, whole.outside, whole.remarks)


def test_no_rows_are_not_an_error(source_of: Callable[[pa.Table], Source]) -> None:
    rows = source_of(OUTSIDE).fetch(WINDOW, AS_OF, LIMITS).rows
    assert (rows.num_rows, rows.schema) == (0, SCHEMA)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_rows=3), r"`limits.max_rows` = 3 rows; .* 4"),
        (Limits(max_bytes=50), r"`limits.max_bytes` = 50 bytes"),
    ],
)
def test_more_than_the_limits_is_refused(source_of: Callable[[pa.Table], Source], limits: Limits, message: str) -> None:
    with pytest.raises(TooMuchData, match=message):
        source_of(EVERYTHING).fetch(WINDOW, AS_OF, limits)


def test_exactly_the_limit_is_let_in(source_of: Callable[[pa.Table], Source]) -> None:
    assert source_of(EVERYTHING).fetch(WINDOW, AS_OF, Limits(max_rows=4)).rows.num_rows == 4


# Files and objects


@pytest.fixture(params=["files", "s3"])
def delivered(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Source]:
    """A source of files with the given format and contents."""
    if request.param == "files":
        return lambda format, *parts, **options: file_source(tmp_path, format, *parts, **options)
    endpoint = request.getfixturevalue("s3")
    return lambda format, *parts, **options: s3_source(endpoint, tmp_path, format, *parts, **options)


HEADER = b"id,at,carrier,distance,cancelled,arrived\n"
GOOD = b"1,2013-03-01T00:00:00Z,UA,1,true,2013-03-01T00:00Z\n"


@pytest.mark.parametrize(
    ("cell", "bad", "said"),
    [
        (b",1,true", b",far,true", "column distance: 'far' is not a number"),
        (b",1,true", b",1e999,true", "column distance: '1e999' is too large for a 64-bit float"),
        (b",1,true", b",305184080441754059,true", "column distance: '305184080441754059' would lose digits"),
        (b"1,2013", b"1.5,2013", "column id: '1.5' is not a whole number"),
        (b"1,2013", b"0x10,2013", "column id: '0x10' is not a whole number"),
        (b"1,2013", b"00123,2013", "column id: '00123' starts with a zero, which a number loses"),
        (b"1,2013", b"305184080441754059000,2013", "column id: '305184080441754059000' needs more than 64 bits"),
        (b"1,2013", b"3.05184E+17,2013", "column id: '3.05184E.17' is not a whole number"),
        (b"true", b"maybe", "column cancelled: 'maybe' is neither true nor false"),
        (b"00:00:00Z", b"00:00:00", "column at: '2013-03-01T00:00:00' is a time without an offset"),
        (b"00:00:00Z", b"00:00:00.1234567Z", "column at: .* is finer than a microsecond"),
        (b"2013-03-01T00:00:00Z", b"2013-02-29T00:00:00Z", "column at: '2013-02-29T00:00:00Z' is not a time between"),
        (b"2013-03-01T00:00:00Z", b"infinity", "column at: 'infinity' is not a time between"),
    ],
)
def test_cells_that_do_not_fit_make_bad_rows(
    delivered: Callable[..., Source], cell: bytes, bad: bytes, said: str
) -> None:
    broken = GOOD.replace(cell, bad)
    assert broken != GOOD
    source = delivered("csv", HEADER + GOOD, HEADER + GOOD * 2 + broken, arrival=None)
    rows = source.fetch(WINDOW, AS_OF, LIMITS).rows
    assert rows.num_rows == 4
    texts = rows.column("bad_cells").to_pylist()
    assert texts[:3] == [None] * 3
    assert re.match(said, texts[3])
    assert rows.column(said.partition(":")[0].removeprefix("column ")).to_pylist()[3] is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            HEADER + b"1,2\n",
            "not a CSV file that can be read: .* got 2.* A cell with the delimiter in it must be quoted",
        ),
        (HEADER.replace(b"carrier", b"id") + GOOD, "column id is there more than once"),
        (HEADER.replace(b",", b";") + GOOD.replace(b",", b";"), r"separated by ',' but by ';'.*delimiter: ';'"),
        (HEADER.replace(b",", b"\t") + GOOD.replace(b",", b"\t"), r"separated by ',' but by '.t'.*delimiter: '.t'"),
        (
            HEADER + GOOD.replace(b"UA", rb'"the \"big\" one"'),
            r"line 2 holds a quote behind a backslash.*\{escape: '.'",
        ),
        (
            HEADER + GOOD.replace(b"UA", rb'"the \"big\", one"'),
            r"line 2 holds a quote behind a backslash.*\{escape: '.'",
        ),
    ],
)
def test_files_that_are_written_otherwise_are_refused(
    delivered: Callable[..., Source], content: bytes, message: str
) -> None:
    with pytest.raises(SchemaMismatch, match=rf"(?s)2013/.*{message}"):
        delivered("csv", content).fetch(WINDOW, AS_OF, LIMITS)


def test_files_without_a_byte_are_an_empty_window(delivered: Callable[..., Source]) -> None:
    """So that it is asked for again until the deadline, and skipped where empty windows are allowed."""
    with pytest.raises(EmptyWindow, match=r"2013/.*: is empty; a CSV file starts with a line of column names"):
        delivered("csv", b"", b"").fetch(WINDOW, AS_OF, LIMITS)


def test_empty_parts_beside_full_ones_are_left_out_and_told(delivered: Callable[..., Source]) -> None:
    extract = delivered("csv", b"", HEADER + GOOD, HEADER, b"").fetch(WINDOW, AS_OF, LIMITS)
    assert extract.rows.num_rows == 1
    assert [remark for remark in extract.remarks if "2 of 4 files are empty" in remark]


@pytest.mark.parametrize("header", [HEADER, HEADER.rstrip(b"\n"), HEADER.replace(b"\n", b"\r\n")])
def test_a_part_that_is_a_header_alone_has_no_rows(delivered: Callable[..., Source], header: bytes) -> None:
    assert delivered("csv", header).fetch(WINDOW, AS_OF, LIMITS).rows.num_rows == 0
    assert delivered("csv", header, HEADER + GOOD).fetch(WINDOW, AS_OF, LIMITS).rows.num_rows == 1


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (HEADER + GOOD + GOOD.replace(b"UA", b"\xfc"), r"byte 116 \(line 3\)"),
        (HEADER + GOOD * 60_000 + GOOD.replace(b"UA", b"\xfc"), r"byte 3,060,065 \(line 60,002\)"),
        (HEADER.replace(b"carrier", b"\xfcber"), r"byte 7 \(line 1\)"),
        (HEADER + GOOD.replace(b"UA", "ü".encode()[:1]), r"byte 65 \(line 2\)"),
        ((HEADER + GOOD).decode().encode("utf-16"), r"byte 1 \(line 1\)"),
    ],
)
def test_text_in_another_encoding_is_refused_with_its_place(
    delivered: Callable[..., Source], content: bytes, place: str
) -> None:
    with pytest.raises(UndecodableText, match=rf"2013/.*not UTF-8 at {place}"):
        delivered("csv", content).fetch(WINDOW, AS_OF, Limits(max_rows=10**6))


def test_text_in_parquet_is_checked_too(delivered: Callable[..., Source]) -> None:
    carriers = pa.array([b"\xfc"] * INSIDE.num_rows, pa.binary()).view(pa.string())
    with pytest.raises(UndecodableText, match="column carrier"):
        delivered("parquet", as_parquet(INSIDE.set_column(2, "carrier", carriers))).fetch(WINDOW, AS_OF, LIMITS)


PARQUET_TYPES = [
    pa.array([True]),
    *(pa.array([1], kind) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())),
    *(pa.array([1], kind) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())),
    *(pa.array([1.0], kind) for kind in (pa.float16(), pa.float32(), pa.float64())),
    *(pa.array([Decimal(1)], kind) for kind in (pa.decimal32(5, 2), pa.decimal64(12, 2), pa.decimal128(30, 2))),
    pa.array([Decimal(1)], pa.decimal256(60, 2)),
    *(pa.array(["a"], kind) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *(pa.array([b"a"], kind) for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1))),
    *(pa.array([1], kind) for kind in (pa.date32(), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))),
    *(pa.array([1000], pa.timestamp(unit, zone)) for unit in ("s", "ms", "us", "ns") for zone in (None, "Asia/Tokyo")),
    *(pa.array([1], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")),
    *(pa.array([["a"]], kind) for kind in (pa.list_(pa.string()), pa.large_list(pa.string()))),
    *(pa.array([["a"]], kind) for kind in (pa.list_view(pa.string()), pa.list_(pa.string(), 1))),
    pa.array([{"a": 1}]),
    pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    pa.array(["a"]).dictionary_encode(),
    pa.array(["a"], pa.large_string()).dictionary_encode(),
    pa.nulls(1),
    pa.array([b"0" * 16], pa.uuid()),
    pa.array(['{"a": 1}'], pa.json_()),
    pa.array([1], pa.bool8()),
]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("values", PARQUET_TYPES, ids=lambda values: str(values.type))
def test_every_type_of_parquet_is_read_or_refused_with_its_column(tmp_path: Path, values: pa.Array, kind: Kind) -> None:
    table = INSIDE.slice(0, 1).append_column("value", values).append_column("left out", values)
    (tmp_path / "x.parquet").write_bytes(as_parquet(table))
    columns = COLUMNS | {"value": Column(kind=kind, role="carry")}
    spec = {"type": "files", "path": ".", "format": "parquet"}
    found = rows_or_refusal(opened(spec, tmp_path, columns=columns))
    if isinstance(found, str):
        assert re.search(r"column value(: | is declared | holds )", found)
        assert "left out" not in found
    else:
        assert found.schema.equals(SCHEMA.append(pa.field("value", ARROW_TYPES[kind])))
        assert found.column("value").null_count == (values.type == pa.null())


def rows_or_refusal(source: Source) -> pa.Table | str:
    try:
        return source.fetch(WINDOW, AS_OF, LIMITS).rows
    except SchemaMismatch as error:
        return str(error)


def test_what_is_no_parquet_is_refused(delivered: Callable[..., Source]) -> None:
    with pytest.raises(SchemaMismatch, match="not a Parquet file"):
        delivered("parquet", as_csv(INSIDE)).fetch(WINDOW, AS_OF, LIMITS)


def test_files_of_a_window_have_the_same_columns_and_types(delivered: Callable[..., Source]) -> None:
    with pytest.raises(SchemaMismatch, match="they differ in carrier"):
        delivered("parquet", as_parquet(INSIDE), as_parquet(INSIDE.drop_columns(["carrier"]))).fetch(
            WINDOW, AS_OF, LIMITS
        )


def test_a_column_may_be_of_another_type_in_each_file(delivered: Callable[..., Source]) -> None:
    """What is one value stays one value: nothing is widened to the type that both would fit in."""
    big = [305184080441754059, 305184080441755059]
    first = INSIDE.slice(0, 2).set_column(0, "id", pa.array(big))
    second = INSIDE.slice(2).set_column(0, "id", pa.array([3.0, 4.0])).set_column(2, "carrier", pa.array([1, 2]))
    second = second.set_column(1, "at", second.column("at").cast(pa.timestamp("ms", "America/New_York"), safe=False))
    rows = delivered("parquet", as_parquet(first), as_parquet(second)).fetch(WINDOW, AS_OF, LIMITS).rows
    assert rows.schema.equals(SCHEMA)
    assert rows.column("id").to_pylist() == [*big, 3, 4]
    assert rows.column("carrier").to_pylist()[2:] == ["1", "2"]
    assert rows.column("at").to_pylist()[3] == START


def test_a_column_that_fits_in_one_file_only_is_refused_with_that_file(delivered: Callable[..., Source]) -> None:
    other = INSIDE.set_column(2, "carrier", pa.array([["a"]] * 4))
    other = other.set_column(3, "distance", pa.array(["a"] * 4))
    with pytest.raises(SchemaMismatch, match=r"(?s)1(.parquet)?: its rows don't fit.*column carrier .*column distance"):
        delivered("parquet", as_parquet(INSIDE), as_parquet(other)).fetch(WINDOW, AS_OF, LIMITS)


def test_times_without_a_zone_choose_nothing(delivered: Callable[..., Source]) -> None:
    naive = INSIDE.set_column(1, "at", INSIDE.column("at").cast(pa.timestamp("us")))
    with pytest.raises(SchemaMismatch, match=r"column at .*timestamp.us., which has no time zone.*`timezone: "):
        delivered("parquet", as_parquet(naive)).fetch(WINDOW, AS_OF, LIMITS)


def test_a_file_without_the_event_time_is_refused(delivered: Callable[..., Source]) -> None:
    with pytest.raises(SchemaMismatch, match=r"needs exactly one column at .* it has id, att\. Is att meant"):
        delivered("csv", b"id,att\n1,2\n").fetch(WINDOW, AS_OF, LIMITS)


def test_no_files_are_an_empty_window(delivered: Callable[..., Source]) -> None:
    with pytest.raises(EmptyWindow, match="%Y"):
        delivered("csv").fetch(WINDOW, AS_OF, LIMITS)


def test_cells_are_read_as_the_spec_says(delivered: Callable[..., Source]) -> None:
    content = (
        b"\xef\xbb\xbfid,at,carrier,distance,cancelled,arrived,extra\n"
        b"5.0, 2013-03-01T01:00+01:00 ,NA,n/a,,2013-03-01T00:00Z,01\n"
    )
    extract = delivered("csv", content).fetch(WINDOW, AS_OF, LIMITS)
    assert [remark for remark in extract.remarks if "does not declare, extra." in remark]
    rows = extract.rows
    assert rows.to_pylist() == [
        {"id": 5, "at": START, "carrier": "NA", "distance": None, "cancelled": None, "arrived": START}
    ]


SEMICOLONS = HEADER.replace(b",", b";")


@pytest.mark.parametrize(
    ("csv_options", "content", "expected"),
    [
        ({"delimiter": ";", "decimal": ","}, SEMICOLONS + b"7;2013-03-01T00:00Z;a,b;1,5;true;2013-03-01T00:00Z\n",
         ("a,b", 1.5)),
        ({"delimiter": "tab"}, HEADER.replace(b",", b"\t") + b"7\t2013-03-01T00:00Z\ta\t1.5\t1.0\t2013-03-01T00:00Z\n",
         ("a", 1.5)),
        ({"escape": "\\"}, HEADER + rb'7,2013-03-01T00:00Z,"the \"big\", one",1.5,1,2013-03-01T00:00Z',
         ('the "big", one', 1.5)),
        ({"quote": "'"}, HEADER + b"7,2013-03-01T00:00Z,'a, \"b\"',1.5,TRUE,2013-03-01T00:00Z\n", ('a, "b"', 1.5)),
        ({"quote": None}, HEADER + b'7,2013-03-01T00:00Z,5" pipe,1.5,true,2013-03-01T00:00Z\n', ('5" pipe', 1.5)),
        ({"null_values": ["-", "\\N"]}, HEADER + b"7,2013-03-01T00:00Z,-,\\N,true,2013-03-01T00:00Z\n", (None, None)),
        ({"null_values": ["-"]}, HEADER + b'7,2013-03-01T00:00Z,"-",-,true,2013-03-01T00:00Z\n', ("-", None)),
        ({"encoding": "cp1252"}, HEADER + "7,2013-03-01T00:00Z,Zoë €,1.5,true,2013-03-01T00:00Z\n".encode("cp1252"),
         ("Zoë €", 1.5)),
        ({"encoding": "utf-16"},
         (HEADER.decode() + "7,2013-03-01T00:00Z,Zoë,1.5,true,2013-03-01T00:00Z\n").encode("utf-16"), ("Zoë", 1.5)),
    ],
)  # fmt: skip
def test_csv_is_read_in_the_dialect_of_the_spec(
    delivered: Callable[..., Source], csv_options: dict[str, object], content: bytes, expected: tuple[object, ...]
) -> None:
    rows = delivered("csv", content, csv=csv_options).fetch(WINDOW, AS_OF, LIMITS).rows
    (found,) = rows.to_pylist()
    assert (found["id"], found["cancelled"], found["at"]) == (7, True, START)
    assert (found["carrier"], found["distance"]) == expected


@pytest.mark.parametrize(
    ("cell", "csv_options", "said"),
    [
        (b"1,5", {"delimiter": ";"}, 'has a decimal comma, it seems; say so in the source with `csv: {decimal: ","}`'),
        (
            b"1.5",
            {"delimiter": ";", "decimal": ","},
            'has a decimal point, and the source says `csv: {decimal: ","}`: take that out, or write a comma',
        ),
        (b"NA", {"null_values": ["-"]}, "is not a number"),
    ],
)
def test_another_decimal_sign_or_null_is_not_guessed(
    delivered: Callable[..., Source], cell: bytes, csv_options: dict[str, object], said: str
) -> None:
    content = HEADER + b"7,2013-03-01T00:00Z,a," + b"1,true,2013-03-01T00:00Z\n"
    content = content.replace(b",", csv_options.get("delimiter", ",").encode()).replace(b"a;1;", b"a;" + cell + b";")
    content = content.replace(b"a,1,", b"a," + cell + b",")
    assert cell in content
    rows = delivered("csv", content, csv=csv_options).fetch(WINDOW, AS_OF, LIMITS).rows
    assert rows.column("distance").to_pylist() == [None]
    assert rows.column("bad_cells").to_pylist() == [f"column distance: '{cell.decode()}' {said}"]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_column_that_two_names_of_the_spec_mean_is_read_for_both(tmp_path: Path, format: str) -> None:
    """Outcomes beside their rows that are known at the event: its time is their arrival, too."""
    (tmp_path / "flights").write_bytes(WRITERS[format](INSIDE))
    columns = {**COLUMNS, "known_at": COLUMNS["arrived"].model_copy(update={"from_": "at"})}
    spec = {"type": "files", "path": ".", "pattern": "flights", "format": format}
    rows = opened(spec, tmp_path, columns=columns, arrival="known_at").fetch(WINDOW, AS_OF, LIMITS).rows
    assert rows.num_rows == INSIDE.num_rows
    assert rows.column("known_at").equals(rows.column("at"))


def test_naive_times_are_read_in_the_time_zone_of_the_source(delivered: Callable[..., Source]) -> None:
    content = HEADER + b"7,2013-03-01 01:00,a,1,true,2013-03-01\n8,2013-03-01T00:00:00.5Z,a,1,true,2013-03-01T00:00Z\n"
    source = delivered("csv", content, timezone="Europe/Berlin")
    assert source.fetch(WINDOW, AS_OF, LIMITS).rows.column("at").to_pylist() == [
        START,
        START + timedelta(milliseconds=500),
    ]


def test_naive_parquet_times_are_read_in_the_time_zone_of_the_source(delivered: Callable[..., Source]) -> None:
    naive = INSIDE.slice(0, 1).set_column(1, "at", pa.array([datetime(2013, 3, 1, 1)], pa.timestamp("ns")))  # noqa: DTZ001
    source = delivered("parquet", as_parquet(naive), timezone="Europe/Berlin")
    assert source.fetch(WINDOW, AS_OF, LIMITS).rows.column("at").to_pylist() == [START]


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_files_are_read_by_the_names_that_they_have(tmp_path: Path, format: str) -> None:
    table = INSIDE.rename_columns(["No.", "At", "Carrier name", "distance", "cancelled", "arrived"])
    (tmp_path / f"x.{format}").write_bytes(WRITERS[format](table))
    names = {"carrier": "Carrier name", "at": "At", "id": "No."}
    columns = {name: column.model_copy(update={"from_": names.get(name)}) for name, column in COLUMNS.items()}
    source = opened(
        {"type": "files", "path": ".", "pattern": f"x.{format}", "format": format}, tmp_path, columns=columns
    )
    assert table_digest(source.fetch(WINDOW, AS_OF, LIMITS).rows) == table_digest(INSIDE)


def test_a_query_may_have_other_names_too(database_url: str, tmp_path: Path) -> None:
    sql = SQL.replace("carrier::text", 'carrier::text AS "Carrier name", 1 AS other')
    columns = COLUMNS | {"carrier": COLUMNS["carrier"].model_copy(update={"from_": "Carrier name"})}
    spec = {"type": "postgres", "connection": "db", "query": "flights.sql"}
    postgres_source(database_url, tmp_path, INSIDE)
    extract = opened(spec, tmp_path, sql, columns=columns, db=database_url).fetch(WINDOW, AS_OF, LIMITS)
    assert table_digest(extract.rows) == table_digest(INSIDE)
    assert "does not declare, other." in extract.remarks[0]


# Which files, and which rows of them


def day_files(folder: Path, **days: pa.Table | bytes) -> None:
    for name, content in days.items():
        path = folder / f"2013-03-{name.removeprefix('d')}.csv"
        path.write_bytes(content if isinstance(content, bytes) else as_csv(content))


def daily(folder: Path, grid: Grid = Grid(Every.DAY), **options: object) -> Source:  # noqa: B008 - it is frozen
    spec = {"type": "files", "path": ".", "pattern": "%Y-%m-%d*.csv", "format": "csv", **options}
    return opened(spec, folder, arrival=None, grid=grid)


HOUR = timedelta(hours=1)


def rows_at(*times: datetime | None) -> pa.Table:
    return pa.Table.from_pylist([row(number, at, START) for number, at in enumerate(times)], SCHEMA)


def test_rows_that_no_window_finds_come_along_to_be_set_aside(tmp_path: Path) -> None:
    """Three rows without time and two of the next day: nobody reads this file for them."""
    late = WINDOW.end + HOUR
    day_files(tmp_path, d01=rows_at(START, None, None, None, late, late + HOUR), d02=rows_at(late))
    extract = daily(tmp_path).fetch(WINDOW, AS_OF, LIMITS)
    assert (extract.outside, extract.misplaced, extract.without_time) == (0, 2, 3)
    assert extract.rows.column("at").to_pylist() == [START, None, None, None, late, late + HOUR]
    assert extract.told("at") == [
        "2 rows belong to other windows, which do not read this file, and are set aside.",
        "3 rows have no at that can be read, and are set aside.",
    ]


@pytest.mark.parametrize("every", [Every.HOUR, Every.SIX_HOURS, Every.DAY, Every.WEEK, Every.MONTH])
def test_rows_at_the_ends_of_the_calendar_belong_to_no_window(tmp_path: Path, every: Every) -> None:
    """Some write "for ever" as the last day that there is."""
    ends = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)]
    day_files(tmp_path, d01=rows_at(START, *ends))
    for zone in ("UTC", "America/New_York", "Asia/Tokyo"):
        source = daily(tmp_path, reach="1d", grid=Grid(every, zone))
        extract = source.fetch(WINDOW, AS_OF, LIMITS)
        assert (extract.rows.num_rows, extract.outside, extract.misplaced) == (3, 0, 2)


def test_with_reach_a_row_in_the_file_of_the_day_before_is_found(tmp_path: Path) -> None:
    late, early, far = WINDOW.end + HOUR, START - HOUR, WINDOW.end + 30 * HOUR
    day_files(tmp_path, d01=rows_at(START, early, late, far), d02=rows_at(late + HOUR, None))
    day_files(tmp_path, d03=rows_at(late + 2 * HOUR))
    source = daily(tmp_path, reach="1d")
    first = source.fetch(WINDOW, AS_OF, LIMITS)
    assert first.rows.column("at").to_pylist() == [START, far]
    assert (first.outside, first.misplaced, first.without_time) == (2, 1, 0)
    second = source.fetch(Window(WINDOW.end, WINDOW.end + 24 * HOUR), AS_OF, LIMITS)
    assert sorted(second.rows.column("at").drop_null().to_pylist()) == [late, late + HOUR, late + 2 * HOUR]
    assert (second.outside, second.misplaced, second.without_time) == (0, 0, 1)


def test_the_neighbours_files_alone_are_an_empty_window(tmp_path: Path) -> None:
    day_files(tmp_path, d02=rows_at(START))
    with pytest.raises(EmptyWindow, match="no file matches"):
        daily(tmp_path, reach="1d").fetch(WINDOW, AS_OF, LIMITS)


def test_a_month_in_one_file_leaves_its_other_days_to_their_windows(tmp_path: Path) -> None:
    times = [START + timedelta(days=day) for day in range(31)]
    april = START + timedelta(days=31)
    (tmp_path / "2013-03.csv").write_bytes(as_csv(rows_at(*times, None, april)))
    source = daily(tmp_path, pattern="%Y-%m.csv")
    found = [source.fetch(Window(at, at + 24 * HOUR), AS_OF, LIMITS) for at in times]
    assert [each.rows.num_rows for each in found] == [3] + [1] * 30  # what has no window of its own is told once
    assert (found[0].outside, found[0].misplaced, found[0].without_time) == (30, 1, 1)
    assert {(each.outside, each.misplaced, each.without_time) for each in found[1:]} == {(0, 0, 0)}


def test_rows_without_time_in_a_file_without_a_date_are_set_aside_in_every_window(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_bytes(as_csv(rows_at(START, None, WINDOW.end)))
    source = daily(tmp_path, pattern="*.csv")
    for start, outside in ((START, 1), (WINDOW.end, 1), (WINDOW.end + 24 * HOUR, 2)):
        extract = source.fetch(Window(start, start + 24 * HOUR), AS_OF, LIMITS)
        assert (extract.outside, extract.misplaced, extract.without_time) == (outside, 0, 1)


def test_a_bad_event_time_goes_with_its_row(tmp_path: Path) -> None:
    day_files(tmp_path, d01=HEADER + GOOD + GOOD.replace(b"2013-03-01T00:00:00Z", b"yesterday"))
    extract = daily(tmp_path).fetch(WINDOW, AS_OF, LIMITS)
    assert extract.without_time == 1
    assert extract.rows.column("bad_cells").to_pylist() == [None, "column at: 'yesterday' is not a time between the "
        "years 1 and 9999, such as 2013-03-01T12:00:00Z"]  # fmt: skip


FOLDER = {
    "2013-03-01.csv/part-00000.csv": HEADER + GOOD,
    "2013-03-01.csv/part-00001.csv": b"",
    "2013-03-01.csv/part-00002.CSV.GZ": gzip.compress(HEADER + GOOD),
    "2013-03-01.csv/.part-00000.csv.crc": b"\0\1",
    "2013-03-01.csv/_SUCCESS": b"",
    "2013-03-01.csv/_temporary/0/part-00003.csv": b"half a li",
    "2013-03-01.csv/part-00004.csv.tmp": b"half a li",
    "2013-03-01.csv/part-00005.csv.inprogress.7f": b"half a li",
    "2013-03-01.csv/.part-0-0.inprogress.7f": b"half a li",
    "2013-03-01.csv/part-00006.csv._COPYING_": b"half a li",
}


@pytest.mark.parametrize("kind", ["files", "s3"])
def test_a_folder_as_engines_write_it_is_read_for_its_data(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "files":
        for name, content in FOLDER.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        source = daily(tmp_path, pattern="%Y-%m-%d.csv")
    else:
        endpoint = request.getfixturevalue("s3")
        for name, content in FOLDER.items():
            client(endpoint).put_object(Bucket="flights", Key=f"engines/{name}", Body=content)
        spec = {"type": "s3", "connection": "s3", "bucket": "flights", "prefix": "engines/%Y-%m-%d", "format": "csv"}
        source = opened(spec, tmp_path, s3=aws_uri(endpoint))
    extract = source.fetch(WINDOW, AS_OF, LIMITS)
    assert extract.rows.num_rows == 2
    assert any("1 of 3 files are empty" in remark for remark in extract.remarks)
    (unfinished,) = [remark for remark in extract.remarks if "not finished" in remark]
    assert [name for name in ("part-00004", "part-00005", "part-00006") if name not in unfinished] == []
    assert "part-0-0" not in unfinished


def test_unfinished_files_alone_are_an_empty_window_that_says_so(tmp_path: Path) -> None:
    day_files(tmp_path)
    (tmp_path / "2013-03-01.csv.tmp").write_bytes(HEADER)
    with pytest.raises(EmptyWindow, match=r"left out as not finished: .*2013-03-01\.csv\.tmp"):
        daily(tmp_path, pattern="%Y-%m-%d*").fetch(WINDOW, AS_OF, LIMITS)


def test_the_files_of_a_delta_table_are_not_its_rows(tmp_path: Path) -> None:
    (tmp_path / "2013-03-01" / "_delta_log").mkdir(parents=True)
    (tmp_path / "2013-03-01" / "_delta_log" / "0.json").touch()
    (tmp_path / "2013-03-01" / "part-0.csv").write_bytes(HEADER + GOOD)
    with pytest.raises(SchemaMismatch, match="a Delta table"):
        daily(tmp_path, pattern="%Y-%m-%d").fetch(WINDOW, AS_OF, LIMITS)


def test_a_month_over_daily_files_reads_each_of_them(tmp_path: Path) -> None:
    for day in range(1, 32):
        at = START + timedelta(days=day - 1)
        (tmp_path / f"{at:%Y-%m-%d}.csv").write_bytes(as_csv(pa.Table.from_pylist([row(day, at, at)], SCHEMA)))
    source = opened({"type": "files", "path": ".", "pattern": "%Y-%m-%d.csv", "format": "csv"}, tmp_path, arrival=None)
    month = Window(START, START + timedelta(days=31))
    extract = source.fetch(month, AS_OF, LIMITS)
    assert sorted(extract.rows.column("id").to_pylist()) == list(range(1, 32))
    assert extract.query.splitlines()[0] == str(tmp_path / "2013-03-01.csv")
    tokyo = Window(START - timedelta(hours=9), START + timedelta(hours=15))  # a local day lies in two UTC dates
    assert source.fetch(tokyo, AS_OF, LIMITS).rows.column("id").to_pylist() == [1]


def test_packed_csv_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "flights.csv.gz").write_bytes(gzip.compress(as_csv(INSIDE)))
    source = opened({"type": "files", "path": str(tmp_path), "format": "csv"}, Path("/elsewhere"))
    assert table_digest(source.fetch(WINDOW, AS_OF, LIMITS).rows) == table_digest(INSIDE)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    source = opened({"type": "files", "path": "gone/%Y", "format": "csv"}, tmp_path)
    with pytest.raises(SourceUnavailable, match="gone is not there"):
        source.fetch(WINDOW, AS_OF, LIMITS)


# S3


def test_more_objects_than_a_page_are_read(s3: str, tmp_path: Path) -> None:
    objects = 2 * S3_PAGE + 5
    for number in range(objects):
        client(s3).put_object(Bucket="flights", Key=f"pages/{number:04}.csv", Body=HEADER + GOOD)
    assert client(s3).list_objects_v2(Bucket="flights", Prefix="pages/")["IsTruncated"]
    spec = {"type": "s3", "connection": "s3", "bucket": "flights", "prefix": "pages/", "format": "csv"}
    extract = opened(spec, tmp_path, s3=aws_uri(s3)).fetch(WINDOW, AS_OF, LIMITS)
    assert extract.rows.num_rows == objects
    assert len(extract.query.splitlines()) == objects


def test_a_bucket_that_is_not_there_is_an_invalid_query(s3: str, tmp_path: Path) -> None:
    spec = {"type": "s3", "connection": "s3", "bucket": "nowhere", "prefix": "x", "format": "csv"}
    with pytest.raises(InvalidQuery, match=r"Connection s3, s3://nowhere/x.*NoSuchBucket"):
        opened(spec, tmp_path, s3=aws_uri(s3)).fetch(WINDOW, AS_OF, LIMITS)


def test_an_endpoint_that_is_down_is_unavailable(tmp_path: Path) -> None:
    spec = {"type": "s3", "connection": "s3", "bucket": "flights", "prefix": "x", "format": "csv"}
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        uri = aws_uri(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(SourceUnavailable, match="Connection s3") as raised:
            opened(spec, tmp_path, s3=uri).fetch(WINDOW, AS_OF, LIMITS)
    assert "secret" not in str(raised.value)


# PostgreSQL


def test_the_query_is_recorded_with_what_was_bound(database_url: str, tmp_path: Path) -> None:
    query = postgres_source(database_url, tmp_path, INSIDE).fetch(WINDOW, AS_OF, LIMITS).query
    assert query.startswith(SQL.rstrip())
    assert ":start = 2013-03-01T00:00:00+00:00" in query


def test_types_follow_the_database(database_url: str) -> None:
    sql = """SELECT 1::smallint a, 2::bigint b, 0.1::numeric c, 'NaN'::numeric d, 1.5::real e, 'x'::char(2) f,
             date '2013-03-01' g, timestamp '2013-03-01 12:00' h, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid i,
             NULL::text j, date_trunc('day', :start::timestamptz + interval '1 second') k, true l"""
    source = PostgresSource(database_url, sql, connection_id="db", file="types.sql")
    rows = source.fetch(WINDOW, AS_OF, LIMITS).rows
    kinds = [str(field.type) for field in rows.schema]
    assert kinds == [
        *("int64", "int64", "string", "string", "float", "string", "string", "string"),
        *("string", "string", "string", "bool"),
    ]
    found = rows.to_pylist()[0]
    assert (found["c"], found["f"], found["k"]) == ("0.1", "x", "2013-03-01 00:00:00+00")


def test_many_rows_come_in_batches_and_reading_stops_early(database_url: str) -> None:
    sql = "SELECT generate_series(1, 100000000) AS id"
    source = PostgresSource(database_url, sql, connection_id="db", file="many.sql")
    with pytest.raises(TooMuchData, match=r"= 25,000 rows; reading stopped at 30,000"):
        source.fetch(WINDOW, AS_OF, Limits(max_rows=25_000))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT *\nFROM flights\nWHERE elsewhere = :start", r'line 3: column "elsewhere" does not exist .*42703'),
        ("SELECT idd FROM (SELECT 1 id) x", r'hint: Perhaps you meant to reference the column "x.id"'),
        ("SELEC 1", r"line 1: syntax error"),
        ("SELECT 1/0", r"division by zero"),
        ("SELECT ARRAY[1] AS doc", r"column doc is of a type that can't be read .*Cast it"),
        ("SELECT interval '1 month' AS doc", r"column doc is of a type that can't be read .*Cast it"),
        ("CREATE TABLE x (y int)", r"syntax error"),
        ("SELECT nextval('counter')", r"read-only transaction"),
    ],
)
def test_queries_that_cannot_work_are_told_with_their_place(database_url: str, sql: str, message: str) -> None:
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE flights (id int); CREATE SEQUENCE counter")
        session.commit()
    source = PostgresSource(database_url, sql, connection_id="db", file="flights.sql")
    with pytest.raises(InvalidQuery, match=rf"Connection db, query flights.sql.*{message}"):
        source.fetch(WINDOW, AS_OF, LIMITS)


def test_a_missing_right_is_an_invalid_query(database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        role = f"source_{session.info.dbname}"
        cursor.execute(f"CREATE TABLE flights (id int); CREATE ROLE {role} LOGIN PASSWORD 'hushhush'")
        session.commit()
        url = f"postgres://{role}:hushhush@127.0.0.1:{session.info.port}/{session.info.dbname}"
    with pytest.raises(InvalidQuery, match="permission denied for table flights"):
        PostgresSource(url, "SELECT * FROM flights", connection_id="db", file="x.sql").fetch(WINDOW, AS_OF, LIMITS)


def test_a_query_that_takes_too_long_is_unavailable(database_url: str) -> None:
    source = PostgresSource(database_url, "SELECT pg_sleep(20)", connection_id="db", file="x.sql", timeout=0.1)
    with pytest.raises(SourceUnavailable, match="statement timeout"):
        source.fetch(WINDOW, AS_OF, LIMITS)


def test_a_session_that_is_cut_is_unavailable(database_url: str) -> None:
    sql = "SELECT pg_terminate_backend(pg_backend_pid())::text"
    with pytest.raises(SourceUnavailable, match="may work later"):
        PostgresSource(database_url, sql, connection_id="db", file="x.sql").fetch(WINDOW, AS_OF, LIMITS)


def test_text_that_is_not_unicode_is_refused(postgres: object, database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        session.autocommit = True
        name = f"{session.info.dbname}_ascii"
        cursor.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
        url = f"{database_url.rpartition('/')[0]}/{name}"
    sql = r"SELECT encode('\x41'::bytea, 'escape') || E'\xfc' AS carrier"
    with pytest.raises(UndecodableText, match=r"x\.sql"):
        PostgresSource(url, sql, connection_id="db", file="x.sql").fetch(WINDOW, AS_OF, LIMITS)


@pytest.mark.parametrize("password", ["wrong", "hushhush"])
def test_a_server_that_lets_nobody_in_is_unavailable(database_url: str, password: str) -> None:
    host = database_url.partition("@")[2] if password == "wrong" else "127.0.0.1:1/nowhere"
    source = PostgresSource(f"postgresql://ann:{password}@{host}", "SELECT 1", connection_id="db", file="x.sql")
    with pytest.raises(SourceUnavailable, match="Connection db could not be opened") as raised:
        source.fetch(WINDOW, AS_OF, LIMITS)
    assert "hushhush" not in str(raised.value)


# The factory


def test_a_connection_of_the_wrong_type_is_told(tmp_path: Path) -> None:
    spec = {"type": "postgres", "connection": "db", "query": "flights.sql"}
    with pytest.raises(InvalidSettings, match="type postgres; found type aws"):
        opened(spec, tmp_path, db="aws://key:secret@/")


def test_a_connection_that_is_not_there_is_told(tmp_path: Path) -> None:
    spec = {"type": "postgres", "connection": "db", "query": "flights.sql"}
    with pytest.raises(InvalidSettings, match=r"AIRFLOW_CONN_DB is not set .set are: AIRFLOW_CONN_OTHER"):
        opened(spec, tmp_path, other="postgres://host/db")
