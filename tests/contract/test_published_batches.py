"""What a row's batch says is published once a batch: for both published tables, beside consumers, and after an upgrade.

What versions did before there were batches is done here by SQL; `tests/upgrade` has a table that 0.1.0 itself made.
"""

import re
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extras import execute_values

from perennial.digest import canonical, table_digest
from perennial.errors import SchemaMismatch
from perennial.published import names
from perennial.published.layout import DATABASE_TYPES
from perennial.published.port import PublishedPredictions, PublishedWindow
from perennial.published.postgres import PostgresPublished
from perennial.window import Window

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST, SECOND, THIRD = (Window(START + n * DAY, START + (n + 1) * DAY) for n in range(3))
OF_BATCHES = ["model_digest", "snapshot_digest", "run_id"]
UPGRADES = Path(__file__).parents[2] / "docs" / "upgrades.md"


def predictions(*keys: str, revision: int = 1, model: str = "7", run_id: str = "run", **others: Any) -> pa.Table:
    columns = {
        "flight": pa.array(keys, pa.string()),
        "event_time": pa.array([START] * len(keys), pa.timestamp("us", "UTC")),
        "prediction": pa.array([0.5] * len(keys), pa.float64()),
        "model_version": pa.array([model] * len(keys), pa.string()),
        "model_digest": pa.array([f"{model:m>64}"] * len(keys), pa.string()),
        "snapshot_digest": pa.array([f"{revision:0>64}"] * len(keys), pa.string()),
        "revision": pa.array([revision] * len(keys), pa.int64()),
        "run_id": pa.array([run_id] * len(keys), pa.string()),
    }
    return pa.table({**columns, **{name: [value] * len(keys) for name, value in others.items()}})


