"""A first look at a real PostgreSQL and a real S3 server, and first use cases made from them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import boto3
import psycopg2
import pyarrow as pa
import pytest
from tests.servers import S3_KEYS, new_bucket

from perennial.errors import InvalidQuery, InvalidSettings, SourceUnavailable
from perennial.review import sample
from perennial.scaffold.guess import Said, guess
from perennial.scaffold.origin import origin
from perennial.scaffold.write import Plan, write
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.peek import Peek, peek_query, peek_source
from perennial.sources.port import Connections
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.spec.sources import S3Source, Source
from perennial.window import Window
from perennial.wiring import source_opener

NOW = datetime(2024, 3, 1, tzinfo=UTC)
ID = 305184080441754059
TABLE = """
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    "Placed At" timestamp,
    amount numeric(12, 2),
    "order" text,
    big numeric(20, 0),
    late boolean,
    known_at timestamptz
);
INSERT INTO orders
SELECT n, timestamp '2024-01-01' + n * interval '20 minutes', n * 1.25, CASE n % 2 WHEN 0 THEN 'web' ELSE 'shop' END,
    305184080441754059 + n, n % 3 = 0, timestamptz '2024-01-02 00:00Z' + n * interval '20 minutes'
FROM generate_series(0, 719) AS n;
"""


@pytest.fixture
def connections(database_url: str) -> EnvironmentConnections:
    with psycopg2.connect(database_url) as session, session.cursor() as cursor:
        cursor.execute(TABLE)
    session.close()
    return EnvironmentConnections({"AIRFLOW_CONN_SHOP": database_url})


def test_every_value_is_exact_and_types_are_told(connections: EnvironmentConnections) -> None:
    peek = peek_query(connections.url("shop"), "SELECT * FROM orders ORDER BY id", "orders", {}, 1_000)
    assert peek.rows.num_rows == 720
    assert peek.rows.column("big")[1].as_py() == "305184080441754060"
    assert peek.rows.column("known_at")[0].as_py() == "2024-01-02 00:00:00+00"
    assert peek.rows.schema.field("id").type == pa.int64()
    assert (peek.naive, peek.texts, peek.whole) == (("Placed At",), ("order",), True)


def test_reading_ends_after_so_many_rows(connections: EnvironmentConnections) -> None:
    peek = peek_query(connections.url("shop"), "SELECT * FROM orders", "orders", {}, 100)
    assert (peek.rows.num_rows, peek.whole) == (100, False)


def test_a_query_that_is_refused_and_a_server_that_is_away(connections: EnvironmentConnections) -> None:
    with pytest.raises(InvalidQuery, match=r'q\.sql: relation "nothing" does not exist'):
        peek_query(connections.url("shop"), "SELECT * FROM nothing", "q.sql", {}, 10)
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        peek_query("postgresql://u:secret@127.0.0.1:1/x", "SELECT 1", "q.sql", {}, 10)


@pytest.mark.parametrize("as_query", [False, True])
def test_a_table_or_a_query_becomes_a_use_case_that_fits_its_data(
    connections: EnvironmentConnections, tmp_path: Path, as_query: bool
) -> None:
    file = tmp_path / "orders.sql"
    file.write_text("SELECT * FROM orders WHERE amount >= 0;\n")
    rows = origin(str(file) if as_query else "postgres://shop/orders", "shop", connections)
    seen = rows.peek(connections)
    found = guess(seen, None, Said(label="late"))
    folder, violations = write(tmp_path / "use_cases", Plan("shop", found, rows, None, None, None, "UTC"))
    assert violations == ()
    use_case = load_use_case(folder)
    assert list(use_case.spec.columns) == ["id", "placed_at", "amount", "order", "big"]
    window = use_case.spec.grid.starting_at("2024-01-05")
    open_source = source_opener(connections)
    rows_read = open_source(use_case, use_case.spec.source).fetch(window, window.end, use_case.spec.limits).rows
    labels = open_source(use_case, use_case.spec.labels.source).fetch(window, NOW, use_case.spec.limits).rows
    assert (rows_read.num_rows, labels.num_rows) == (72, 72)
    assert labels.column_names == ["id", "late", "known_at"]
    peek = peek_source(use_case, use_case.spec.source, window, NOW, connections)
    assert peek is not None
    assert sample.read_columns(
        use_case.spec, peek, use_case.spec.source, use_case.spec.columns, ("source",), sample.Findings.about(use_case)
    ).column_names == ["id", "placed_at", "amount", "order", "big"]


HEADER = "order_id,ordered_at,amount,late,known_at"


def put(endpoint: str, bucket: str, days: int, row: Callable[[datetime, int], str], header: str = HEADER) -> None:
    """A file of orders a day, as `orders/<day>/part-0.csv`, and what engines write beside them."""
    client = boto3.client("s3", endpoint_url=endpoint, **S3_KEYS)
    for day in range(days):
        at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
        rows = "\n".join([header, *(row(at + timedelta(minutes=20 * n), 72 * day + n) for n in range(72)), ""])
        client.put_object(Bucket=bucket, Key=f"orders/{at:%Y-%m-%d}/part-0.csv", Body=rows.encode())
        client.put_object(Bucket=bucket, Key=f"orders/{at:%Y-%m-%d}/_SUCCESS", Body=b"")


def iso(at: datetime, number: int) -> str:
    known = at + timedelta(hours=30)
    return f"{ID + number},{at:%Y-%m-%dT%H:%M:%SZ},{number * 1.25},{number % 2},{known:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def store(s3_endpoint: str) -> tuple[EnvironmentConnections, str]:
    """A bucket of the test's own, and the connection `store` that opens it."""
    uri = f"aws://key:secret@/?endpoint_url={quote(s3_endpoint, safe='')}&region_name=us-east-1"
    return EnvironmentConnections({"AIRFLOW_CONN_STORE": uri}), new_bucket(s3_endpoint, "shop")


