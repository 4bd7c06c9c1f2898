"""The way to the ledger's database: one small pool of connections per process, and errors in the project's words."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import extensions
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool, Pool, QueuePool

from perennial.addresses import KEEPALIVES, libpq_extras, unknown_option
from perennial.errors import READ_TOO_LONG, InvalidSettings, StoreUnavailable
from perennial.ledger.postgres import pooler
from perennial.ledger.rows import loads

_DRIVER = "postgresql+psycopg2"
_SCHEMES = ("postgresql", "postgres", _DRIVER)
_PATIENCE = {"connect_timeout": "10", **KEEPALIVES}  # what the URL says itself comes first
_CHECK = "Check that PostgreSQL runs there and lets this user in; then run this again."
_TIMED_OUT = "57014"
_READ_ONLY = "25006"
_MIGRATE = "Its tables are missing or older than this version: run `perennial db upgrade`."
_ADVICE = {  # by PostgreSQL's error codes
    "42P01": _MIGRATE,  # undefined table
    "42703": _MIGRATE,  # undefined column
    "3F000": _MIGRATE,  # undefined schema
    _READ_ONLY: "This connection is read-only; use another one for commands that change something.",
    "42501": "Grant the right to this database user, or use another user.",
    "42P07": "Its schema `ledger` holds a table that was not made here: use another database, or move that table away.",
}


class LedgerDatabase:
    """The database at a URL. Nothing is opened before it is needed, and a forked process opens its own.

    The server ends a transaction in which nothing happened for `heartbeat_timeout` seconds: its process is stopped or
    hangs, and others wait for its locks. With `reading_timeout`, sessions are read-only, and a statement ends after so
    many seconds.
    """

    def __init__(self, url: str, heartbeat_timeout: float = 60.0, reading_timeout: float | None = None) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            # The cause may quote parts of the password, so it is not chained.
            raise InvalidSettings(
                "The ledger's URL can't be read; write it as postgresql://user:password@host:5432/database, "
                "with special characters in the password percent-encoded."
            ) from None
        if parsed.drivername not in _SCHEMES:
            raise InvalidSettings(
                f"The ledger lives in PostgreSQL, but its URL begins with {parsed.drivername}://; "
                "write it as postgresql://user:password@host:5432/database."
            )
        given = {name: value if isinstance(value, str) else value[-1] for name, value in parsed.query.items()}
        self._url = parsed.set(drivername=_DRIVER, query=libpq_extras(given))
        self._pooled: set[int] = set()  # processes whose connections go through a pooler
        self._looked: set[int] = set()  # … and which know that it keeps each session on one server connection
        self._engines: dict[int, Engine] = {}
        self._heartbeat_timeout = heartbeat_timeout
        self._reading_timeout = reading_timeout
        self.place = f"{parsed.host or 'local socket'}:{parsed.port or 5432}/{parsed.database or ''}"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection whose work is committed together, or not at all.

        Errors: `StoreUnavailable` when the database does not answer, `InvalidSettings` when the ledger's tables or
        rights are missing.
        """
        with self.own_errors(), self._engine.begin() as connection:
            self._keep_sessions()
            yield connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection outside the pool, for who begins and ends transactions; its errors are the database's."""
        with self._made(NullPool).connect() as connection:
            self._keep_sessions()
            yield connection

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection outside the pool, for session-level locks: closing it ends them. Statements autocommit."""
        with self.own_errors():
            connection = self._made(NullPool).connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with self.own_errors():
                self._keep_sessions()
            yield connection
        finally:
            connection.invalidate()  # closed without a rollback, which would fail on a broken connection
            connection.close()

    @contextmanager
    def own_errors(self) -> Iterator[None]:
        """Turn the database's errors into the project's; other errors pass."""
        try:
            yield
        except (OperationalError, InterfaceError, InternalError) as error:
            code = getattr(error.orig, "pgcode", "")
            if code == _READ_ONLY:
                raise InvalidSettings(f"The ledger at {self.place}: {_said(error)}. {_ADVICE[_READ_ONLY]}") from error
            timed_out = code == _TIMED_OUT and self._reading_timeout is not None
            last_advice = READ_TOO_LONG if timed_out else pooler.ADVICE if os.getpid() in self._pooled else _CHECK
            raise StoreUnavailable(
                f"The ledger at {self.place} did not do what was asked: {_said(error)}. {last_advice}"
            ) from error
        except PoolTimeout as error:
            raise StoreUnavailable(
                f"No connection to the ledger at {self.place} became free in this process. Run this again."
            ) from error
        except ProgrammingError as error:
            if extra := unknown_option(str(error.orig)):
                raise InvalidSettings(f"The ledger at {self.place} can't be reached: {extra}.") from None
            advice = _ADVICE.get(getattr(error.orig, "pgcode", ""))
            if advice is None:
                raise
            raise InvalidSettings(f"The ledger at {self.place} can't be used: {_said(error)}. {advice}") from error

    def close(self) -> None:
        """Close this process's idle connections; the next use opens new ones."""
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()

    def _keep_sessions(self) -> None:
        """Look, once in a process that goes through a pooler, whether that keeps its sessions apart.

        Errors: `InvalidSettings` when it doesn't.
        """
        process = os.getpid()
        if process not in self._pooled or process in self._looked:
            return
        self._looked.add(process)  # the connections below ask, too
        engine = self._made(NullPool)
        with engine.connect() as first, engine.connect() as second:
            if pooler.shares_sessions(first, second):
                self._looked.discard(process)
                raise InvalidSettings(pooler.refusal(self.place))

    @property
    def _engine(self) -> Engine:
        process = os.getpid()
        if process not in self._engines:
            self._engines.setdefault(process, self._made(QueuePool))
        return self._engines[process]

    def _made(self, pool: type[Pool]) -> Engine:
        engine = create_engine(
            self._url,
            poolclass=pool,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",  # what follows the wait for a lock must see what its holder committed
            hide_parameters=True,  # what is recorded may be personal, and exceptions end up in logs
            connect_args={name: value for name, value in _PATIENCE.items() if name not in self._url.query},
            json_serializer=_dumps,
            json_deserializer=loads,
        )

        @event.listens_for(engine, "connect", insert=True)  # before SQLAlchemy begins a transaction
        def look(session: extensions.connection, _: object) -> None:
            if pooler.stands_between(session):
                self._pooled.add(os.getpid())

        @event.listens_for(engine, "connect")
        def prepare(session: extensions.connection, _: object) -> None:
            with session.cursor() as cursor:
                milliseconds = max(1, round(self._heartbeat_timeout * 1000))
                cursor.execute("SET idle_in_transaction_session_timeout = %s", (milliseconds,))
                if self._reading_timeout is not None:
                    cursor.execute("SET default_transaction_read_only = on")
                    cursor.execute("SET statement_timeout = %s", (max(1, round(self._reading_timeout * 1000)),))
            session.commit()

        return engine


def _dumps(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _said(error: DBAPIError) -> str:
    """What the database said, without the statement that it quotes after that."""
    said, _, _ = str(error.orig).partition("\nLINE ")
    return " ".join(said.split()).rstrip(".") or type(error.orig).__name__
