"""The ledger goes forward only. The way back is a backup, and an older version that meets a newer ledger says so."""

import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from tests.servers import WatchedPostgres

from perennial.errors import InvalidSettings
from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.schema import migrate
from perennial_local import postgres as binaries

REVISIONS = [path.name[:4] for path in sorted((Path(migrate.__file__).parent / "migrations/versions").glob("0*.py"))]
OURS = ("--schema=ledger", "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=500")


def dump(url: str) -> str:
    """The ledger as SQL, without what pg_dump makes up anew each time."""
    command = [binaries._binary("pg_dump"), *OURS, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in said.splitlines() if not line.startswith(("--", "\\")))


def put_back(sql: str, url: str) -> None:
    with closing(psycopg2.connect(url)) as session, session, session.cursor() as cursor:
        cursor.execute(sql)


def entries(url: str) -> None:
    """A decision, which has its link, and a snapshot."""
    with closing(psycopg2.connect(url)) as session, session, session.cursor() as cursor:
        columns = "use_case, kind, subject, as_of, action, reasons, numbers, run_id, recorded_at"
        values = "'u', 'promote', 's', now(), 'hold', '[\"é\"]', '{\"x\": 0.1}', 'r', now()"
        cursor.execute(f"INSERT INTO ledger.decisions ({columns}) VALUES ({values})")
        if migrate.current(url) >= "0011":  # type: ignore[operator]
            cursor.execute("INSERT INTO ledger.chain VALUES ('u', 1, 'decision', 1, 1, true, 'c', 'p', 'd')")


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this process one of an older version, by the last revision that it knows."""
    ours = Path(migrate.__file__).parent / "migrations"

    def become(last: str) -> None:
        theirs = shutil.copytree(ours, tmp_path / last)
        for file in (theirs / "versions").glob("0*.py"):
            if file.name[:4] > last:
                file.unlink()
        monkeypatch.setattr(migrate, "_MIGRATIONS", theirs)

    return become


@pytest.mark.parametrize("last", ["0003", REVISIONS[-2]])
def test_an_older_version_refuses_a_newer_ledger_and_leaves_it_as_it_is(
    ledger_url: str, last: str, older: Callable[[str], None]
) -> None:
    before = dump(ledger_url)
    older(last)
    told = rf"is at revision {REVISIONS[-1]}; this version of Perennial knows revisions up to {last}"
    for call in (migrate.upgrade, migrate.pending, lambda url: migrate.refuse_other_versions(LedgerDatabase(url))):
        with pytest.raises(InvalidSettings, match=told):
            call(ledger_url)
    assert dump(ledger_url) == before


@pytest.mark.parametrize("last", ["0003", "0010", REVISIONS[-1]])
def test_a_backup_brings_back_all_that_was_there_with_its_guards(
    postgres: WatchedPostgres, database_url: str, last: str, older: Callable[[str], None]
) -> None:
    older(last)
    migrate.upgrade(database_url)
    entries(database_url)
    backup = dump(database_url)
    restored = postgres.url(postgres.new_database("restored"))
    put_back(backup, restored)
    assert dump(restored) == backup
    assert migrate.current(restored) == last
    with pytest.raises(psycopg2.errors.RestrictViolation):
        put_back("DELETE FROM ledger.decisions", restored)


def test_what_was_brought_back_is_migrated_as_it_was_the_first_time(
    postgres: WatchedPostgres, database_url: str, older: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = migrate._MIGRATIONS
    older("0003")
    migrate.upgrade(database_url)
    entries(database_url)
    backup = dump(database_url)
    monkeypatch.setattr(migrate, "_MIGRATIONS", ours)
    assert migrate.upgrade(database_url) == REVISIONS[3:]
    restored = postgres.url(postgres.new_database("restored"))
    put_back(backup, restored)
    assert migrate.upgrade(restored) == REVISIONS[3:]
    assert dump(restored) == dump(database_url)
