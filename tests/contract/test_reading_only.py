"""Who only reads: on a real PostgreSQL, nothing is changed through the ports of the review pages, or waits for long."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg2
import pyarrow as pa
import pytest
from tests.unit.jobs.world import as_batch

from perennial import clock
from perennial.cli.main import main
from perennial.errors import InvalidSettings, PerennialError, StoreUnavailable
from perennial.ledger.entries import Snapshot
from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema.migrate import refuse_other_versions
from perennial.ledger.postgres.schema.readers import prepare_reader
from perennial.pages.asked import Asked
from perennial.pages.reader import Records, answered
from perennial.ports import Ports
from perennial.published.postgres import PostgresPublished
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.window import Window
from perennial.wiring import open_reading_ports

WINDOW = Window(datetime(2013, 3, 5, tzinfo=UTC), datetime(2013, 3, 6, tzinfo=UTC))
ROWS = as_batch(pa.table({"flight": pa.array([1, 2]), "probability": pa.array([0.25, 0.5])}))
SNAPSHOT = Snapshot(
    use_case="flights", window=WINDOW, table="raw", version=1, digest="d", rows=2, columns={}, query="SELECT 1",
    run_id="test",
)  # fmt: skip


def as_user(url: str, user: str, password: str = "secret") -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))


def sql(url: str, *statements: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as session, session, session.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def reader_url(ledger_url: str) -> Iterator[str]:
    """The ledger's database as a user who may only read; the user is a new one, for roles are shared by databases."""
    user = f"reader_{uuid4().hex[:8]}"
    url = as_user(ledger_url, user)
    for schema in ("ledger", "perennial"):
        assert prepare_reader(ledger_url, url, schema) == user
    yield url
    sql(ledger_url, f"DROP OWNED BY {user}", f"DROP ROLE {user}")


def reading(url: str, folder: Path, timeout: float = 10.0) -> Ports:
    settings = Settings.from_environment({"PERENNIAL_HOME": str(folder), "PERENNIAL_MLFLOW_URL": "http://127.0.0.1:1"})
    return open_reading_ports(settings, connections(url), timeout)


def connections(url: str) -> EnvironmentConnections:
    names = ("PERENNIAL_LEDGER_READER", "PERENNIAL_PUBLISHED_READER")
    return EnvironmentConnections({f"AIRFLOW_CONN_{name}": url for name in names})


@pytest.fixture(params=["as a user who only reads", "as the writers' user"])
def ports(request: pytest.FixtureRequest, ledger_url: str, tmp_path: Path) -> Iterator[Ports]:
    """The ports of the pages, as they are with the connections of the readers and without."""
    own = "only" in request.param
    opened = reading(request.getfixturevalue("reader_url") if own else ledger_url, tmp_path)
    yield opened
    assert isinstance(opened.ledger, PostgresLedger)
    opened.ledger.close()


def test_what_is_recorded_and_published_is_read_and_nothing_is_changed(ports: Ports, ledger_url: str) -> None:
    ledger, published = PostgresLedger(ledger_url, clock.now), PostgresPublished(ledger_url)
    ledger.record_snapshot(SNAPSHOT)
    published.publish("flights", WINDOW, ROWS)  # makes its table only now: after the rights were given
    snapshot = ports.ledger.latest_snapshot("flights", WINDOW)
    assert snapshot is not None
    assert ports.published.read("flights", WINDOW).num_rows == 2

    refused = r"read-only|permission denied|must be owner"
    with pytest.raises(InvalidSettings, match=refused):
        ports.ledger.record_snapshot(replace(SNAPSHOT, version=2, digest="other"))
    with pytest.raises(InvalidSettings, match=refused):
        ports.published.publish("flights", WINDOW, ROWS.slice(1))
    with pytest.raises(InvalidSettings, match=refused), ports.ledger.working_on("flights", WINDOW, "reader"):
        pytest.fail("a window was held by who only reads")
    with ledger.working_on("flights", WINDOW, "writer"):  # nobody holds it
        pass
    assert sql(ledger_url, "SELECT run_id FROM ledger.leases") == [("writer",)]
    assert sql(ledger_url, "SELECT count(*) FROM ledger.snapshots") == [(1,)]
    assert published.read("flights", WINDOW).num_rows == 2
    ledger.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger.alembic_version VALUES ('1')",
        "UPDATE ledger.alembic_version SET version_num = '1'",
        "DELETE FROM ledger.alembic_version",
        "TRUNCATE ledger.snapshots",
        "LOCK TABLE ledger.snapshots IN EXCLUSIVE MODE",
        "SELECT * FROM ledger.alembic_version FOR UPDATE",
        "DROP TABLE ledger.snapshots",
        "CREATE TABLE ledger.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE ledger.snapshots DISABLE TRIGGER append_only",
    ],
)
def test_the_readers_role_can_only_select(reader_url: str, statement: str) -> None:
    """Also in a session that is not read-only."""
    assert sql(reader_url, "SELECT count(*) FROM ledger.snapshots") == [(0,)]
    with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.InvalidSchemaName)):
        sql(reader_url, statement)


