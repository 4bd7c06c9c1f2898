"""Rows of a query, from PostgreSQL: read-only, through a server-side cursor, never more than a batch ahead.

Numbers of arbitrary precision, dates and times are fetched as the texts that PostgreSQL writes, because no Python value
holds all of them: a `numeric` may have more digits than a float, a `timestamptz` may be `infinity` or before Christ.
`char(n)` loses the blanks that it is filled up with, as in every cast of PostgreSQL's own.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2.extensions import UNICODE, connection, new_type, register_type

from perennial.addresses import postgres_dsn, unknown_option
from perennial.errors import (
    InvalidQuery,
    InvalidSettings,
    PerennialError,
    SchemaMismatch,
    SourceUnavailable,
    UndecodableText,
)
from perennial.quality.columns import Unfit
from perennial.quality.texts import NULL_WORDS, Canonical, Spelling, read_text
from perennial.sources.intake import Intake, whole
from perennial.sources.port import Extract, Source
from perennial.sources.shape import Shape
from perennial.sources.sql import bound
from perennial.spec.columns import Column, Kind
from perennial.spec.models import Limits
from perennial.spec.problems import listed, shown
from perennial.window import Window

BATCH_ROWS = 10_000
CONNECT_SECONDS = 10

# By the type's OID in PostgreSQL's catalogue. Other types arrive as text, if psycopg2 reads them as text.
_ARROW_TYPES: dict[int, pa.DataType] = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    26: pa.int64(),
    700: pa.float32(),
    701: pa.float64(),
}
_PADDED_TEXT = 1042  # char(n)
_NUMERIC = "numeric"
# Types whose texts are values of a kind, and the name of each.
_SPELLED = {1700: _NUMERIC, 1082: "date", 1114: "timestamp without time zone", 1184: "timestamp with time zone"}
_DOCUMENTS = (114, 3802)  # json and jsonb: parsed, their numbers would lose digits
_NUMBER_KINDS = (Kind.NUMERIC, Kind.INTEGER, Kind.CATEGORICAL, Kind.BOOLEAN)
# Classes of SQLSTATE in which the same query may work later: connection, transaction rolled back, resources, lock not
# available, operator intervention (a timeout is one), system and internal errors.
_PASSING = ("08", "40", "53", "55", "57", "58", "XX")
_UNDECODABLE = ("22021", "22P05")


class PostgresSource(Source):
    """The rows of `sql`, which may bind :start, :end and :as_of.

    `connection_id` and `file` name connection and query in messages; `shape` is what the spec knows of the columns,
    and `key` the one that names entities.
    `timeout` is in seconds, for the query and for each batch of rows.
    """

    def __init__(
        self,
        url: str,
        sql: str,
        *,
        connection_id: str,
        file: str,
        shape: Shape | None = None,
        key: str = "",
        timeout: float = 600.0,
    ) -> None:
        self._shape = shape or Shape()
        self._key = key
        self._dsn = postgres_dsn(url)
        self._sql = sql
        self._statement = bound(sql, file)
        self._connection_id = connection_id
        self._file = file
        self._timeout = timeout

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """See `Source.fetch`. The session's time zone is UTC."""
        return whole(self.parts(window, as_of, limits, keys), self._origin)

    def parts(
        self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None
    ) -> Generator[Extract, None, None]:
        """See `Source.parts`."""
        intake = Intake(limits, self._origin)
        values = {"start": window.start, "end": window.end, "as_of": as_of.astimezone(UTC)}
        others: list[str] = []

        def batches() -> Iterator[pa.Table]:
            with closing(self._connect()) as session:
                for rows, oids in self._batches(session, values):
                    others[:] = self._shape.others(rows.column_names)
                    kept = intake.admit(rows.drop_columns(others))
                    shaped = self._shape.canonical(kept, self._named(), partial(self._read, oids))
                    yield shaped if keys is None else self._shape.having(shaped, self._key, keys)

        def told() -> Extract:
            asked = ", ".join(f":{name} = {value.isoformat()}" for name, value in values.items())
            left_out = [name for name in others if name not in self._shape.beside]
            ignored = f"{self._named()}: left out are the columns that the spec does not declare, {listed(left_out)}."
            query = f"{self._sql.rstrip()}\n-- {asked}\n"
            return Extract(pa.table({}), query, remarks=(ignored,) if left_out else ())

        yield from intake.parts(batches(), told)

    @property
    def _origin(self) -> str:
        return f"connection {self._connection_id}, {self._file}"

    def _read(self, oids: Mapping[str, int], name: str, column: Column, values: pa.ChunkedArray) -> Canonical:
        """See `ReadColumn`."""
        kind = _SPELLED.get(oids[name])
        if kind is None or values.null_count == len(values):
            return self._shape.read(name, column, values)
        if kind == _NUMERIC and column.kind not in _NUMBER_KINDS:
            raise Unfit(f"is declared {column.kind} and holds {kind}; cast it in the query, or declare another kind")
        if kind != _NUMERIC and column.kind is not Kind.TIMESTAMP:
            raise Unfit(f"is declared {column.kind} and holds {kind}; cast it to text in the query")
        if kind in ("date", "timestamp without time zone") and self._shape.timezone is None:
            raise Unfit(
                f"is declared timestamp and holds {kind}, which has no time zone, so it names no instant; say in the "
                "spec which one is meant, such as `timezone: Europe/Berlin`, or in the query, with AT TIME ZONE"
            )
        nulls = NULL_WORDS if kind == _NUMERIC and column.kind is not Kind.CATEGORICAL else ()
        return read_text(column, values, Spelling(nulls=nulls, timezone=self._shape.timezone))

    def _connect(self) -> connection:
        try:
            return psycopg2.connect(self._dsn, connect_timeout=CONNECT_SECONDS, client_encoding="UTF8")
        except psycopg2.OperationalError as error:
            raise SourceUnavailable(
                f"Connection {self._connection_id} could not be opened: {_line(str(error))}. "
                "Check that the server is up and that the connection's host, user and password are right."
            ) from error
        except psycopg2.ProgrammingError as error:
            said = unknown_option(str(error)) or "it can't be read"  # libpq's text quotes the connection string
            raise InvalidSettings(f"Connection {self._connection_id} could not be opened: {said}.") from None

    def _batches(
        self, session: connection, values: dict[str, datetime]
    ) -> Iterator[tuple[pa.Table, Mapping[str, int]]]:
        """The rows in batches, with the names that the spec gives the columns, and the OIDs of their types."""
        session.set_session(readonly=True)
        cursor = session.cursor(name="perennial")
        register_type(new_type((*_SPELLED, *_DOCUMENTS), "text", UNICODE), cursor)
        try:
            with session.cursor() as setup:
                milliseconds = str(round(self._timeout * 1000))
                setup.execute("SELECT set_config('statement_timeout', %s, true)", (milliseconds,))
                # How values are written, whatever the role or the database is set to.
                setup.execute("SET LOCAL TIME ZONE 'UTC'")
                setup.execute("SET LOCAL DateStyle = 'ISO'")
                setup.execute("SET LOCAL extra_float_digits = 3")
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
            raise SchemaMismatch(
                f"{self._named()}: a value that can't be read ({_line(str(error))}). Cast its column to text."
            ) from error
        except psycopg2.Error as error:
            raise self._explained(error, cursor.query) from error

    def _table(self, rows: Sequence[tuple[Any, ...]], description: Sequence[Any]) -> tuple[pa.Table, Mapping[str, int]]:
        columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(description)
        names = self._shape.renamed([column.name for column in description])
        others = self._shape.others(names)
        arrays = [
            # What is left out anyway may be of any type.
            pa.nulls(len(values)) if name in others else self._array(column.name, column.type_code, values)
            for name, column, values in zip(names, description, columns, strict=True)
        ]
        oids = {name: column.type_code for name, column in zip(names, description, strict=True)}
        return pa.Table.from_arrays(arrays, names=names), oids

    def _array(self, name: str, oid: int, values: Sequence[Any]) -> pa.Array:
        try:
            array = pa.array(values, _ARROW_TYPES.get(oid, pa.string()))
            return pc.utf8_rtrim(array, " ") if oid == _PADDED_TEXT else array
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
