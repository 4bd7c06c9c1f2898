"""Migrations while others use the ledger; how long a million entries take is measured in tests/bench."""

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from tests.waiting import PATIENCE

from perennial.errors import StoreUnavailable
from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.schema import migrate, online

VERSIONS = Path(migrate.__file__).parent / "migrations" / "versions"
FILES = sorted(VERSIONS.glob("0*.py"))


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as session, session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def at(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a ledger as it was at an older revision; its URL."""

    def make(last: str) -> str:
        theirs = shutil.copytree(VERSIONS.parent, tmp_path / last)
        for file in (theirs / "versions").glob("0*.py"):
            if file.name[:4] > last:
                file.unlink()
        with monkeypatch.context() as patch:
            patch.setattr(migrate, "_MIGRATIONS", theirs)
            migrate.upgrade(database_url)
        return database_url

    return make


@contextmanager
def held(url: str, table: str) -> Iterator[Callable[[], None]]:
    """A writer whose transaction is open; what ends it."""
    with closing(psycopg2.connect(url)) as session:
        session.cursor().execute(f"LOCK TABLE ledger.{table} IN ROW EXCLUSIVE MODE")
        yield session.rollback


def test_who_holds_a_table_keeps_the_migration_waiting_and_nobody_else(
    at: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = at("0018")
    monkeypatch.setattr(migrate, "_PAUSE_SECONDS", 0.05)
    done: list[list[str]] = []
    with held(url, "batches") as release:
        upgrading = threading.Thread(target=lambda: done.append(migrate.upgrade(url)))
        upgrading.start()
        for _ in range(5):  # behind the migration, which waits in vain while the table is held
            execute(url, f"SET statement_timeout = {1000 * PATIENCE}; LOCK TABLE ledger.batches IN ROW EXCLUSIVE MODE")
            time.sleep(online.LOCK_SECONDS / 4)
        assert migrate.current(url) == "0018"
        release()
        upgrading.join(PATIENCE)
    assert done == [["0019", "0020", "0021", "0022", "0023", "0024", "0025", "0026", "0027"]]


def test_a_table_that_is_never_free_is_told_and_the_next_attempt_goes_on(
    at: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = at("0018")
    monkeypatch.setattr(migrate, "_ATTEMPTS", 2)
    monkeypatch.setattr(migrate, "_PAUSE_SECONDS", 0.0)
    with held(url, "deployments"), pytest.raises(StoreUnavailable, match="lock timeout"):
        migrate.upgrade(url)
    assert migrate.current(url) == "0019"  # which was applied, and stays
    assert migrate.upgrade(url) == ["0020", "0021", "0022", "0023", "0024", "0025", "0026", "0027"]


@pytest.mark.parametrize(("before", "table", "left"), [
    ("0004", "performance", "uq_performance_made"),
    ("0005", "drift_reports", "uq_drift_reports_made"),
    ("0009", "interventions", "ix_interventions_window"),
    ("0025", "validations", "uq_validations_made"),
    ("0026", "performance", "ix_performance_unsettled"),
])  # fmt: skip
def test_an_index_that_was_begun_and_not_finished_is_made_anew(
    at: Callable[[str], str], before: str, table: str, left: str
) -> None:
    url = at(before)
    execute(url, f"CREATE INDEX {left} ON ledger.{table} (id)")  # as a killed upgrade leaves it, whatever it is worth
    migrate.upgrade(url)
    indexes = execute(
        url,
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        f"WHERE i.indrelid = 'ledger.{table}'::regclass",
    )
    assert all(valid for _, valid in indexes)
    assert not [name for name, _ in indexes if str(name).endswith("_made")]
    assert left.removesuffix("_made") in {name for name, _ in indexes}


def test_a_killed_upgrade_goes_on_with_links_after_those_of_a_version_that_was_early(at: Callable[[str], str]) -> None:
    url, database = at("0010"), "flights"
    columns = "use_case, kind, subject, as_of, action, reasons, numbers, run_id, recorded_at"
    values = f"'{database}', 'promote', 's' || n, now(), 'hold', '[]', '{{}}', 'run', now()"
    execute(url, f"INSERT INTO ledger.decisions ({columns}) SELECT {values} FROM generate_series(1, 3) n")
    ledger = LedgerDatabase(url)
    migrate.apply(ledger, "0011")
    execute(
        url,
        "SET session_replication_role = replica; DELETE FROM ledger.chain; "
        "UPDATE ledger.alembic_version SET version_num = '0010'; "
        f"INSERT INTO ledger.chain VALUES ('{database}', 1, 'decision', 2, 1, false, 'c', 'p', 'd')",
    )
    migrate.apply(ledger, "0011")
    links = execute(url, "SELECT position, entry_id, adopted FROM ledger.chain ORDER BY 1")
    assert links == [(1, 2, False), (2, 1, True), (3, 3, True)]
    with pytest.raises(psycopg2.errors.RestrictViolation, match="has no link"):
        execute(url, f"INSERT INTO ledger.decisions ({columns}) SELECT {values} FROM generate_series(4, 4) n")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_reads_a_large_table_is_done_beside_writers(file: Path) -> None:
    text = " ".join(file.read_text().split())
    new = set(re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?ledger\.(\w+)", text))
    indexed = set(re.findall(r"CREATE (?:UNIQUE )?INDEX \w+ ON ledger\.(\w+)", text))
    assert indexed <= new, "use perennial.ledger.postgres.schema.online.make_index"
    for table, change in re.findall(r"ALTER TABLE ledger\.(\w+) ([^;]*)", text):
        slow = re.search(r"UNIQUE \(|PRIMARY KEY|SET NOT NULL| TYPE |GENERATED|DEFAULT (?:now|random|clock)", change)
        assert not slow or table in new, f"{slow}: writers of {table} would wait while it is read or written anew"
