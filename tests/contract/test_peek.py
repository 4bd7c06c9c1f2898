"""A first look at a real PostgreSQL, and a first use case made from it."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest

from perennial.errors import InvalidQuery, SourceUnavailable
from perennial.review import sample
from perennial.scaffold.guess import Said, guess
from perennial.scaffold.origin import origin
from perennial.scaffold.write import Plan, write
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.peek import peek_query, peek_source
from perennial.spec.load import load_use_case
from perennial.wiring import source_opener

NOW = datetime(2024, 3, 1, tzinfo=UTC)
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
    rows = origin(str(file) if as_query else "postgres://shop/orders", "shop")
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
