"""Rows of a query, from PostgreSQL: read-only, through a server-side cursor, never more than a batch ahead."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pyarrow as pa
from psycopg2.extensions import FLOAT, connection, new_type, register_type

from perennial.addresses import postgres_dsn
from perennial.errors import (
    InvalidQuery,
    InvalidSettings,
    PerennialError,
    SchemaMismatch,
    SourceUnavailable,
    UndecodableText,
)
from perennial.sources.intake import Intake
from perennial.sources.port import Extract
from perennial.sources.sql import bound
from perennial.spec.models import Limits
from perennial.spec.problems import listed, shown
from perennial.window import Window

BATCH_ROWS = 10_000
CONNECT_SECONDS = 10
NUMERIC_OID = 1700

# By the type's OID in PostgreSQL's catalogue. Other types arrive as text, if psycopg2 reads them as text.
_ARROW_TYPES: dict[int, pa.DataType] = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    700: pa.float64(),
    701: pa.float64(),
    NUMERIC_OID: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
}
# Classes of SQLSTATE in which the same query may work later: connection, transaction rolled back, resources, lock not
# available, operator intervention (a timeout is one), system and internal errors.
_PASSING = ("08", "40", "53", "55", "57", "58", "XX")
_UNDECODABLE = ("22021", "22P05")
_TIMES = (1082, 1114, 1184)


class PostgresSource:
    """The rows of `sql`, which may bind :start, :end and :as_of.

    `connection_id` and `file` name connection and query in messages. `timeout` is in seconds, for the query and for
    each batch of rows.
    """

    def __init__(self, url: str, sql: str, *, connection_id: str, file: str, timeout: float = 600.0) -> None:
        self._dsn = postgres_dsn(url)
        self._sql = sql
        self._statement = bound(sql, file)
        self._connection_id = connection_id
        self._file = file
        self._timeout = timeout

    def fetch(self, window: Window, as_of: datetime, limits: Limits) -> Extract:
        """See `Source.fetch`. The session's time zone is UTC."""
        intake = Intake(limits, f"connection {self._connection_id}, {self._file}")
        values = {"start": window.start, "end": window.end, "as_of": as_of.astimezone(UTC)}
        with closing(self._connect()) as session:
            for batch in self._batches(session, values):
                intake.add(batch)
        asked = ", ".join(f":{name} = {value.isoformat()}" for name, value in values.items())
        return Extract(intake.table(), f"{self._sql.rstrip()}\n-- {asked}\n")

    def _connect(self) -> connection:
        try:
            return psycopg2.connect(self._dsn, connect_timeout=CONNECT_SECONDS, client_encoding="UTF8")
        except psycopg2.OperationalError as error:
            raise SourceUnavailable(
                f"Connection {self._connection_id} could not be opened: {_line(str(error))}. "
                "Check that the server is up and that the connection's host, user and password are right."
            ) from error
        except psycopg2.ProgrammingError:
            raise InvalidSettings(
                f"Connection {self._connection_id} has an extra that PostgreSQL's connection strings don't know. "
                "Remove what is there for Airflow's hooks only."
            ) from None  # libpq's text quotes the connection string

    def _batches(self, session: connection, values: dict[str, datetime]) -> Iterator[pa.Table]:
        session.set_session(readonly=True)
        cursor = session.cursor(name="perennial")
        register_type(new_type((NUMERIC_OID,), "float", FLOAT), cursor)
        try:
            with session.cursor() as setup:
                milliseconds = str(round(self._timeout * 1000))
                setup.execute("SELECT set_config('statement_timeout', %s, true)", (milliseconds,))
                setup.execute("SET LOCAL TIME ZONE 'UTC'")
                # A query that ends this transaction would be free to write in the next one.
                setup.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            cursor.execute(self._statement, values)
            while True:
                rows = cursor.fetchmany(BATCH_ROWS)
                yield self._table(rows, cursor.description or ())
                if len(rows) < BATCH_ROWS:
                    return
        except UnicodeDecodeError as error:
            raise UndecodableText(f"{self._named()}: the server sent text that is not UTF-8: {error}.") from error
        except (ValueError, OverflowError) as error:
            times = [column.name for column in cursor.description or () if column.type_code in _TIMES]
            raise SchemaMismatch(
                f"{self._named()}: a date or time that no calendar here has ({error})"
                f"{f', in {listed(times)}' if times else ''}; they reach from the year 1 to 9999. "
                "Correct it at the source, or leave the row out in the query."
            ) from error
        except psycopg2.Error as error:
            raise self._explained(error, cursor.query) from error

    def _table(self, rows: Sequence[tuple[Any, ...]], description: Sequence[Any]) -> pa.Table:
        columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(description)
        arrays = [
            self._array(column.name, column.type_code, values)
            for column, values in zip(description, columns, strict=True)
        ]
        return pa.Table.from_arrays(arrays, names=[column.name for column in description])

    def _array(self, name: str, oid: int, values: Sequence[Any]) -> pa.Array:
        try:
            return pa.array(values, _ARROW_TYPES.get(oid, pa.string()))
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise InvalidQuery(
                f"{self._named()}: column {shown(name)} is of a type that can't be read ({_line(str(error))}). "
                "Cast it in the query to a number, a boolean, a timestamp or text."
            ) from error

    def _explained(self, error: psycopg2.Error, statement: bytes | None) -> PerennialError:
        state = error.pgcode or ""
        place = _place(error, statement)
        hint = f" The server's hint: {error.diag.message_hint}" if error.diag.message_hint else ""
        said = _line(error.diag.message_primary or str(error))
        text = f"{self._named()}{place}: {said} (SQLSTATE {state or 'none'}).{hint}"
        if state in _UNDECODABLE:
            return UndecodableText(f"{text} Correct the text at the source.")
        if state[:2] in _PASSING or (
            not state and isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        ):
            return SourceUnavailable(f"{text} The same query may work later.")
        return InvalidQuery(f"{text} Correct the query, or the rights of the connection's user.")

    def _named(self) -> str:
        return f"Connection {self._connection_id}, query {self._file}"


def _place(error: psycopg2.Error, statement: bytes | None) -> str:
    """The line in the SQL file: what is put around and into the query has no line breaks, so that lines stay lines."""
    position = error.diag.statement_position
    if position is None or statement is None:
        return ""
    before = statement.decode(errors="replace")[: int(position) - 1]
    return f", line {before.count(chr(10)) + 1}"


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