@pytest.mark.parametrize("given", ["orders", "orders/", "orders/%Y-%m-%d", "orders/%Y-%m-%d/*.csv", "orders/*"])
def test_objects_in_a_bucket_become_a_use_case_that_fits_its_data(
    store: tuple[EnvironmentConnections, str], s3_endpoint: str, tmp_path: Path, given: str
) -> None:
    connections, bucket = store
    put(s3_endpoint, bucket, 25, iso)  # more than a page of a listing
    rows = origin(f"s3://{bucket}/{given}", "store", connections)
    seen = rows.peek(connections)
    assert (seen.rows.num_rows, seen.oddities) == (25 * 72, ())
    found = guess(seen, None, Said(label="late"))
    folder, violations = write(tmp_path / "use_cases", Plan("shop", found, rows, None, seen.dialect, None, "UTC"))
    assert violations == ()
    use_case = load_use_case(folder)
    source = use_case.spec.source
    assert isinstance(source, S3Source)
    assert (source.connection, source.bucket, source.prefix.rstrip("/")) == ("store", bucket, "orders/%Y-%m-%d")
    window = use_case.spec.grid.starting_at("2024-01-05")
    report = sample.run(
        use_case, window, NOW, source_opener(connections), partial(looked_at, use_case, window, connections)
    )
    assert (report.ready, [(each.what, each.rows) for each in report.readings]) == (
        True,
        [("rows", 72), ("labels", 72)],
    )
    keys = source_opener(connections)(use_case, source).fetch(window, NOW, use_case.spec.limits).rows.column("order_id")
    assert keys[0].as_py() == ID + 4 * 72


def looked_at(
    use_case: LoadedUseCase, window: Window, connections: Connections, source: Source, as_of: datetime
) -> Peek | None:
    return peek_source(use_case, source, window, as_of, connections)


def test_a_sample_of_a_bucket_tells_everything_at_once_as_of_a_folder(
    store: tuple[EnvironmentConnections, str], s3_endpoint: str, tmp_path: Path
) -> None:
    connections, bucket = store
    put(s3_endpoint, bucket, 3, iso)
    rows = origin(f"s3://{bucket}/orders/", "store", connections)
    plan = Plan("shop", guess(rows.peek(connections), None, Said(label="late")), rows, None, None, None, "UTC")
    use_case = load_use_case(write(tmp_path / "use_cases", plan)[0])

    def spoilt(at: datetime, number: int) -> str:
        return f'{ID + number},{at:%Y-%m-%d %H:%M:%S},"{number},5",{1 + number % 2},{at:%Y-%m-%d %H:%M:%S}'

    put(s3_endpoint, bucket, 3, spoilt, HEADER.replace("order_id", "Order-ID"))
    window = use_case.spec.grid.starting_at("2024-01-02")
    report = sample.run(
        use_case, window, NOW, source_opener(connections), partial(looked_at, use_case, window, connections)
    )
    told = "\n".join(each.problem for each in report.findings)
    for said in (
        "column order_id is missing; is it Order-ID?",
        "column ordered_at holds times without a time zone",
        "column amount holds numbers with a decimal comma, such as '72,5' in row 1",
        "column late holds 1 and 2; binary_classification wants",
    ):
        assert said in told


def test_objects_that_nobody_asked_for_are_told(store: tuple[EnvironmentConnections, str], s3_endpoint: str) -> None:
    connections, bucket = store
    put(s3_endpoint, bucket, 2, iso)
    boto3.client("s3", endpoint_url=s3_endpoint, **S3_KEYS).put_object(
        Bucket=bucket, Key="orders/2024-01-02/readme.txt", Body=b"x"
    )
    seen = origin(f"s3://{bucket}/orders/%Y-%m-%d/*.csv", "store", connections).peek(connections)
    (odd,) = seen.oddities
    assert odd.startswith("1 object of another name, such as orders/2024-01-02/readme.txt, will be read, too")


@pytest.mark.parametrize(
    ("text", "connection", "error", "said"),
    [
        ("s3://{}/orders/", None, InvalidSettings, "say with --connection which Airflow connection"),
        ("s3://ann:secret@{}/orders/", "store", InvalidSettings, "write s3://bucket/prefix"),
        ("s3://{}/nothing/*.csv", "store", InvalidSettings, r"no object's key matches nothing/\*\.csv in s3://"),
        ("s3://{}/*/%Y.csv", "store", InvalidSettings, r"there can be no \* before a date"),
        ("s3://{}-elsewhere/orders/", "store", InvalidQuery, "NoSuchBucket"),
    ],
)
def test_a_bucket_that_can_not_be_looked_at_says_what_to_do(
    store: tuple[EnvironmentConnections, str], text: str, connection: str | None, error: type[Exception], said: str
) -> None:
    connections, bucket = store
    with pytest.raises(error, match=said) as refused:
        origin(text.format(bucket), connection, connections)
    assert "secret" not in str(refused.value)
