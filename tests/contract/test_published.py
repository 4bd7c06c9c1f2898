"""One suite for both published tables: in memory and PostgreSQL."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from tests.waiting import PATIENCE, ended, wait_until

from perennial.digest import TIMESTAMP, canonical, table_digest
from perennial.errors import InvalidSettings, LeaseLost, RowsRemoved, SchemaMismatch, StoreUnavailable
from perennial.lease import Lease
from perennial.ordered import OrderedTable, ordered
from perennial.published import postgres, readying, tables, transfer
from perennial.published.port import PublishedPredictions, PublishedWindow
from perennial.published.postgres import PostgresPublished
from perennial.published.provenance import OF_BATCHES
from perennial.window import Window

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = Window(START, START + DAY)
SECOND = Window(START + DAY, START + 2 * DAY)
AWKWARD = [
    "plain",
    "",
    ' a "quoted", cell',
    "two\nlines\r\n",
    "\\.",
    "\\N",
    "NULL",
    "ü 漢 🛫",
    "'; DROP TABLE x; --",
    "%s",
]
FLOATS = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -2.5, math.nan, math.inf, -math.inf, 123456789.12345679, 0.0]


def predictions(*keys: str | int, revision: int = 1, run_id: str = "run") -> pa.Table:
    count = len(keys)
    return pa.table(
        {
            "flight": pa.array(keys, pa.string() if not keys or isinstance(keys[0], str) else pa.int64()),
            "event_time": pa.array(
                [START + timedelta(microseconds=i) for i in range(count)], pa.timestamp("us", "UTC")
            ),
            "prediction": pa.array([(FLOATS * count)[i] for i in range(count)], pa.float64()),
            "model_version": pa.array(["7"] * count, pa.string()),
            "model_digest": pa.array(["m" * 64] * count, pa.string()),
            "snapshot_digest": pa.array(["s" * 64] * count, pa.string()),
            "revision": pa.array([revision] * count, pa.int64()),
            "run_id": pa.array([run_id] * count, pa.string()),
        }
    )


def same(found: pa.Table, given: pa.Table) -> bool:
    return found.schema == canonical(given).schema and table_digest(found) == table_digest(given)


@pytest.mark.parametrize("keys", [AWKWARD, [1, -5, 2**62], []])
def test_rows_come_back_exactly(published: PublishedPredictions, keys: list[str | int]) -> None:
    given = predictions(*keys)
    published.publish("delays", FIRST, given)
    found = published.read("delays", FIRST)
    assert same(found, given)
    assert repr(found.to_pydict()) == repr(canonical(given).to_pydict())
    assert published.digest("delays", FIRST) == table_digest(given)


def test_nulls_are_not_empty_texts_or_nan(published: PublishedPredictions) -> None:
    given = predictions("a", "b", "c")
    given = given.set_column(2, "prediction", pa.array([None, math.nan, 0.5], pa.float64()))
    given = given.append_column("band", pa.array([None, "", "x"], pa.string()))
    published.publish("delays", FIRST, given)
    assert same(published.read("delays", FIRST), given)


def test_every_type_comes_back_exactly(published: PublishedPredictions) -> None:
    extremes = {
        "flag": pa.array([True, False, None], pa.bool_()),
        "tiny": pa.array([-(2**15), 2**15 - 1, None], pa.int16()),
        "small": pa.array([-(2**31), 2**31 - 1, None], pa.int32()),
        "large": pa.array([-(2**63), 2**63 - 1, None], pa.int64()),
        "single": pa.array([1.1, -math.inf, None], pa.float32()),
        "day": pa.array([date(1, 1, 1), date(9999, 12, 31), None], pa.date32()),
        "instant": pa.array([datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), None], TIMESTAMP),
        "text": pa.array(["", "ü" * 3_000, None], pa.string()),
    }
    given = predictions("a", "b", "c")
    for name, values in extremes.items():
        given = given.append_column(name, values)
    published.publish("delays", FIRST, given)
    assert same(published.read("delays", FIRST), given)
    published.publish("delays", FIRST, given.slice(0, 2))
    assert same(published.read("delays", FIRST), given.slice(0, 2))


@pytest.mark.parametrize("run_bytes", [1, 10**9])
def test_rows_that_are_sorted_outside_of_memory_are_published_like_any_others(
    published: PublishedPredictions, run_bytes: int
) -> None:
    given = predictions(*AWKWARD)
    with ordered([given.slice(5), given.slice(0, 5)], run_bytes) as rows:
        published.publish("delays", FIRST, rows)
        assert published.digest("delays", FIRST) == rows.digest() == table_digest(given)
    keyless = predictions("a").set_column(0, "flight", pa.array([None], pa.string()))
    for refused in (predictions("a", "b", "b"), keyless):
        with ordered([refused], run_bytes) as rows, pytest.raises(SchemaMismatch, match="Nothing was published"):
            published.publish("delays", FIRST, rows)
    assert same(published.read("delays", FIRST), given)


def test_rows_that_can_not_be_read_any_more_are_told_as_that_and_the_old_ones_stay(database_url: str) -> None:
    class Gone(OrderedTable):
        def chunks(self, columns: Sequence[str] | None = None, chunk_rows: int = 1) -> Iterator[pa.Table]:
            yield from super().chunks(columns, 1)
            if columns and len(columns) > 1:  # when they are sent, not when their keys are looked at
                raise RowsRemoved("somebody took the file away")

    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("old"))
    with pytest.raises(RowsRemoved, match="took the file away"):
        published.publish("delays", FIRST, Gone.of(predictions("a", "b")))
    assert same(published.read("delays", FIRST), predictions("old"))


@pytest.mark.parametrize(
    ("run_bytes", "stored"), [(10**9, [1, 2, 3, 4, 5, 6]), (1, [3, 6, 2, 5, 1, 4])], ids=["one run", "three runs"]
)
def test_rows_are_stored_in_the_order_of_their_keys_as_far_as_memory_goes(
    database_url: str, monkeypatch: pytest.MonkeyPatch, run_bytes: int, stored: list[int]
) -> None:
    monkeypatch.setattr(transfer, "RUN_BYTES", run_bytes)
    given = OrderedTable.of(predictions(6, 3, 5, 2, 4, 1))
    in_twos = given.chunks
    monkeypatch.setattr(given, "chunks", lambda columns=None: in_twos(columns, 2))
    PostgresPublished(database_url).publish("delays", FIRST, given)
    found = query(database_url, "SELECT flight FROM perennial.predictions_delays ORDER BY ctid")
    assert found == [(key,) for key in stored]


def test_consumers_find_the_key_first_however_the_rows_come(database_url: str) -> None:
    PostgresPublished(database_url).publish("delays", FIRST, canonical(predictions("a")))
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        cursor.execute("SELECT * FROM perennial.predictions_delays")
        names = [column.name for column in cursor.description or ()]
    own = [name for name in predictions("a").column_names if name not in OF_BATCHES]
    assert names == ["window_start", "window_end", *own]


def test_publishing_exchanges_the_window_and_no_other(published: PublishedPredictions) -> None:
    published.publish("delays", FIRST, predictions("a", "b"))
    published.publish("delays", SECOND, predictions("a"))
    published.publish("arrivals", FIRST, predictions("z"))
    published.publish("delays", FIRST, predictions("b", "c", revision=2))
    assert same(published.read("delays", FIRST), predictions("b", "c", revision=2))
    assert same(published.read("delays", SECOND), predictions("a"))
    assert same(published.read("arrivals", FIRST), predictions("z"))


def test_zero_rows_empty_the_window(published: PublishedPredictions) -> None:
    published.publish("delays", FIRST, predictions("a"))
    published.publish("delays", FIRST, predictions())
    assert same(published.read("delays", FIRST), predictions())


def test_what_was_never_published_has_zero_rows(published: PublishedPredictions) -> None:
    assert published.read("delays", FIRST).num_rows == 0
    published.publish("delays", FIRST, predictions("a"))
    assert published.read("delays", SECOND).num_rows == 0


def test_published_windows_are_named_but_for_empty_ones(published: PublishedPredictions) -> None:
    assert published.windows("flights", START, START + 2 * DAY) == []
    published.publish("flights", SECOND, predictions("a"))
    published.publish("flights", FIRST, predictions("b"))
    published.publish("others", FIRST, predictions("c"))
    assert published.windows("flights", START, START + 2 * DAY) == [FIRST, SECOND]
    assert published.windows("flights", START, START + DAY) == [FIRST]
    assert published.windows("flights", START + DAY, START + 2 * DAY) == [SECOND]
    published.publish("flights", SECOND, predictions("a").slice(0, 0))
    assert published.windows("flights", START, START + 2 * DAY) == [FIRST]


def test_windows_are_counted_with_their_revision(published: PublishedPredictions) -> None:
    assert published.overview("delays", START, START + 2 * DAY) == {}
    published.publish("delays", FIRST, predictions("a", "b", revision=3))
    published.publish("delays", SECOND, predictions("a"))
    published.publish("arrivals", FIRST, predictions("z"))
    first, second = PublishedWindow(2, 3, at_once=True), PublishedWindow(1, 1, at_once=True)
    assert published.overview("delays", START, START + 2 * DAY) == {FIRST: first, SECOND: second}
    assert published.overview("delays", START, START + DAY) == {FIRST: first}
    assert published.overview("delays", START + DAY, START + 2 * DAY) == {SECOND: second}
    mixed = pa.concat_tables([predictions("a", revision=1), predictions("b", revision=2)])
    published.publish("delays", FIRST, mixed)
    published.publish("delays", SECOND, predictions())
    assert published.overview("delays", START, START + 2 * DAY) == {FIRST: PublishedWindow(2, None, at_once=True)}


def test_rows_that_were_changed_one_by_one_were_not_written_at_once(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("a", "b"))
    published.publish("delays", SECOND, predictions("a", "b"))
    with closing(psycopg2.connect(database_url)) as session, session, session.cursor() as cursor:
        cursor.execute(
            "UPDATE perennial.predictions_delays SET prediction = 0.5 WHERE flight = 'a' AND window_start = %s",
            (START,),
        )
    found = published.overview("delays", START, START + 2 * DAY)
    assert [found[each] for each in (FIRST, SECOND)] == [PublishedWindow(2, 1, at_once=each) for each in (False, True)]
    published.publish("delays", FIRST, predictions("a", "b"))
    assert published.overview("delays", START, START + DAY)[FIRST].at_once


def test_new_columns_come_in_and_each_window_keeps_its_own(published: PublishedPredictions) -> None:
    narrow = predictions("a", "b")
    wide = predictions("a").append_column("approved", pa.array([True])).append_column("band", pa.array(["low"]))
    published.publish("delays", FIRST, narrow)
    published.publish("delays", SECOND, wide)
    assert same(published.read("delays", FIRST), narrow)
    assert same(published.read("delays", SECOND), wide)
    published.publish("delays", SECOND, narrow)
    assert same(published.read("delays", SECOND), narrow)


def test_the_key_stays_the_key_whatever_the_order_of_columns(published: PublishedPredictions) -> None:
    published.publish("delays", FIRST, predictions("a", "b"))
    again = canonical(predictions("a", "b").append_column("band", pa.array(["low", "low"])))
    published.publish("delays", FIRST, again)
    assert same(published.read("delays", FIRST), again)


def test_decisions_come_in_as_a_column_that_older_windows_lack_and_are_never_taken_for_the_key(
    published: PublishedPredictions,
) -> None:
    decided = canonical(predictions("a", "b").append_column("decided", pa.array([True, False])))  # before the key
    published.publish("delays", FIRST, decided)
    assert same(published.read("delays", FIRST), decided)
    published.publish("delays", SECOND, predictions("a"))
    assert same(published.read("delays", SECOND), predictions("a"))
    published.publish("delays", FIRST, predictions("a", "b"))
    assert same(published.read("delays", FIRST), predictions("a", "b"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (predictions("a", "a"), "1 values of flight more than once"),
        (predictions("a").set_column(0, "flight", pa.array([None], pa.string())), "1 predictions .* have no flight"),
        (predictions("a").drop_columns(["flight"]), "key column"),
        (predictions("a").append_column("window_start", pa.array([1])), "window_start"),
        (predictions("a").append_column("tiny", pa.array([1], pa.int8())), "int8"),
        (predictions(1), "flight"),
        (predictions("a").set_column(6, "revision", pa.array(["1"])), "revision"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_the_old_ones_stay(
    published: PublishedPredictions, rows: pa.Table, message: str
) -> None:
    published.publish("delays", FIRST, predictions("old"))
    with pytest.raises(SchemaMismatch, match=message):
        published.publish("delays", FIRST, rows)
    assert same(published.read("delays", FIRST), predictions("old"))


def test_text_that_the_database_cannot_hold_is_refused(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("old"))
    with pytest.raises(SchemaMismatch, match="Nothing was published"):
        published.publish("delays", FIRST, predictions("a\x00b"))
    assert same(published.read("delays", FIRST), predictions("old"))


def test_consumers_find_one_table_with_a_primary_key(database_url: str) -> None:
    PostgresPublished(database_url).publish("delays", FIRST, predictions("a", "b"))
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        cursor.execute("SELECT flight, window_start, window_end FROM perennial.predictions_delays ORDER BY 1")
        assert cursor.fetchall() == [("a", FIRST.start, FIRST.end), ("b", FIRST.start, FIRST.end)]
        cursor.execute("SELECT use_case, window_start, row_count FROM perennial.published_windows")
        assert cursor.fetchall() == [("delays", FIRST.start, 2)]
        with pytest.raises(psycopg2.IntegrityError):
            cursor.execute("INSERT INTO perennial.predictions_delays SELECT * FROM perennial.predictions_delays")


def test_the_sessions_settings_have_no_say(database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'SQL, DMY'", "extra_float_digits = -10"):
            cursor.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {session.info.dbname} SET {setting}")
        session.commit()
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions(*AWKWARD))
    assert same(published.read("delays", FIRST), predictions(*AWKWARD))


def test_first_publishers_at_once_make_one_table(database_url: str) -> None:
    windows = [Window(START + day * DAY, START + (day + 1) * DAY) for day in range(8)]
    published = PostgresPublished(database_url)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda window: published.publish("delays", window, predictions(window.key)), windows))
    assert [published.read("delays", window).num_rows for window in windows] == [1] * 8


def test_rivals_for_one_window_leave_the_rows_of_one(database_url: str) -> None:
    published = PostgresPublished(database_url)
    rivals = [predictions(*(f"{rival}-{i}" for i in range(50)), revision=rival) for rival in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda rows: published.publish("delays", FIRST, rows), rivals))
    assert published.digest("delays", FIRST) in {table_digest(rows) for rows in rivals}


PUBLISHER = """
import sys
import pyarrow as pa
from perennial.published.postgres import PostgresPublished
from perennial.window import Window
rows = pa.table({"flight": ["new"], "prediction": [0.9], "revision": [2], "model_version": ["7"],
    "model_digest": ["m"], "snapshot_digest": ["s"], "run_id": ["r"]})
