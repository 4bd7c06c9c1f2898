"""Through a real PgBouncer: what works with each mode of pooling, and what is refused.

PgBouncer is a package of the system. Where it is not installed, these tests are skipped, and say so; but not in CI,
where `make pooler` installs it.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest
from sqlalchemy import make_url
from tests.ports import free_port
from tests.servers import Run, WatchedPostgres
from tests.unit.jobs.world import as_batch
from tests.waiting import PATIENCE, ended, wait_until

from perennial.digest import table_digest
from perennial.doctor.deployment import Deployment
from perennial.doctor.examine import examine
from perennial.doctor.finding import Status
from perennial.doctor.registry import CHECKS
from perennial.errors import InvalidSettings, StoreUnavailable, WindowBusy
from perennial.ledger.entries import Snapshot
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.published.postgres import PostgresPublished
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.postgres import PostgresSource
from perennial.spec.models import Limits
from perennial.window import Window

WINDOW = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
SNAPSHOT = Snapshot("flights", WINDOW, "raw/flights", 0, "s", 9, {}, "SELECT 1", "run")
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None and not os.environ.get("CI"), reason="PgBouncer is not installed (Debian's package pgbouncer)"
)

Pooled = Callable[[str, str], str]
"""The URL of a database, reached through a PgBouncer of that pool mode."""


@pytest.fixture
def pooled(run: Run, postgres: WatchedPostgres, tmp_path: Path) -> Iterator[Pooled]:
    servers: list[subprocess.Popen[bytes]] = []

    def start(database: str, mode: str) -> str:
        port, there = free_port(), make_url(database)
        name = there.database
        file, log = tmp_path / f"{port}.ini", tmp_path / f"{port}.log"
        root = "user = nobody\n" if os.geteuid() == 0 else ""  # it refuses to run as root
        file.write_text(
            f"[databases]\n{name} = host=127.0.0.1 port={postgres.port} dbname={name} "
            f"user={there.username} password={there.password}\n"
            f"[pgbouncer]\n{root}listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = {mode}\ndefault_pool_size = 10\n"
            "query_wait_timeout = 10\nserver_login_retry = 1\n"
        )
        for path in (tmp_path, *tmp_path.parents[:2], file):
            path.chmod(0o755)
        with log.open("w") as output:
            server = subprocess.Popen([str(PGBOUNCER), str(file)], stdout=output, stderr=output)
        run.watch("pgbouncer", server.pid, signal.SIGTERM)
        servers.append(server)
        url = f"postgresql://anybody@127.0.0.1:{port}/{name}"
        wait_until(lambda: _answers(url), "PgBouncer", lambda: ended(server, log))
        return url

    yield start
    for server in servers:
        server.terminate()
        server.wait(PATIENCE)


def _answers(url: str) -> bool:
    try:
        with closing(psycopg2.connect(url, connect_timeout=2)):
            return True
    except psycopg2.OperationalError:
        return False


def test_a_pool_by_session_is_as_good_as_none(pooled: Pooled, ledger_url: str) -> None:
    url = pooled(ledger_url, "session")
    ledger, rival = PostgresLedger(url, lock_timeout=PATIENCE), PostgresLedger(url, lock_timeout=0.1)
    with ledger.working_on("flights", WINDOW, "run") as lease:
        stored = ledger.record_snapshot(SNAPSHOT, lease)
        with pytest.raises(WindowBusy), rival.working_on("flights", WINDOW, "rival"):
            pass
    assert rival.latest_snapshot("flights", WINDOW) == stored
    with rival.working_on("flights", WINDOW, "rival"):
        pass
    ledger.close()
    rival.close()


def test_the_ledger_refuses_a_pool_that_shares_sessions_and_names_the_way_out(pooled: Pooled, ledger_url: str) -> None:
    url = pooled(ledger_url, "transaction")
    for _ in range(5):  # each of them looks for itself
        ledger = PostgresLedger(url)
        for refused in (lambda ledger=ledger: ledger.status("flights"), lambda ledger=ledger: _hold(ledger)):
            with pytest.raises(InvalidSettings, match="pool_mode = transaction") as raised:
                refused()
            assert "pool_mode = session" in str(raised.value)
        ledger.close()


def test_a_pool_by_statement_is_no_use_and_the_error_says_which_is(pooled: Pooled, ledger_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="pool_mode = session"):
        PostgresLedger(pooled(ledger_url, "statement")).status("flights")


def test_a_pool_that_others_use_meanwhile_is_refused_too(pooled: Pooled, ledger_url: str) -> None:
    url = pooled(ledger_url, "transaction")
    with closing(psycopg2.connect(url)) as one, closing(psycopg2.connect(url)) as other:
        for session in (one, other):
            with session.cursor() as cursor:
                cursor.execute("SELECT 1")  # a transaction that stays open holds a session of the server
        other.rollback()
        with pytest.raises(InvalidSettings, match="transaction pooling"):
            PostgresLedger(url).status("flights")


def test_published_tables_work_with_a_pool_by_transaction_and_leave_nothing_behind(
    pooled: Pooled, database_url: str
) -> None:
    url = pooled(database_url, "transaction")
    rows = as_batch(pa.table({"flight": ["a", "b"], "prediction": [0.1, 0.2]}))
    published = PostgresPublished(url)
    for _ in range(2):
        published.publish("delays", WINDOW, rows)
    assert published.digest("delays", WINDOW) == table_digest(rows)
    assert PostgresPublished(url, reading_timeout=5.0).read("delays", WINDOW).num_rows == 2
    assert _settings(url) == _settings(database_url)


def test_sources_work_with_a_pool_by_transaction_and_leave_nothing_behind(pooled: Pooled, database_url: str) -> None:
    url = pooled(database_url, "transaction")
    sql = "SELECT 1 AS id WHERE :start < :end AND :as_of IS NOT NULL"
    source = PostgresSource(url, sql, connection_id="db", file="flights.sql")
    assert source.fetch(WINDOW, WINDOW.end, Limits()).rows.num_rows == 1
    assert _settings(url) == _settings(database_url)


def test_the_doctor_says_so(pooled: Pooled, ledger_url: str) -> None:
    connections = EnvironmentConnections({"AIRFLOW_CONN_PERENNIAL_LEDGER": pooled(ledger_url, "transaction")})
    deployment = Deployment(Settings.from_environment(), connections, dict)
    (found,) = examine({"ledger migrations": CHECKS["ledger migrations"]}, deployment)
    assert found.status is Status.FAIL
    assert "pool_mode = session" in f"{found.found} {found.todo}"


def _hold(ledger: PostgresLedger) -> None:
    with ledger.working_on("flights", WINDOW, "run"):
        pass


def _settings(url: str) -> list[str]:
    """What the session that comes next finds set."""
    names = (
        *("default_transaction_read_only", "statement_timeout", "idle_in_transaction_session_timeout"),
        *("TimeZone", "DateStyle", "extra_float_digits"),
    )
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}")
        return list(cursor.fetchone() or ())
