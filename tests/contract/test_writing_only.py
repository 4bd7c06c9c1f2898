"""The ledger's writer, on a real PostgreSQL: it adds entries, works on windows, and can't change what is recorded."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege
from tests.contract.test_reading_only import SNAPSHOT, WINDOW, as_user, sql
from tests.servers import WatchedPostgres

from perennial import clock
from perennial.errors import InvalidSettings, StoreUnavailable
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.ledger.postgres.schema.writers import prepare_writer
from perennial_stack import databases


@pytest.fixture
def owner_url(postgres: WatchedPostgres) -> Iterator[str]:
    """A database whose owner is no superuser, with a ledger in it."""
    database, owner = postgres.new_database("owned"), f"owner_{uuid4().hex[:8]}"
    superuser = postgres.url(database)
    sql(superuser, f"CREATE ROLE {owner} LOGIN PASSWORD 'secret'", f"ALTER DATABASE {database} OWNER TO {owner}")
    url = as_user(superuser, owner)
    migrate.upgrade(url)
    yield url
    sql(superuser, f"REASSIGN OWNED BY {owner} TO CURRENT_USER", f"DROP OWNED BY {owner}", f"DROP ROLE {owner}")


@pytest.fixture
def writer_url(owner_url: str, postgres: WatchedPostgres) -> Iterator[str]:
    superuser, user = postgres.url(urlsplit(owner_url).path[1:]), f"writer_{uuid4().hex[:8]}"
    sql(superuser, f"CREATE ROLE {user} LOGIN PASSWORD 'secret'")
    url = as_user(owner_url, user)
    assert prepare_writer(owner_url, url) == user
    yield url
    sql(superuser, f"DROP OWNED BY {user}", f"DROP ROLE {user}")


def test_the_writer_adds_entries_and_works_on_windows(writer_url: str) -> None:
    ledger = PostgresLedger(writer_url, clock.now)
    with ledger.working_on("flights", WINDOW, "a run") as lease:
        ledger.record_snapshot(SNAPSHOT, lease)
    assert ledger.latest_snapshot("flights", WINDOW) is not None
    assert sql(writer_url, "SELECT run_id, settled FROM ledger.leases") == [("a run", True)]
    ledger.close()


def test_who_holds_a_window_and_is_silent_is_ended_by_the_writer(writer_url: str) -> None:
    """It is the same user's session, so that no further right is needed."""
    with closing(psycopg2.connect(writer_url)) as silent, silent.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone() or (0,)
        assert sql(writer_url, f"SELECT pg_terminate_backend({pid})") == [(True,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.snapshots SET rows = 1",
        "DELETE FROM ledger.snapshots",
        "TRUNCATE ledger.snapshots",
        "TRUNCATE ledger.leases",
        "DELETE FROM ledger.leases",
        "DROP TABLE ledger.snapshots",
        "DROP SCHEMA ledger CASCADE",
        "ALTER TABLE ledger.snapshots DISABLE TRIGGER ALL",
        "ALTER TABLE ledger.snapshots DISABLE TRIGGER append_only",
        "DROP TRIGGER append_only ON ledger.snapshots",
        "ALTER TABLE ledger.snapshots DROP CONSTRAINT pk_snapshots",
        "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TABLE ledger.mine (id int)",
        "INSERT INTO ledger.alembic_version VALUES ('0000')",
        "UPDATE ledger.alembic_version SET version_num = '0000'",
        "SET session_replication_role = replica",
    ],
)
def test_the_writer_changes_nothing(writer_url: str, statement: str) -> None:
    ledger = PostgresLedger(writer_url, clock.now)
    ledger.record_snapshot(SNAPSHOT)
    with closing(psycopg2.connect(writer_url)) as session, session.cursor() as cursor:
        with pytest.raises(InsufficientPrivilege):
            cursor.execute(statement)
        session.rollback()
    assert sql(writer_url, "SELECT rows FROM ledger.snapshots") == [(2,)]
    ledger.close()


