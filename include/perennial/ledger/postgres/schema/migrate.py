"""Bringing the ledger's tables up to date, from code: `perennial db upgrade` ends here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateSchema

from perennial.encoding import lock_key
from perennial.errors import InvalidSettings
from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.schema.online import LOCK_SECONDS
from perennial.ledger.postgres.schema.tables import SCHEMA

_MIGRATIONS = Path(__file__).parent / "migrations"
_ATTEMPTS, _PAUSE_SECONDS = 60, 1.0
_ASKED_AGAIN_SECONDS = 0.2
_LOCK_NOT_AVAILABLE = "55P03"


def upgrade(url: str) -> list[str]:
    """Apply what is pending, each revision by itself and whole; the revisions applied, oldest first.

    Several callers at once are safe: one does the work, the others wait and find nothing left. What fails is done again
    by the next call, and what was applied before it stays: so locks are held for one revision, not for all of them.
    Errors: `StoreUnavailable`, also when a table is held by others for too long; `InvalidSettings` as for `pending`, or
    when the user may not create tables.
    """
    database = LedgerDatabase(url)
    try:
        with _one_at_a_time(database):
            with database.transaction() as connection:
                # Looked up first: to create a schema "if not exists" needs the right to create even where it exists.
                if connection.scalar(select(func.to_regnamespace(SCHEMA))) is None:
                    connection.execute(CreateSchema(SCHEMA))
                todo = _pending(connection, database.place)
            for revision in todo:
                apply(database, revision)
            return todo
    finally:
        database.close()


def apply(database: LedgerDatabase, revision: str) -> None:
    """Apply one revision, the next one.

    What it must wait for is given up after a second and tried again: who waits for a table keeps all others waiting who
    want it later. Errors: as `upgrade`.
    """
    config = _config()
    for attempt in range(_ATTEMPTS):
        with database.own_errors():
            try:
                with database.connection() as connection:
                    connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
                    connection.commit()
                    config.attributes["connection"] = connection
                    command.upgrade(config, revision)
            except OperationalError as error:
                if getattr(error.orig, "pgcode", "") != _LOCK_NOT_AVAILABLE or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return
        time.sleep(_PAUSE_SECONDS)


@contextmanager
def _one_at_a_time(database: LedgerDatabase) -> Iterator[None]:
    """Let one caller work, and the others ask now and then.

    To wait in the database would be a transaction, for whose end an index waits that is built beside writers.
    """
    with database.session() as session:
        while not session.scalar(select(func.pg_try_advisory_lock(lock_key("migrations")))):
            time.sleep(_ASKED_AGAIN_SECONDS)
        yield


def current(url: str) -> str | None:
    """The revision that the database is at; None before the first. Errors: `StoreUnavailable`."""
    database = LedgerDatabase(url)
    try:
        with database.transaction() as connection:
            return _current(connection)
    finally:
        database.close()


def pending(url: str) -> list[str]:
    """The revisions that `upgrade` would apply, oldest first.

    Errors: `StoreUnavailable`; `InvalidSettings` when the database is at a revision that this version doesn't know.
    """
    database = LedgerDatabase(url)
    try:
        with database.transaction() as connection:
            return _pending(connection, database.place)
    finally:
        database.close()


def refuse_other_versions(database: LedgerDatabase) -> None:
    """For who only reads: refuse tables that another version of Perennial made.

    Errors: `StoreUnavailable`; `InvalidSettings` when they are not those of this version, with what to do.
    """
    with database.transaction() as connection:
        waiting = _pending(connection, database.place)
    if waiting:
        raise InvalidSettings(
            f"The ledger at {database.place} is older than this version of Perennial: it lacks the revisions "
            f"{', '.join(waiting)}. Run `perennial db upgrade`."
        )


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()


def _pending(connection: Connection, place: str) -> list[str]:
    known = _known(_MIGRATIONS)
    at = _current(connection)
    if at is None:
        return list(known)
    if at not in known:
        raise InvalidSettings(
            f"The ledger at {place} is at revision {at}; this version of Perennial knows revisions up to {known[-1]}. "
            "Install the version that made it, or a newer one."
        )
    return list(known[known.index(at) + 1 :])


@cache
def _known(_folder: Path) -> tuple[str, ...]:
    """The revisions in the folder, oldest first: they are modules, and take a while to read."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())[::-1]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))  # its parser interpolates
    return config
