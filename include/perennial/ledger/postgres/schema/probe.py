"""What a database says of itself and of what its user may do: asked by `perennial doctor`, changes nothing."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2 import extensions

from perennial.addresses import postgres_dsn, unknown_option
from perennial.clock import Clock
from perennial.errors import StoreUnavailable

# The ledger's tables whose rows change: the locks of windows, and which migration was the last.
CHANGING = frozenset({"leases", "alembic_version"})
_TABLES = """
SELECT c.relname, pg_has_role(c.relowner, 'USAGE'),
    has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT'), has_table_privilege(c.oid, 'UPDATE'),
    has_table_privilege(c.oid, 'DELETE'), has_table_privilege(c.oid, 'TRUNCATE'),
    EXISTS (SELECT FROM pg_trigger t
        WHERE t.tgrelid = c.oid AND t.tgname = 'append_only' AND t.tgenabled IN ('O', 'A'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') ORDER BY c.relname
"""
_USER = """
SELECT current_user, rolsuper, coalesce(has_schema_privilege(to_regnamespace(%(schema)s), 'USAGE'), false),
    coalesce(has_schema_privilege(to_regnamespace(%(schema)s), 'CREATE'),
        has_database_privilege(current_database(), 'CREATE'))
FROM pg_roles WHERE rolname = current_user
"""


@dataclass(frozen=True)
class Server:
    """A database that answered. `clock` is what it read there, between `before` and `after` here."""

    place: str
    user: str
    version: str
    major: int
    clock: datetime
    before: datetime
    after: datetime


@dataclass(frozen=True)
class TableRights:
    """What the user may do with one table. `owns` it, who is its owner, or a member of the role that is."""

    name: str
    owns: bool
    select: bool
    insert: bool
    update: bool
    delete: bool
    truncate: bool
    append_only: bool  # whether the database refuses changes, whoever asks


@dataclass(frozen=True)
class Rights:
    """What a user may do in one schema. `may_create`: tables in it, or the schema itself where it is not there yet."""

    user: str
    is_superuser: bool
    may_use: bool
    may_create: bool
    tables: tuple[TableRights, ...]


def server(url: str, clock: Clock, seconds: float) -> Server:
    """Who answers at the URL. Errors: `InvalidSettings`, `StoreUnavailable`."""
    with _cursor(url, seconds) as cursor:
        cursor.execute("SELECT current_user, current_setting('server_version'), current_setting('server_version_num')")
        user, version, number = _one(cursor)
        before = clock()
        cursor.execute("SELECT clock_timestamp()")
        (at,) = _one(cursor)
        return Server(_place(cursor.connection), user, version, int(number) // 10_000, at, before, clock())


def rights(url: str, schema: str, seconds: float) -> Rights:
    """What the URL's user may do in the schema. Errors: `InvalidSettings`, `StoreUnavailable`."""
    with _cursor(url, seconds) as cursor:
        cursor.execute(_USER, {"schema": schema})
        user, is_superuser, may_use, may_create = _one(cursor)
        cursor.execute(_TABLES, (schema,))
        return Rights(user, is_superuser, may_use, may_create, tuple(TableRights(*row) for row in cursor.fetchall()))


def may_call(url: str, function: str, seconds: float) -> bool:
    """Whether the URL's user may call the function, named with its parameters' types; also where it is not there.

    Errors: `InvalidSettings`, `StoreUnavailable`.
    """
    with _cursor(url, seconds) as cursor:
        cursor.execute("SELECT coalesce(has_function_privilege(to_regprocedure(%s), 'EXECUTE'), true)", (function,))
        (allowed,) = _one(cursor)
        return bool(allowed)


@contextmanager
def _cursor(url: str, seconds: float) -> Iterator[extensions.cursor]:
    dsn = postgres_dsn(url)
    try:
        opened = psycopg2.connect(dsn, connect_timeout=max(2, round(seconds)))
        with closing(opened), opened, opened.cursor() as cursor:
            cursor.execute("SET statement_timeout = %s", (round(seconds * 1000),))
            yield cursor
    except psycopg2.Error as error:
        raise StoreUnavailable(unknown_option(str(error)) or " ".join(str(error).split())[:400]) from error


def _one(cursor: extensions.cursor) -> tuple[Any, ...]:
    found = cursor.fetchone()
    assert found is not None, "a row was asked for"
    return found


def _place(connection: extensions.connection) -> str:
    known = connection.info
    return f"{known.host}:{known.port}/{known.dbname}"