def test_the_writer_may_change_the_rows_of_one_table_only(owner_url: str, writer_url: str) -> None:
    """Each table of the ledger, also those that later migrations bring, once they are prepared again."""
    sql(owner_url, "CREATE TABLE ledger.later (id int)")
    prepare_writer(owner_url, writer_url)
    rights = (
        "SELECT table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type) "
        "FROM information_schema.role_table_grants WHERE grantee = CURRENT_USER AND table_schema = 'ledger' GROUP BY 1"
    )
    found = dict(sql(writer_url, rights))
    assert found.pop("alembic_version") == "SELECT"
    assert found.pop("leases") == "INSERT SELECT UPDATE"
    assert "later" in found
    assert set(found.values()) == {"INSERT SELECT"}


def test_a_right_that_somebody_gave_is_taken_away_again(owner_url: str, writer_url: str) -> None:
    sql(owner_url, f"GRANT UPDATE ON ledger.snapshots TO {urlsplit(writer_url).username}")
    prepare_writer(owner_url, writer_url)
    with pytest.raises(InsufficientPrivilege):
        sql(writer_url, "UPDATE ledger.snapshots SET rows = 1")


def test_the_owner_is_no_writer(owner_url: str) -> None:
    with pytest.raises(InvalidSettings, match="owner and its writer are the same user"):
        prepare_writer(owner_url, owner_url)


def test_a_writer_who_is_not_there_is_named(owner_url: str) -> None:
    with pytest.raises(InvalidSettings, match="'nobody_here' was not given the right"):
        prepare_writer(owner_url, as_user(owner_url, "nobody_here"))


def test_a_ledger_without_tables_is_told(database_url: str) -> None:
    sql(database_url, "CREATE SCHEMA ledger")
    writer = f"writer_{uuid4().hex[:8]}"
    sql(database_url, f"CREATE ROLE {writer}")
    with pytest.raises(InvalidSettings, match="perennial db upgrade"):
        prepare_writer(database_url, as_user(database_url, writer))
    sql(database_url, f"DROP ROLE {writer}")


def test_a_database_that_does_not_answer_is_told() -> None:
    with pytest.raises(StoreUnavailable, match="Check that PostgreSQL runs there"):
        prepare_writer("postgresql://owner:x@127.0.0.1:1/ledger", "postgresql://writer:x@127.0.0.1:1/ledger")


def test_the_stacks_databases_are_closed_to_each_others_users(postgres: WatchedPostgres) -> None:
    """Run twice, the second time with new passwords; the server is shared, so what was made goes again."""
    superuser = postgres.url("postgres")
    before = sql(superuser, "SELECT datacl::text[] FROM pg_database WHERE datname = 'postgres'")
    passwords = {variable: f"{variable.lower()}-secret" for variable in databases.PASSWORDS.values()}
    try:
        databases.prepare(superuser, dict.fromkeys(passwords, "first"))
        databases.prepare(superuser, passwords)
        for user, variable in databases.PASSWORDS.items():
            for database in databases.DATABASES:
                url = as_user(postgres.url(database.name), user, passwords[variable])
                if user in (database.owner, *database.others):
                    assert sql(url, "SELECT current_user") == [(user,)]
                else:
                    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                        psycopg2.connect(url)
        powers = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND (rolsuper OR rolcreaterole OR rolcreatedb)"
        with closing(psycopg2.connect(superuser)) as session, session.cursor() as cursor:
            cursor.execute(powers, (list(databases.PASSWORDS),))
            assert cursor.fetchall() == []
    finally:
        with closing(psycopg2.connect(superuser)) as session, session.cursor() as cursor:
            session.autocommit = True
            for database in databases.DATABASES:
                cursor.execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")
            for user in databases.PASSWORDS:
                cursor.execute(f"DROP ROLE IF EXISTS {user}")
            if before == [(None,)]:
                cursor.execute("GRANT CONNECT, TEMPORARY ON DATABASE postgres TO PUBLIC")


def test_entries_of_two_versions_are_both_kept(writer_url: str) -> None:
    ledger = PostgresLedger(writer_url, clock.now)
    ledger.record_snapshot(SNAPSHOT)
    ledger.record_snapshot(replace(SNAPSHOT, version=2, digest="other"))
    assert sql(writer_url, "SELECT count(*) FROM ledger.snapshots") == [(2,)]
    ledger.close()
