"""Database users who may only read: the review pages read the records as such a user where there is one."""

from contextlib import closing
from urllib.parse import unquote, urlsplit

import psycopg2
from psycopg2 import extensions
from psycopg2.errors import InsufficientPrivilege
from psycopg2.sql import SQL, Identifier

from perennial.addresses import postgres_dsn, unknown_option
from perennial.encoding import lock_key
from perennial.errors import InvalidSettings, StoreUnavailable

CONNECT_SECONDS = 10


def prepare_reader(owner_url: str, reader_url: str, schema: str) -> str:
    """Let the user of `reader_url` read every table of the schema, those that come later too; the user's name.

    A user who is not there is created with the URL's password. What the user may do already is left alone, and to do
    it again changes nothing. Tables that come later are readable if the user of `owner_url` makes them. Errors:
    `InvalidSettings` when that user may not do this, or is the reader; `StoreUnavailable`.
    """
    reader, password = _login(reader_url)
    if reader == _login(owner_url)[0]:
        raise InvalidSettings(
            f"The connection of the reader has the same user as that of the writer, {reader!r}: so nothing could keep "
            "it from writing. Name another user in it; a user that does not exist is created."
        )
    user, namespace = Identifier(reader), Identifier(schema)
    create = SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(user)
    try:
        opened = psycopg2.connect(postgres_dsn(owner_url), connect_timeout=CONNECT_SECONDS)
        with closing(opened), opened, opened.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key("readers"),))
            if not _is_there(cursor, "SELECT 1 FROM pg_roles WHERE rolname = %s", reader):
                cursor.execute(create, (password,))
            if not _is_there(cursor, "SELECT 1 FROM pg_namespace WHERE nspname = %s", schema):
                cursor.execute(SQL("CREATE SCHEMA {}").format(namespace))
            cursor.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(namespace, user))
            cursor.execute(SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(namespace, user))
            cursor.execute(
                SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {}").format(namespace, user)
            )
    except InsufficientPrivilege as error:
        raise InvalidSettings(
            f"The user of the writing connection may not let {reader!r} read the schema {schema!r}: "
            f"{' '.join(str(error).split())}. Let an administrator of the database create the user {reader!r}, with "
            "the right to log in, and run this again as the owner of the schema."
        ) from error
    except psycopg2.Error as error:
        if extra := unknown_option(str(error)):  # libpq's text may quote the connection string
            raise InvalidSettings(
                f"The writing connection to the schema {schema!r} can't be opened: {extra}."
            ) from None
        raise StoreUnavailable(
            f"{reader!r} was not given the right to read the schema {schema!r}: {' '.join(str(error).split())}. "
            "Check that PostgreSQL runs there and lets the user of the writing connection in; then run this again."
        ) from error
    return reader


def _login(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if not parts.username:
        raise InvalidSettings("A connection to PostgreSQL for the review pages names no user; write user and password.")
    return unquote(parts.username), unquote(parts.password or "")


def _is_there(cursor: extensions.cursor, query: str, name: str) -> bool:
    cursor.execute(query, (name,))
    return cursor.fetchone() is not None
