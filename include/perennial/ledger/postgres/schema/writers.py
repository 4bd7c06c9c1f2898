"""A database user who adds to the ledger and can't change what it holds, because another user owns its tables.

The tables' own triggers refuse every change. Who owns a table can take its triggers away; this user owns nothing.
"""

from contextlib import closing
from urllib.parse import unquote, urlsplit

import psycopg2
from psycopg2.sql import SQL, Identifier

from perennial.addresses import postgres_dsn, unknown_option
from perennial.encoding import lock_key
from perennial.errors import InvalidSettings, StoreUnavailable
from perennial.ledger.postgres.schema.tables import SCHEMA

CONNECT_SECONDS = 10
REDACT = "redact_entity(text, timestamptz, timestamptz, text, jsonb, text, text, timestamptz)"
CHANGING = ("leases",)  # the one table whose rows change: who works on which window now


def prepare_writer(owner_url: str, writer_url: str) -> str:
    """Let the user of `writer_url`, who must be there, add to every table of the ledger, and call the one function that
    takes an erased entity out of entries; the user's name.

    Run it again after each `perennial db upgrade`; doing so changes nothing more. Errors: `InvalidSettings` when the
    user is missing, is the owner, or when the user of `owner_url` does not own the ledger; `StoreUnavailable`.
    """
    owner, writer = _user(owner_url), _user(writer_url)
    if owner == writer:
        raise InvalidSettings(
            f"The ledger's owner and its writer are the same user, {writer!r}: the owner of the tables can remove the "
            "triggers that refuse changes. Name another user in the connection of the writer."
        )
    user, schema = Identifier(writer), Identifier(SCHEMA)
    try:
        opened = psycopg2.connect(postgres_dsn(owner_url), connect_timeout=CONNECT_SECONDS)
        with closing(opened), opened, opened.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key("writers"),))
            cursor.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, user))
            cursor.execute(SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(schema, user))
            cursor.execute(SQL("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, user))
            cursor.execute(SQL("REVOKE INSERT ON {}.alembic_version FROM {}").format(schema, user))
            cursor.execute(SQL(f"GRANT EXECUTE ON FUNCTION {{}}.{REDACT} TO {{}}").format(schema, user))
            for table in CHANGING:
                cursor.execute(SQL("GRANT UPDATE ON {}.{} TO {}").format(schema, Identifier(table), user))
    except (psycopg2.errors.UndefinedObject, psycopg2.errors.InsufficientPrivilege) as error:
        raise InvalidSettings(
            f"{writer!r} was not given the right to add to the ledger: {' '.join(str(error).split())}. Let an "
            f"administrator create that user, and run this as the owner of the schema {SCHEMA!r}."
        ) from error
    except psycopg2.errors.UndefinedTable as error:
        raise InvalidSettings(
            f"The ledger lacks tables: {' '.join(str(error).split())}. Run `perennial db upgrade` as its owner first."
        ) from error
    except psycopg2.Error as error:
        if extra := unknown_option(str(error)):  # libpq's text may quote the connection string
            raise InvalidSettings(f"The connection of the ledger's owner can't be opened: {extra}.") from None
        raise StoreUnavailable(
            f"{writer!r} was not given the right to add to the ledger: {' '.join(str(error).split())}. Check that "
            "PostgreSQL runs there and lets the owner in; then run this again."
        ) from error
    return writer


def _user(url: str) -> str:
    name = urlsplit(url).username
    if not name:
        raise InvalidSettings("A connection to the ledger names no user; write user and password.")
    return unquote(name)
