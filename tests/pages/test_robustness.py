"""The records are away, or of another version: each page says so and what to do, and Airflow itself stays well."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import psutil
import psycopg2
import pytest
from tests.pages.routes import FILLED, address
from tests.pages.server import SIMPLE, PagesServer, start
from tests.pages.test_roles import JSON, has_headers
from tests.ports import free_port
from tests.servers import Run, WatchedPostgres
from tests.waiting import wait_until

from perennial.ledger.postgres.schema import migrate
from perennial_airflow.pages.views import PREFIX

PAGES = [
    (address(path, filled), filled.status)
    for (method, path), filled in FILLED.items()
    if method == "GET" and "dag_id" in path
]
PAGES += [(f"{PREFIX}/home", 200)]
SNAPSHOT = """
INSERT INTO ledger.snapshots (use_case, window_start, window_end, "table", version, digest, rows, columns, query,
    run_id, recorded_at)
VALUES ('seen', %(at)s, %(at)s::timestamptz + interval '1 day', 'raw', %(number)s, 's', 9, '{}', 'SELECT 1', 'r', now())
"""
VALIDATION = """
INSERT INTO ledger.validations (use_case, window_start, window_end, snapshot_digest, suite_digest, verdict, reasons,
    rows, rows_quarantined, result, run_id, recorded_at, number)
VALUES ('seen', %(at)s, %(at)s::timestamptz + interval '1 day', 's', 'suite', 'pass', '[]', 9, 0, %(report)s, 'r',
    now(), 0)
"""
DRIFT = """
INSERT INTO ledger.drift_reports (use_case, window_start, window_end, snapshot_digest, model_digest, verdict, p_value,
    reference_windows, missing, columns, reasons, report, profile, run_id, recorded_at, basis_digest, number)
VALUES ('seen', %(at)s, %(at)s::timestamptz + interval '1 day', 's', 'm', 'pass', 0.5, 50, '[]', '{}', '[]', %(report)s,
    '{}', 'r', now(), 'b', 0)
"""


@pytest.fixture(scope="module")
def ledger(run: Run) -> Iterator[WatchedPostgres]:
    """A PostgreSQL of its own for the ledger: the tests stop it."""
    server = WatchedPostgres(run, run.new_folder("ledger") / "data", free_port())
    server.start()
    server.create_database("ledger")
    migrate.upgrade(server.url("ledger"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(run: Run, postgres: WatchedPostgres, ledger: WatchedPostgres) -> PagesServer:
    return start(run, postgres, SIMPLE, ledger.url("ledger"))


@pytest.fixture
def ask(server: PagesServer) -> Iterator[Callable[[str], httpx.Response]]:
    """Asks for a page; before and after the test all of them are there, and Airflow is healthy all the time."""

    def asked(page: str) -> httpx.Response:
        answer = server.ask(page, "viewer")
        assert server.is_healthy()
        assert has_headers(answer)
        return answer

    for page, status in PAGES:
        assert asked(page).status_code == status, page
    yield asked
    for page, status in PAGES:
        assert asked(page).status_code == status, page


def sql(server: WatchedPostgres, statement: str, **values: object) -> None:
    with closing(psycopg2.connect(server.url("ledger"))) as session, session, session.cursor() as cursor:
        cursor.execute(statement, values or None)


def test_a_ledger_that_is_down(ask: Callable[[str], httpx.Response], ledger: WatchedPostgres) -> None:
    ledger.stop()
    try:
        for page, _ in PAGES:
            answer = ask(page)
            assert answer.status_code == 503, page
            assert "<h1>The records can&#39;t be read right now</h1>" in answer.text, page
            assert "Check that PostgreSQL runs there" in answer.text
    finally:
        ledger.start()


@pytest.mark.parametrize(
    ("broken", "mended", "said"),
    [
        ("ALTER SCHEMA ledger RENAME TO away", "ALTER SCHEMA away RENAME TO ledger", "lacks the revisions 0001, "),
        (
            "UPDATE ledger.alembic_version SET version_num = '0005'",
            "UPDATE ledger.alembic_version SET version_num = (SELECT max(version_num) FROM kept)",
            "lacks the revisions 0006, ",
        ),
        (
            "UPDATE ledger.alembic_version SET version_num = '9999'",
            "UPDATE ledger.alembic_version SET version_num = (SELECT max(version_num) FROM kept)",
            "is at revision 9999; this version of Perennial knows revisions up to",
        ),
    ],
)
def test_a_ledger_of_another_version(
    ask: Callable[[str], httpx.Response], ledger: WatchedPostgres, broken: str, mended: str, said: str
) -> None:
    sql(ledger, "CREATE TABLE IF NOT EXISTS kept AS SELECT version_num FROM ledger.alembic_version")
    sql(ledger, broken)
    try:
        for page, _ in PAGES:
            answer = ask(page)
            assert answer.status_code == 503, page
            assert "<h1>The records can&#39;t be read with the present setup</h1>" in answer.text, page
            assert said in answer.text
            assert "perennial db upgrade" in answer.text or "Install the version that made it" in answer.text
    finally:
        sql(ledger, mended)


def test_a_ledger_that_lacks_a_table(ask: Callable[[str], httpx.Response], ledger: WatchedPostgres) -> None:
    """What no revision tells: a table that somebody moved away."""
    sql(ledger, "ALTER TABLE ledger.snapshots RENAME TO moved")
    try:
        answer = ask(f"{PREFIX}/dags/seen.predict")
        assert answer.status_code == 503
        assert "run `perennial db upgrade`" in answer.text
        assert "SELECT" not in answer.text
    finally:
        sql(ledger, "ALTER TABLE ledger.moved RENAME TO snapshots")


def test_reports_of_a_newer_version(ask: Callable[[str], httpx.Response], ledger: WatchedPostgres) -> None:
    """The page of the window says so; the others are shown."""
    newer = json.dumps({"format": 2, "checks": {}})
    for number, (day, statement, said, statuses) in enumerate([
        ("2013-03-09", VALIDATION, "recorded by a newer version of Perennial", (500, 503)),
        ("2013-03-11", DRIFT, "written by another version of Perennial", (200,)),  # the rest of the report is shown
    ]):  # fmt: skip
        sql(ledger, SNAPSHOT, at=f"{day}T00:00Z", number=number)
        sql(ledger, statement, at=f"{day}T00:00Z", report=newer)
        answer = ask(f"{PREFIX}/dags/seen.predict/windows/{day}T00:00Z--{day[:-2]}{int(day[-2:]) + 1:02}T00:00Z")
        assert answer.status_code in statuses, day
        assert said in answer.text, answer.text
        assert "use" in answer.text.lower()


def test_a_process_that_was_killed(ask: Callable[[str], httpx.Response], server: PagesServer) -> None:
    [killed] = readers(server)
    killed.kill()
    wait_until(lambda: readers(server) == [], "the end of the process that writes the pages")
    for page, status in PAGES:
        assert ask(page).status_code == status
    [other] = readers(server)
    assert other.pid != killed.pid


def test_scripts_are_told_as_json(server: PagesServer, ledger: WatchedPostgres) -> None:
    ledger.stop()
    try:
        answer = server.ask(f"{PREFIX}/home", "viewer", headers=JSON)
        assert answer.status_code == 503
        assert answer.json()["error"] == "The records can't be read right now"
    finally:
        ledger.start()


def readers(server: PagesServer) -> list[psutil.Process]:
    """The processes that write pages for this server."""
    found = psutil.Process(server.process.pid).children(recursive=True)
    return [each for each in found if each.is_running() and "perennial.pages.reader" in command(each)]


def command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