PostgresPublished(sys.argv[1]).publish("delays", Window.parse(sys.argv[2]), rows)
"""


def test_a_publisher_killed_in_the_middle_leaves_the_old_rows(database_url: str) -> None:
    """A reader's lock stops the publisher after its rows have arrived and before the old ones are gone."""
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("old"))
    with closing(psycopg2.connect(database_url)) as reader, reader.cursor() as cursor:
        cursor.execute("LOCK TABLE perennial.predictions_delays IN SHARE MODE")
        publisher = subprocess.Popen([sys.executable, "-c", PUBLISHER, database_url, FIRST.key])
        try:
            _wait_for_delete(database_url, publisher)
            os.kill(publisher.pid, signal.SIGKILL)
        finally:
            publisher.kill()
            publisher.wait()
    assert same(published.read("delays", FIRST), predictions("old"))
    published.publish("delays", FIRST, predictions("new"))  # the killed one holds nothing any more
    assert same(published.read("delays", FIRST), predictions("new"))


STOPPED_WHILE_SENDING = """
import os, signal, sys
import pyarrow as pa
from perennial.errors import StoreUnavailable
from perennial.published import postgres
from perennial.window import Window
in_order = postgres.by_key
def stopping(chunks, key):
    for number, chunk in enumerate(in_order(chunks, key)):
        if number == 2:
            print("stops", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        yield chunk
postgres.by_key = stopping
count = 60_000
rows = pa.table({"flight": [f"stopped-{i}" for i in range(count)], "prediction": [0.9] * count, "revision": [2] * count,
    "model_version": ["7"] * count, "model_digest": ["m"] * count, "snapshot_digest": ["s"] * count,
    "run_id": ["r"] * count})
try:
    postgres.PostgresPublished(sys.argv[1], heartbeat_timeout=1.0).publish("delays", Window.parse(sys.argv[2]), rows)
except StoreUnavailable as refused:
    print("refused", refused, flush=True)
"""


