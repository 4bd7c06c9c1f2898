"""Published predictions in PostgreSQL: a window is replaced as a whole, in one transaction.

The old rows are live until the transaction commits, which is when all of the new ones have arrived.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime

import psycopg2
import pyarrow as pa
from psycopg2 import errors, extensions
from psycopg2.sql import SQL, Literal

from perennial.addresses import postgres_dsn, unknown_option
from perennial.digest import canonical, table_digest
from perennial.errors import READ_TOO_LONG, InvalidSettings, PerennialError, SchemaMismatch, StoreUnavailable
from perennial.lease import Lease
from perennial.ordered import OrderedTable, Rows
from perennial.published import batches, readying, tables
from perennial.published.layout import (
    WINDOW_COLUMNS,
    arranged,
    check_keys,
    database_types,
    ended_comment,
    refuse_doubled_keys,
    with_window,
)
from perennial.published.names import WINDOWS, rows_of, table_of
from perennial.published.port import PublishedSize, PublishedWindow
from perennial.published.provenance import OF_BATCHES, TYPES, batches_of, joined
from perennial.published.tables import describe, index_is_valid, key_of
from perennial.published.transfer import by_key, copy_in, copy_out
from perennial.published.turn import await_turn
from perennial.window import Window

CONNECT_SECONDS = 10
READ_COMMITTED, REPEATABLE_READ = (
    extensions.ISOLATION_LEVEL_READ_COMMITTED,
    extensions.ISOLATION_LEVEL_REPEATABLE_READ,
)


class PostgresPublished:
    """Tables `perennial.predictions_<use case>` in the database at `url`, made when they are missing.

    Their columns are those of the rows, with `window_start` and `window_end`. The server ends a transaction in which
    nothing happened for `heartbeat_timeout` seconds: its process is stopped or hangs, and others wait for its locks.
    Whoever waits to publish a window ends a session whose rows stopped coming for as long. With `reading_timeout`,
    nothing can be published, and a statement that takes more than so many seconds is given up.
    """

    def __init__(self, url: str, heartbeat_timeout: float = 60.0, reading_timeout: float | None = None) -> None:
        self._dsn = postgres_dsn(url)
        self._heartbeat_timeout = heartbeat_timeout
        self._reading_timeout = reading_timeout

    def publish(self, use_case: str, window: Window, rows: Rows, lease: Lease | None = None) -> None:
        """See `PublishedPredictions.publish`. Without a lease the window keeps the fencing token that it has.

        Of two that publish the same window at once, the second waits for the first (see `await_turn`). Errors:
        `SchemaMismatch` for null or doubled keys and changed types, `InvalidSettings` when the user lacks a right,
        `StoreUnavailable`.
        """
        ordered = OrderedTable.of(rows) if isinstance(rows, pa.Table) else rows
        origins = batches_of(use_case, window, ordered.schema, ordered.chunks([*TYPES]))
        names = [name for name in arranged(rows.schema.names) if name not in OF_BATCHES]
        columns = database_types(use_case, pa.schema([ordered.schema.field(name) for name in names]))
        what = f"Publishing {use_case} {window}"
        readying.make_ready(lambda: self._transaction(what, READ_COMMITTED), use_case, columns)
        with self._transaction(what, READ_COMMITTED) as cursor:
            await_turn(cursor, use_case, window, self._heartbeat_timeout)
            key = key_of(cursor, use_case, columns)
            check_keys(use_case, window, ordered, key)
            indexed = index_is_valid(cursor, use_case)
            seen = self._token(cursor, use_case, window)
            if lease is not None:
                lease.refuse_if_passed(seen, f"perennial.predictions_{use_case}")
            table = table_of(use_case)
            tables.remove_rows(cursor, use_case, rows_of(window))
            sent = (with_window(chunk, window) for chunk in by_key(ordered.chunks(names), key))
            try:
                copy_in(cursor, table, [*names, *WINDOW_COLUMNS], sent)
            except errors.UniqueViolation:  # the database tells it without having all keys in memory
                refuse_doubled_keys(use_case, window, ordered, key)
                raise
            batches.write(cursor, use_case, window, origins)
            cursor.execute(
                SQL("DELETE FROM {} WHERE use_case = {} AND {}").format(WINDOWS, Literal(use_case), rows_of(window))
            )
            cursor.execute(
                SQL(
                    "INSERT INTO {} (use_case, window_start, window_end, row_count, columns, fencing_token) "
                    "VALUES (%s, %s, %s, %s, %s, %s)"
                ).format(WINDOWS),
                (
                    use_case,
                    window.start,
                    window.end,
                    ordered.num_rows,
                    names,
                    lease.fencing_token if lease else seen,
                ),
            )
        if not indexed:
            self._make_index(use_case, key)

    def _make_index(self, use_case: str, key: str) -> None:
        with closing(self._connect(f"Indexing {use_case}")) as session:
            session.autocommit = True
            readying.make_index(session, use_case, key)

    def read(self, use_case: str, window: Window) -> pa.Table:
        """See `PublishedPredictions.read`. A window that was never published has neither rows nor columns."""
        with self._transaction(f"Reading {use_case} {window}", REPEATABLE_READ) as cursor:
            table = describe(cursor, use_case)
            if not table.columns:
                return pa.table({})
            cursor.execute(
                SQL("SELECT columns FROM {} WHERE use_case = {} AND {}").format(
                    WINDOWS, Literal(use_case), rows_of(window)
                )
            )
            published = cursor.fetchone()
            if published is None:
                return pa.table({})
            columns = {name: table.columns[name] for name in published[0]}
            source = SQL("{} WHERE {}").format(table_of(use_case), rows_of(window))
            rows = copy_out(cursor, columns, source)
            if not OF_BATCHES.keys() <= columns.keys():
                rows = joined(rows, batches.read(cursor, use_case, window))
            return canonical(rows)

    def windows(self, use_case: str, start: datetime, end: datetime) -> list[Window]:
        """See `PublishedPredictions.windows`."""
        what = f"Listing the published windows of {use_case}"
        with self._transaction(what, READ_COMMITTED) as cursor:
            return [Window(*span) for span in tables.windows(cursor, use_case, start, end)]

    def overview(self, use_case: str, start: datetime, end: datetime) -> Mapping[Window, PublishedWindow]:
        """See `PublishedPredictions.overview`. The database counts."""
        what = f"Counting the published rows of {use_case}"
        with self._transaction(what, READ_COMMITTED) as cursor:
            return tables.overview(cursor, use_case, start, end)

    def mark_ended(self, use_case: str, at: datetime, reason: str) -> None:
        """See `PublishedPredictions.mark_ended`. Programs ask `perennial.ended_use_cases`."""
        with self._transaction(f"Marking {use_case} as ended", READ_COMMITTED) as cursor:
            tables.mark_ended(cursor, use_case, at, reason)

    def ended(self, use_case: str) -> str | None:
        """See `PublishedPredictions.ended`."""
        what = f"Looking whether {use_case} has ended"
        with self._transaction(what, READ_COMMITTED) as cursor:
            found = tables.ended(cursor, use_case)
        return ended_comment(*found) if found else None

    def size(self, use_case: str) -> PublishedSize:
        """See `PublishedPredictions.size`."""
        with self._transaction(f"Measuring {use_case}", READ_COMMITTED) as cursor:
            return tables.size(cursor, use_case)

    def erase(self, use_case: str) -> PublishedSize:
        """See `PublishedPredictions.erase`. The table's file is emptied with the commit."""
        with self._transaction(f"Erasing {use_case}", READ_COMMITTED) as cursor:
            found = tables.size(cursor, use_case)
            tables.erase(cursor, use_case)
            return found

    def remove(self, use_case: str, until: datetime) -> int:
        """See `PublishedPredictions.remove`. A transaction that publishes such a window just then comes after it."""
        with self._transaction(f"Removing old rows of {use_case}", READ_COMMITTED) as cursor:
            return tables.remove(cursor, use_case, until)

    def digest(self, use_case: str, window: Window) -> str:
        """See `PublishedPredictions.digest`."""
        return table_digest(self.read(use_case, window))

    def _token(self, cursor: extensions.cursor, use_case: str, window: Window) -> int:
        query = SQL("SELECT fencing_token FROM {} WHERE use_case = {} AND {}")
        cursor.execute(query.format(WINDOWS, Literal(use_case), rows_of(window)))
        found = cursor.fetchone()
        return int(found[0]) if found else 0

    def _connect(self, what: str) -> extensions.connection:
        try:
            return psycopg2.connect(self._dsn, connect_timeout=CONNECT_SECONDS, client_encoding="UTF8")
        except psycopg2.ProgrammingError as error:
            said = unknown_option(str(error)) or "it can't be read"
            raise InvalidSettings(
                f"{what} failed, at the published tables' connection: {said}."
            ) from None  # libpq's text quotes the connection string
        except psycopg2.Error as error:
            raise _explained(what, error) from error

    @contextmanager
    def _transaction(self, what: str, isolation: int) -> Iterator[extensions.cursor]:
        with closing(self._connect(what)) as session:
            try:
                session.set_session(isolation_level=isolation, readonly=self._reading_timeout is not None)
                with session, session.cursor() as cursor:
                    milliseconds = max(1, round(self._heartbeat_timeout * 1000))
                    # For this transaction alone: a pooler may give the session to somebody else after it.
                    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = %s", (milliseconds,))
                    if self._reading_timeout is not None:
                        cursor.execute(
                            "SET LOCAL statement_timeout = %s", (max(1, round(self._reading_timeout * 1000)),)
                        )
                    yield cursor
            except (psycopg2.DataError, psycopg2.IntegrityError) as error:
                raise _explained(what, error) from None  # its details hold values
            except psycopg2.Error as error:
                raise _explained(what, error) from error


def _explained(what: str, error: psycopg2.Error) -> PerennialError:
    # The statement, which it quotes after that, is not for readers, nor are the values in its details.
    said = error.diag.message_primary or str(error).partition("\nLINE ")[0]
    text = " ".join(said.split()).rstrip(".")
    if isinstance(error, psycopg2.DataError | psycopg2.IntegrityError):
        return SchemaMismatch(f"{what} failed: {text}. Nothing was published; correct the rows.")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return InvalidSettings(f"{what} failed: {text}. This connection is read-only; publishing needs another one.")
    if isinstance(error, psycopg2.ProgrammingError):
        return InvalidSettings(
            f"{what} failed: {text}. Nothing was published; check the rights of the connection's user."
        )
    if isinstance(error, errors.QueryCanceled):
        return StoreUnavailable(f"{what} failed: {text}. {READ_TOO_LONG}")
    return StoreUnavailable(f"{what} failed: {text}. The old rows are still live; run the task again.")
