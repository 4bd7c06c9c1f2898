"""How entries are recorded and read in PostgreSQL: what all parts of the ledger there do it with."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Select, func, select

from perennial.clock import Clock
from perennial.lease import Lease
from perennial.ledger.chain import ChainedEntry
from perennial.ledger.postgres import queries
from perennial.ledger.postgres.appending import append
from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.locks import Timeouts, current_token, lock_use_case
from perennial.ledger.postgres.schema.tables import TABLES
from perennial.ledger.rows import Entry, as_stored, from_row, utc

_ALL: Mapping[str, Any] = MappingProxyType({})
_NOW = select(func.clock_timestamp())


class EntriesInPostgres:
    """Entries by kind, in the tables of `perennial.ledger.postgres.schema.tables`."""

    def __init__(self, database: LedgerDatabase, clock: Clock | None, timeouts: Timeouts) -> None:
        self._database = database
        self._clock = clock
        self._timeouts = timeouts

    def _record(self, given: Entry, lease: Lease | None = None) -> Entry:
        with self._database.transaction() as connection:
            if isinstance(given, ChainedEntry):
                lock_use_case(connection, given.use_case, self._timeouts.lock)
            refuse_if_passed(connection, lease)
            return append(connection, as_stored(given, self._now(connection)))

    def _now(self, connection: Connection) -> datetime:
        """The instant of record: by the database's clock, which is one for all hosts, unless another one was given."""
        if self._clock is not None:
            return self._clock()
        at: datetime = connection.execute(_NOW).scalar_one()
        return at

    def _between(self, kind: type[Entry], use_case: str, start: datetime, end: datetime, *age: str) -> Sequence[Entry]:
        table = TABLES[kind]
        within = queries.inside(table, utc(start, "start"), utc(end, "end"))
        return self._entries(kind, queries.newest_per_window(table, use_case, *age).where(within))

    def _entries(self, kind: type[Entry], query: Select[Any], left_out: Mapping[str, Any] = _ALL) -> Sequence[Entry]:
        """The entries that the query finds; `left_out` says what takes the place of columns that it leaves out."""
        with self._database.transaction() as connection:
            found = connection.execute(query)
            names = list(found.keys())
            rows = found.all()
        # Of thousands of rows a dict is read faster than what SQLAlchemy has for a mapping.
        return [from_row(kind, {**dict(zip(names, row, strict=True)), **left_out}) for row in rows]


def refuse_if_passed(connection: Connection, lease: Lease | None) -> None:
    """Errors: `LeaseLost` when a later holder took the lease's window."""
    if lease is not None:
        lease.refuse_if_passed(current_token(connection, lease), "the ledger")