def test_a_table_of_a_later_version_is_readable_too(reader_url: str, ledger_url: str) -> None:
    sql(ledger_url, "CREATE TABLE ledger.later (id int)", "INSERT INTO ledger.later VALUES (1)")
    assert sql(reader_url, "SELECT id FROM ledger.later") == [(1,)]


def test_rights_are_given_again_without_harm(reader_url: str, ledger_url: str) -> None:
    user = urlsplit(reader_url).username
    assert prepare_reader(ledger_url, reader_url, "ledger") == user
    assert sql(reader_url, "SELECT count(*) FROM ledger.snapshots") == [(0,)]


def test_the_writers_user_is_no_reader(ledger_url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"same user.*Name another"):
        prepare_reader(ledger_url, ledger_url, "ledger")


def test_who_may_not_create_a_user_is_told_whom_to_ask(reader_url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"administrator.*create the user 'nobody_yet'"):
        prepare_reader(reader_url, as_user(reader_url, "nobody_yet"), "ledger")


def test_a_database_that_is_down_is_told_when_rights_are_given() -> None:
    down = "postgresql://somebody:secret@127.0.0.1:1/facts"
    with pytest.raises(StoreUnavailable, match=r"not given the right") as caught:
        prepare_reader(down, as_user(down, "reader"), "ledger")
    assert "secret" not in str(caught.value)


def test_what_takes_too_long_is_given_up(reader_url: str, ledger_url: str, tmp_path: Path) -> None:
    """A table that somebody locks: the reader does not wait for longer than its timeout, and says what to do."""
    PostgresPublished(ledger_url).publish("flights", WINDOW, ROWS)
    ports = reading(reader_url, tmp_path, timeout=0.2)
    assert isinstance(ports.ledger, PostgresLedger)
    with closing(psycopg2.connect(ledger_url)) as session, session, session.cursor() as cursor:
        cursor.execute("LOCK TABLE ledger.snapshots, perennial.predictions_flights IN ACCESS EXCLUSIVE MODE")
        for read in (ports.ledger.latest_snapshot, ports.published.read):
            with pytest.raises(StoreUnavailable, match=r"statement timeout.*try again later, or ask for fewer windows"):
                read("flights", WINDOW)
    assert ports.ledger.latest_snapshot("flights", WINDOW) is None
    ports.ledger.close()


def test_a_page_that_takes_too_long_says_so(
    reader_url: str, ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    monkeypatch.setattr("perennial.pages.reader.READING_SECONDS", 0.2)
    settings = Settings.from_environment(
        {
            "PERENNIAL_HOME": str(tmp_path),
            "PERENNIAL_MLFLOW_URL": "http://127.0.0.1:1",
            "PERENNIAL_USE_CASES": str(repository / "include" / "use_cases"),
        }
    )
    records = Records(settings, connections(reader_url))
    asked = Asked("use_case", {"use_case": "flight_delays"}, ("flight_delays",), "/perennial", "")
    assert answered(asked, settings, records).status == 200
    with closing(psycopg2.connect(ledger_url)) as session, session, session.cursor() as cursor:
        cursor.execute("LOCK TABLE ledger.snapshots IN ACCESS EXCLUSIVE MODE")
        page = answered(asked, settings, records)  # it does not wait for the lock, which is given back after it
    assert page.status == 503
    assert b"The records can&#39;t be read right now" in page.body
    assert b"try again later, or ask for fewer windows" in page.body
    assert answered(asked, settings, records).status == 200


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ledger.alembic_version SET version_num = '0003'", r"lacks the revisions 0004, .*perennial db upgrade"),
        ("UPDATE ledger.alembic_version SET version_num = '9999'", r"revision 9999.*or a newer one"),
        ("DROP SCHEMA ledger CASCADE", r"lacks the revisions 0001, .*perennial db upgrade"),
    ],
)
def test_tables_of_another_version_are_refused(ledger_url: str, statement: str, said: str) -> None:
    database = LedgerDatabase(ledger_url, reading_timeout=10.0)
    refuse_other_versions(database)
    sql(ledger_url, statement)
    with pytest.raises(PerennialError, match=said) as caught:
        refuse_other_versions(database)
    assert isinstance(caught.value, InvalidSettings)
    database.close()


def test_the_command_lets_both_readers_read(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = f"reader_{uuid4().hex[:8]}"
    for store in ("LEDGER", "PUBLISHED"):
        monkeypatch.setenv(f"AIRFLOW_CONN_PERENNIAL_{store}", ledger_url)
        monkeypatch.setenv(f"AIRFLOW_CONN_PERENNIAL_{store}_READER", as_user(ledger_url, user))
    monkeypatch.setattr("sys.argv", ["perennial", "db", "readers"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out.splitlines() == [
        f"{user} may read the schema ledger", f"{user} may read the schema perennial",
    ]  # fmt: skip
    PostgresPublished(ledger_url).publish("flights", WINDOW, ROWS)
    for table in ("predictions_flights", "provenance_flights"):
        assert sql(as_user(ledger_url, user), f"SELECT count(*) FROM perennial.{table}") == [(2,)]
    sql(ledger_url, f"DROP OWNED BY {user}", f"DROP ROLE {user}")