def test_a_publisher_stopped_while_it_sends_rows_loses_its_turn_to_who_waits(
    database_url: str, repository: Path
) -> None:
    """No timeout of the server ends a COPY that waits for its client."""
    published = PostgresPublished(database_url, heartbeat_timeout=1.0)
    published.publish("delays", FIRST, predictions("old"))
    command = [sys.executable, "-c", STOPPED_WHILE_SENDING, database_url, FIRST.key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stopped:
        assert stopped.stdout is not None
        try:
            assert stopped.stdout.readline() == "stops\n"
            assert same(published.read("delays", FIRST), predictions("old"))
            documented = _documented_query(repository, "pg_stat_progress_copy")
            wait_until(lambda: bool(query(database_url, documented)), "the server to have taken what was sent")
            assert [str(row[2]).endswith("predictions_delays") for row in query(database_url, documented)] == [True]
            published.publish("delays", SECOND, predictions("other"))  # another window's turn is another
            published.publish("delays", FIRST, predictions("new"))
            os.kill(stopped.pid, signal.SIGCONT)
            assert stopped.stdout.readline().startswith("refused Publishing delays")
        finally:
            stopped.kill()
    assert same(published.read("delays", FIRST), predictions("new"))


def _documented_query(repository: Path, looks_into: str) -> str:
    """By which an operator finds who hangs while it sends or reads rows."""
    text = (repository / "docs" / "operations.md").read_text()
    return next(
        part for part in (each.partition("```")[0] for each in text.split("```sql\n")[1:]) if looks_into in part
    )


def test_a_publisher_whose_rows_come_slowly_keeps_its_turn(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It sends for longer than a silence may last, and never is silent for so long."""
    in_order, patient = transfer.by_key, PostgresPublished(database_url, heartbeat_timeout=6.0)
    patient.publish("delays", FIRST, predictions("old"))
    count = 10_000
    slow = predictions(*(f"slow-{i}" for i in range(count)))
    begun = threading.Event()

    def slowly(chunks: Iterator[pa.Table], key: str) -> Iterator[pa.Table]:
        for chunk in in_order(chunks, key):
            if chunk.num_rows < count:
                yield chunk
                continue
            for first in range(0, count, 1_000):
                yield chunk.slice(first, 1_000)
                begun.set()
                time.sleep(1.0)

    monkeypatch.setattr(postgres, "by_key", slowly)
    monkeypatch.setattr(transfer, "READ_BYTES", 1 << 16)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(patient.publish, "delays", FIRST, slow)
        begun.wait(PATIENCE)
        patient.publish("delays", FIRST, predictions("new"))
        first.result()  # it was not ended
    assert same(patient.read("delays", FIRST), predictions("new"))
    assert "taking over" not in caplog.text


def _wait_for_delete(database_url: str, publisher: "subprocess.Popen[bytes]") -> None:
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        session.autocommit = True

        def deleting() -> bool:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM%'"
            )
            return bool(cursor.fetchone() == (1,))

        wait_until(deleting, "the publisher to delete", lambda: ended(publisher))


def test_a_server_that_is_down_is_unavailable() -> None:
    published = PostgresPublished("postgresql://user:hushhush@127.0.0.1:1/nowhere")
    for call in (lambda: published.publish("delays", FIRST, predictions("a")), lambda: published.read("delays", FIRST)):
        with pytest.raises(StoreUnavailable, match="run the task again") as raised:
            call()
        assert "hushhush" not in str(raised.value)


def test_a_missing_right_is_told(database_url: str) -> None:
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        role = f"reader_{session.info.dbname}"
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hushhush'")
        session.commit()
        url = f"postgresql://{role}:hushhush@127.0.0.1:{session.info.port}/{session.info.dbname}"
    with pytest.raises(InvalidSettings, match="permission denied"):
        PostgresPublished(url).publish("delays", FIRST, predictions("a"))


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hushhush@host/db",
        "postgresql://user:hush#hush@host:x/db",
        "postgresql://u:hushhush@127.0.0.1/db?cursr=x",
    ],
)
def test_addresses_that_cannot_be_used_are_told_without_the_password(url: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        PostgresPublished(url).read("delays", FIRST)
    assert "hush" not in str(raised.value)
    assert raised.value.__cause__ is None


# --- fencing tokens
# ----------------------------------------------------------------------------------------------------


def lease(fencing_token: int) -> Lease:
    return Lease("flights", FIRST, fencing_token, contested=False)


def test_a_late_publisher_is_refused_and_the_live_rows_stay(published: PublishedPredictions) -> None:
    published.publish("flights", FIRST, predictions("a"), lease(5))
    published.publish("flights", FIRST, predictions("b"), lease(6))
    with pytest.raises(LeaseLost, match=r"fencing token 6 in .*published|fencing token 6 in perennial"):
        published.publish("flights", FIRST, predictions("a"), lease(5))
    assert published.read("flights", FIRST).column("flight").to_pylist() == ["b"]
    published.publish("flights", SECOND, predictions("c"), lease(1))
    published.publish("flights", FIRST, predictions("d"), lease(6))
    assert published.read("flights", FIRST).column("flight").to_pylist() == ["d"]


def test_windows_that_were_published_when_fencing_tokens_were_called_epochs_keep_them(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("flights", FIRST, predictions("a"), lease(5))
    with closing(psycopg2.connect(database_url)) as session, session, session.cursor() as cursor:
        cursor.execute("ALTER TABLE perennial.published_windows RENAME COLUMN fencing_token TO epoch")
    with pytest.raises(LeaseLost):
        PostgresPublished(database_url).publish("flights", FIRST, predictions("b"), lease(4))
    PostgresPublished(database_url).publish("flights", FIRST, predictions("c"), lease(6))
    assert published.read("flights", FIRST).column("flight").to_pylist() == ["c"]


def test_windows_that_were_published_before_there_were_fencing_tokens_go_on(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("flights", FIRST, predictions("a"), lease(5))
    with closing(psycopg2.connect(database_url)) as session, session, session.cursor() as cursor:
        cursor.execute("ALTER TABLE perennial.published_windows DROP COLUMN fencing_token")
    published.publish("flights", FIRST, predictions("b"), lease(3))
    with pytest.raises(LeaseLost):
        published.publish("flights", FIRST, predictions("c"), lease(2))


def test_an_ended_table_says_so_and_stays_readable_until_it_is_erased(published: PublishedPredictions) -> None:
    for window in (FIRST, SECOND):
        published.publish("delays", window, predictions("a", "b"))
    published.publish("others", FIRST, predictions("c"))
    assert published.ended("delays") is None
    for reason in ("closed", "the 'shop' closed."):  # the last word counts
        published.mark_ended("delays", START, reason)
    assert published.ended("delays") == "ENDED on 2013-03-01: the 'shop' closed. No new rows come."
    assert published.ended("others") is None
    assert published.read("delays", FIRST).num_rows == 2
    before = published.size("delays")
    assert before.rows == 4
    assert before.bytes > 0
    assert published.erase("delays") == before
    assert published.size("delays").rows == 0
    assert published.read("delays", FIRST).num_rows == 0
    assert published.read("others", FIRST).num_rows == 1
    assert published.ended("delays") is not None


def test_rows_of_windows_that_ended_by_a_moment_are_removed_and_the_token_stays(
    published: PublishedPredictions,
) -> None:
    for window, keys in ((FIRST, ("a", "b")), (SECOND, ("c",))):
        published.publish("delays", window, predictions(*keys), lease(2) if window is FIRST else None)
    published.publish("others", FIRST, predictions("d"))
    assert published.remove("delays", FIRST.end - timedelta(seconds=1)) == 0
    assert [published.remove("delays", FIRST.end) for _ in range(2)] == [2, 0]
    assert published.read("delays", FIRST).num_rows == 0
    assert published.windows("delays", START, SECOND.end) == [SECOND]
    assert published.overview("delays", START, SECOND.end).keys() == {SECOND}
    assert published.read("delays", SECOND).num_rows == published.read("others", FIRST).num_rows == 1
    with pytest.raises(LeaseLost):
        published.publish("delays", FIRST, predictions("late"), lease(1))
    published.publish("delays", FIRST, predictions("again"), lease(3))
    assert published.windows("delays", START, SECOND.end) == [FIRST, SECOND]
    assert published.remove("nothing", FIRST.end) == 0


def test_a_use_case_that_never_published_ends_too(published: PublishedPredictions) -> None:
    assert published.size("nothing").rows == 0
    assert published.erase("nothing").rows == 0
    published.mark_ended("nothing", START, "never begun")
    assert published.ended("nothing") == "ENDED on 2013-03-01: never begun. No new rows come."


def test_consumers_find_the_end_in_the_comment_and_in_a_table(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("a"))
    published.mark_ended("delays", START, "100% of it isn't needed")
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        cursor.execute("SELECT obj_description('perennial.predictions_delays'::regclass)")
        assert cursor.fetchone() == (published.ended("delays"),)
        cursor.execute("SELECT use_case, ended_at, reason FROM perennial.ended_use_cases")
        assert cursor.fetchall() == [("delays", START, "100% of it isn't needed")]


# --- beside consumers
# ----------------------------------------------------------------------------------------------------


def query(database_url: str, statement: str) -> list[tuple[object, ...]]:
    """What a consumer reads who gives up when something keeps the table to itself."""
    with closing(psycopg2.connect(database_url)) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute("SET lock_timeout = '1s'")
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


INDEXES = (
    "SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE NOT indisprimary "
    "AND indrelid = 'perennial.predictions_delays'::regclass"
)
BY_ENTITY = "CREATE INDEX by_entity_delays ON perennial.predictions_delays USING btree (flight, window_start)"
READ = "SELECT count(*) FROM perennial.predictions_delays"


def wide(*keys: str) -> pa.Table:
    return predictions(*keys).append_column("band", pa.array(["low"] * len(keys)))


def test_consumers_find_an_entity_by_an_index(database_url: str) -> None:
    PostgresPublished(database_url).publish("delays", FIRST, predictions("a"))
    assert query(database_url, INDEXES) == [(BY_ENTITY, True)]


def test_a_table_that_was_made_without_the_index_gets_it(database_url: str) -> None:
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("a", "b"))
    query(database_url, "DROP INDEX perennial.by_entity_delays")
    published.publish("delays", SECOND, predictions("a"))
    assert query(database_url, INDEXES) == [(BY_ENTITY, True)]


def test_a_consumer_in_a_long_transaction_delays_the_index_and_no_publication(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readying, "INDEX_SECONDS", 1)
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("a"))
    query(database_url, "DROP INDEX perennial.by_entity_delays")
    with closing(psycopg2.connect(database_url)) as consumer, consumer.cursor() as cursor:
        consumer.set_session(isolation_level="REPEATABLE READ")
        cursor.execute(READ)
        published.publish("delays", SECOND, predictions("a"))
        assert query(database_url, INDEXES) == [(BY_ENTITY, False)]
    assert same(published.read("delays", SECOND), predictions("a"))
    published.publish("delays", SECOND, predictions("b"))
    assert query(database_url, INDEXES) == [(BY_ENTITY, True)]


def test_a_new_column_keeps_nobody_waiting_while_its_rows_are_published(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, copy_in, read = PostgresPublished(database_url), postgres.copy_in, []
    published.publish("delays", FIRST, predictions("a"))

    def slow(*given: Any) -> None:
        copy_in(*given)
        read.extend(query(database_url, READ))

    monkeypatch.setattr(postgres, "copy_in", slow)
    published.publish("delays", SECOND, wide("a", "b"))
    assert read == [(1,)]
    assert query(database_url, READ) == [(3,)]


def test_a_new_column_waits_for_a_consumer_and_others_read_meanwhile(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, tried = PostgresPublished(database_url), []
    published.publish("delays", FIRST, predictions("a"))
    make_ready = tables.make_ready

    def counted(*given: Any) -> None:
        tried.append(1)
        make_ready(*given)

    monkeypatch.setattr(tables, "make_ready", counted)
    with (
        ThreadPoolExecutor(1) as pool,
        closing(psycopg2.connect(database_url)) as consumer,
        consumer.cursor() as cursor,
    ):
        cursor.execute(READ)  # its transaction stays open
        publishing = pool.submit(published.publish, "delays", SECOND, wide("a"))
        wait_until(lambda: len(tried) > 2, "the publisher to try again", lambda: None)
        assert [query(database_url, READ) for _ in range(20)] == [[(1,)]] * 20
        assert not publishing.done()
        consumer.rollback()
        publishing.result(PATIENCE)
    assert same(published.read("delays", SECOND), wide("a"))


def test_a_table_that_is_never_free_is_told_and_nothing_is_published(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readying, "PATIENCE_SECONDS", 0.5)
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions("a"))
    with closing(psycopg2.connect(database_url)) as consumer, consumer.cursor() as cursor:
        cursor.execute(READ)
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            published.publish("delays", FIRST, wide("a"))
    assert same(published.read("delays", FIRST), predictions("a"))


STOPPED_WHILE_READING = """
import os, signal, sys
import psycopg2
session = psycopg2.connect(sys.argv[1])
class Stopping:
    def write(self, part):
        print("stops", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
session.cursor().copy_expert("COPY perennial.predictions_delays TO STDOUT", Stopping())
"""


def test_a_consumer_stopped_while_it_copies_rows_out_is_found_by_the_documented_query(
    database_url: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not ours to end: it keeps a new column waiting, and nothing else."""
    monkeypatch.setattr(readying, "PATIENCE_SECONDS", 0.5)
    published = PostgresPublished(database_url)
    published.publish("delays", FIRST, predictions(*(f"flight {number}" for number in range(60_000))))
    documented = _documented_query(repository, "pg_locks")
    assert query(database_url, documented) == []
    command = [sys.executable, "-c", STOPPED_WHILE_READING, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stopped:
        assert stopped.stdout is not None
        try:
            assert stopped.stdout.readline() == "stops\n"
            wait_until(lambda: bool(query(database_url, documented)), "the server to wait for the consumer")
            published.publish("delays", SECOND, predictions("other"))
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                published.publish("delays", SECOND, wide("other"))
            (found,) = query(database_url, documented)
            assert str(found[3]).endswith("predictions_delays")
            query(database_url, f"SELECT pg_terminate_backend({found[0]})")
            wait_until(lambda: not query(database_url, documented), "the session to end")
            published.publish("delays", SECOND, wide("other"))
        finally:
            stopped.kill()
    assert same(published.read("delays", SECOND), wide("other"))