def query(database_url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What a consumer reads who gives up when something keeps the table to itself."""
    with closing(psycopg2.connect(database_url)) as session, session, session.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
        cursor.execute(statement, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def published_before(database_url: str, window: Window, rows: pa.Table) -> None:
    """What versions did for which each row has all columns."""
    kinds = {field.name: DATABASE_TYPES[field.type] for field in rows.schema}
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    query(
        database_url,
        "CREATE SCHEMA IF NOT EXISTS perennial;"
        f"CREATE TABLE IF NOT EXISTS perennial.predictions_delays (window_start timestamptz, window_end timestamptz, "
        f"{columns}, PRIMARY KEY (window_start, window_end, flight));"
        "CREATE INDEX IF NOT EXISTS by_entity_delays ON perennial.predictions_delays (flight, window_start);"
        "CREATE TABLE IF NOT EXISTS perennial.published_windows (use_case text, window_start timestamptz, "
        "window_end timestamptz, row_count bigint NOT NULL, columns text[] NOT NULL, "
        "fencing_token bigint NOT NULL DEFAULT 0, PRIMARY KEY (use_case, window_start, window_end));"
        + "".join(
            f"ALTER TABLE perennial.predictions_delays ADD COLUMN IF NOT EXISTS {name} {kind};"
            for name, kind in kinds.items()
        ),
    )
    with closing(psycopg2.connect(database_url)) as session, session, session.cursor() as cursor:
        for table in ("predictions_delays", "published_windows"):
            cursor.execute(f"DELETE FROM perennial.{table} WHERE window_start = %s", (window.start,))
        execute_values(
            cursor,
            f"INSERT INTO perennial.predictions_delays (window_start, window_end, {', '.join(kinds)}) VALUES %s",
            [(window.start, window.end, *row.values()) for row in rows.to_pylist()],
        )
        cursor.execute(
            "INSERT INTO perennial.published_windows VALUES ('delays', %s, %s, %s, %s, 0)",
            (window.start, window.end, rows.num_rows, list(kinds)),
        )


def same(found: pa.Table, given: pa.Table) -> bool:
    return found.schema == canonical(given).schema and table_digest(found) == table_digest(given)


TWO_MODELS = pa.concat_tables([predictions("a", "b", "c"), predictions("d", model="8")])


def test_rows_of_two_models_come_back_each_with_its_own_batch(published: PublishedPredictions) -> None:
    published.publish("delays", FIRST, TWO_MODELS)
    published.publish("delays", SECOND, predictions("a", run_id="another"))
    assert same(published.read("delays", FIRST), TWO_MODELS)
    assert same(published.read("delays", SECOND), predictions("a", run_id="another"))
    published.publish("delays", FIRST, predictions("a", "d", revision=2))
    assert same(published.read("delays", FIRST), predictions("a", "d", revision=2))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        *((predictions("a").drop_columns([name]), f"{name} is not there") for name in ("revision", *OF_BATCHES)),
        (predictions("a").set_column(6, "revision", pa.array([1], pa.int32())), "revision is int32, not int64"),
        (predictions("a").set_column(7, "run_id", pa.array([None], pa.string())), "have no run_id"),
        (predictions("a").set_column(3, "model_version", pa.array([None], pa.string())), "have no model_version"),
        (pa.concat_tables([predictions("a"), predictions("b", run_id="another")]), "of one revision and model version"),
    ],
)
def test_rows_that_do_not_say_their_batch_are_refused_and_the_old_ones_stay(
    published: PublishedPredictions, rows: pa.Table, message: str
) -> None:
    published.publish("delays", FIRST, predictions("old"))
    with pytest.raises(SchemaMismatch, match=message):
        published.publish("delays", FIRST, rows)
    assert same(published.read("delays", FIRST), predictions("old"))


# --- what consumers find
# ----------------------------------------------------------------------------------------------------

BATCHES = (
    "SELECT use_case, window_start, revision, model_version, run_id FROM perennial.published_batches ORDER BY 1, 2, 4"
)
SHOWN = (
    "SELECT flight, revision, model_version, model_digest, snapshot_digest, run_id FROM perennial.{}_delays ORDER BY 1"
)
COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = 'perennial.predictions_delays'::regclass "
    "AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)


def shown(rows: pa.Table) -> list[tuple[Any, ...]]:
    """What the view is to show of these rows."""
    wanted = ["flight", "revision", "model_version", *OF_BATCHES]
    return sorted(tuple(row.values()) for row in rows.select(wanted).to_pylist())


def columns(database_url: str) -> list[str]:
    return [name for (name,) in query(database_url, COLUMNS)]


def test_a_batch_is_one_row_beside_the_table_and_a_view_joins_them(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, TWO_MODELS)
    published.publish("others", FIRST, predictions("a", revision=3))
    assert columns(database_url) == [
        "window_start", "window_end", "flight", "event_time", "prediction", "model_version", "revision",
    ]  # fmt: skip
    first = [("delays", START, 1, model, "run") for model in ("7", "8")]
    assert query(database_url, BATCHES) == [*first, ("others", START, 3, "7", "run")]
    assert query(database_url, SHOWN.format("provenance")) == shown(TWO_MODELS)
    published.publish("delays", FIRST, predictions("a", revision=2, run_id="again"))
    assert query(database_url, BATCHES)[0] == ("delays", START, 2, "7", "again")
    published.publish("delays", FIRST, predictions())
    assert query(database_url, BATCHES) == [("others", START, 3, "7", "run")]
    published.erase("others")
    assert query(database_url, BATCHES) == []


def test_the_view_shows_new_columns_and_its_readers_may_go_on(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("a"))
    role = f"consumer_{database_url.rpartition('/')[2]}"
    query(database_url, f"CREATE ROLE {role}; GRANT SELECT ON perennial.provenance_delays TO {role}")
    published.publish("delays", SECOND, predictions("b", band="low"))
    seen = "SELECT flight, band, run_id FROM perennial.provenance_delays ORDER BY 1"
    assert query(database_url, seen) == [("a", None, "run"), ("b", "low", "run")]
    allowed = f"SELECT has_table_privilege('{role}', 'perennial.provenance_delays', 'SELECT')"
    assert query(database_url, allowed) == [(True,)]
    query(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize(
    "done",
    [
        "DROP VIEW perennial.provenance_delays",
        "ALTER TABLE perennial.predictions_delays RENAME COLUMN event_time TO at",
        "ALTER TABLE perennial.predictions_delays RENAME TO predictions_old",
    ],
)
def test_the_view_is_made_again_whatever_somebody_did_to_the_table(database_url: str, done: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("a"))
    query(database_url, done)
    published.publish("delays", SECOND, predictions("b", band="low"))
    seen = "SELECT flight, event_time, band, run_id FROM perennial.provenance_delays WHERE flight = 'b'"
    assert query(database_url, seen) == [("b", START, "low", "run")]


def test_a_lost_batch_is_noticed_without_reading_rows(database_url: str) -> None:
    published = PostgresPublished(database_url)
    for window in (FIRST, SECOND):
        published.publish("delays", window, predictions("a", "b"))
    query(database_url, "DELETE FROM perennial.published_batches WHERE window_start = %s", FIRST.start)
    found = published.overview("delays", START, START + 2 * DAY)
    assert found == {FIRST: PublishedWindow(2, 1, at_once=False), SECOND: PublishedWindow(2, 1, at_once=True)}
    assert published.digest("delays", FIRST) != table_digest(predictions("a", "b"))
    published.publish("delays", FIRST, predictions("a", "b"))
    assert published.overview("delays", START, START + DAY)[FIRST].at_once


# --- tables of before
# ----------------------------------------------------------------------------------------------------


def test_batches_go_with_the_rows_of_windows_that_are_removed(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published_before(database_url, FIRST, predictions("a"))
    assert published.remove("delays", FIRST.end) == 1  # there was no table of batches yet
    for window in (FIRST, SECOND):
        published.publish("delays", window, TWO_MODELS)
    assert published.remove("delays", FIRST.end) == TWO_MODELS.num_rows
    windows = query(database_url, "SELECT DISTINCT window_start FROM perennial.published_batches")
    assert windows == [(SECOND.start,)]


def test_windows_that_were_published_before_stay_as_they_are_and_are_read_like_new_ones(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published_before(database_url, FIRST, TWO_MODELS)
    assert same(published.read("delays", FIRST), TWO_MODELS)
    before = published.overview("delays", START, START + DAY)
    published.publish("delays", SECOND, predictions("z", revision=2))
    assert same(published.read("delays", FIRST), TWO_MODELS)
    assert same(published.read("delays", SECOND), predictions("z", revision=2))
    now = published.overview("delays", START, START + 2 * DAY)
    assert now == {**before, SECOND: PublishedWindow(1, 2, at_once=True)}
    assert now[FIRST].at_once
    in_rows = (
        "SELECT DISTINCT model_digest, snapshot_digest, run_id FROM perennial.predictions_delays WHERE flight = 'z'"
    )
    assert query(database_url, in_rows) == [(None, None, None)]
    assert query(database_url, SHOWN.format("provenance")) == shown(
        pa.concat_tables([TWO_MODELS, predictions("z", revision=2)])
    )
    published.publish("delays", FIRST, TWO_MODELS)
    assert same(published.read("delays", FIRST), TWO_MODELS)
    assert len(query(database_url, BATCHES)) == 3


def test_the_first_publication_after_an_upgrade_waits_for_no_consumer(database_url: str) -> None:
    published_before(database_url, FIRST, predictions("a"))
    with closing(psycopg2.connect(database_url)) as consumer, consumer.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM perennial.predictions_delays")  # its transaction stays open
        PostgresPublished(database_url).publish("delays", SECOND, predictions("b"))
    assert len(query(database_url, SHOWN.format("provenance"))) == 2


def test_an_older_version_that_goes_on_is_read_and_so_is_what_comes_after_it(database_url: str) -> None:
    published = PostgresPublished(database_url)
    for window in (FIRST, SECOND):
        published.publish("delays", window, predictions("a", run_id="new"))
    published_before(database_url, FIRST, predictions("a", "b", run_id="old"))
    assert same(published.read("delays", FIRST), predictions("a", "b", run_id="old"))
    assert published.overview("delays", START, START + DAY) == {FIRST: PublishedWindow(2, 1, at_once=True)}
    published.publish("delays", THIRD, predictions("c", run_id="newest"))
    seen = "SELECT window_start, run_id FROM perennial.provenance_delays ORDER BY 1, 2"
    said = [(FIRST.start, "old"), (FIRST.start, "old"), (SECOND.start, "new"), (THIRD.start, "newest")]
    assert query(database_url, seen) == said


def statements(use_case: str) -> str:
    """The statements of docs/upgrades.md that take the old columns away."""
    (sql,) = re.findall(r"```sql\n(.*?)```", UPGRADES.read_text(), re.DOTALL)
    return str(sql).replace("churn", use_case)


def test_the_old_columns_are_taken_away_as_the_documentation_says(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published_before(database_url, FIRST, TWO_MODELS)
    published.publish("delays", SECOND, predictions("z", revision=2))
    before = published.overview("delays", START, START + 2 * DAY)
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(statements("delays"))
    assert not {*OF_BATCHES} & {*columns(database_url)}
    for _ in range(2):
        assert same(published.read("delays", FIRST), TWO_MODELS)
        assert same(published.read("delays", SECOND), predictions("z", revision=2))
        assert published.overview("delays", START, START + 2 * DAY) == before
        published.publish("delays", THIRD, predictions("c"))
    every = pa.concat_tables([TWO_MODELS, predictions("z", revision=2), predictions("c")])
    assert query(database_url, SHOWN.format("provenance")) == shown(every)


def test_a_row_takes_little_more_than_half_the_room(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = predictions(*(f"flight {n}" for n in range(20_000)), run_id="scheduled__2013-03-01T00:00:00+00:00")
    sizes: list[float] = []
    for publish in (lambda: published_before(database_url, FIRST, rows), lambda: _publish(database_url, rows)):
        publish()
        query(database_url, "REINDEX TABLE perennial.predictions_delays")
        sizes.append(_bytes(database_url, ["predictions_delays", "published_windows", "published_batches"]))
        query(database_url, "DROP TABLE perennial.predictions_delays, perennial.published_windows CASCADE")
    before, now = (size / rows.num_rows for size in sizes)
    with capsys.disabled():
        print(f"\nbytes of a published row, with its indices: {before:.0f} before, {now:.0f} now ({now / before:.2f})")
    assert now < 0.6 * before


def _publish(database_url: str, rows: pa.Table) -> None:
    PostgresPublished(database_url).publish("delays", FIRST, rows)


def _bytes(database_url: str, tables: Sequence[str]) -> int:
    measured = "SELECT sum(pg_total_relation_size(to_regclass(each))) FROM unnest(%s) AS each"
    ((found,),) = query(database_url, measured, [f"{names.SCHEMA}.{table}" for table in tables])
    return int(found)
