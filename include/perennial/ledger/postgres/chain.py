"""The chain of the ledger in PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, exists, func, select, text, tuple_

from perennial.ledger.chain import CHAINED, ChainedEntry, Link
from perennial.ledger.postgres.appending import LINK_COLUMNS, first_link
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.schema.tables import TABLES, chain
from perennial.ledger.rows import from_row

_KINDS = {name: kind for kind, name in CHAINED.items()}

# From one use case to the next by the index: its cost does not grow with the lengths of the chains.
_LAST_LINKS = text(
    """
WITH RECURSIVE last AS (
    (SELECT * FROM ledger.chain ORDER BY use_case DESC, position DESC LIMIT 1)
    UNION ALL
    SELECT next.* FROM last CROSS JOIN LATERAL (
        SELECT * FROM ledger.chain WHERE use_case < last.use_case ORDER BY use_case DESC, position DESC LIMIT 1
    ) AS next
)
SELECT use_case, position, kind, entry_id, form, adopted, content, previous, digest FROM last
"""
)


class PostgresChain(EntriesInPostgres):
    """The part of `PostgresLedger` that is asked about the chain."""

    def last_links(self) -> Sequence[Link]:
        """The last link of each chain, by use case."""
        with self._database.transaction() as connection:
            rows = connection.execute(_LAST_LINKS).mappings()
            return sorted((Link(**row) for row in rows), key=lambda link: link.use_case)

    def links_at(self, positions: Mapping[str, int]) -> Mapping[str, Link]:
        """The links at one position for each use case named."""
        if not positions:
            return {}
        query = select(*LINK_COLUMNS).where(tuple_(chain.c.use_case, chain.c.position).in_(list(positions.items())))
        with self._database.transaction() as connection:
            return {row["use_case"]: Link(**row) for row in connection.execute(query).mappings()}

    def linked(self, use_case: str, after: int, limit: int) -> Sequence[tuple[Link, ChainedEntry | None]]:
        """The first `limit` links after a position, in order, each with its entry."""
        query = select(*LINK_COLUMNS).where(chain.c.use_case == use_case, chain.c.position > after)
        with self._database.transaction() as connection:
            rows = connection.execute(query.order_by(chain.c.position).limit(limit)).mappings()
            links = [Link(**row) for row in rows]
            entries = {
                (name, entry.id): entry
                for name in CHAINED.values()
                for entry in _entries(connection, name, [link.entry_id for link in links if link.kind == name])
            }
        return [(link, entries.get((link.kind, link.entry_id))) for link in links]

    def link_with(self, use_case: str, *, digest: str | None = None, content: str | None = None) -> Link | None:
        """The first link of the use case with that digest, or that content."""
        query = select(*LINK_COLUMNS).where(chain.c.use_case == use_case)
        for column, value in ((chain.c.digest, digest), (chain.c.content, content)):
            if value is not None:
                query = query.where(column == value)
        with self._database.transaction() as connection:
            return first_link(connection, query.order_by(chain.c.position))

    def unlinked(self, limit: int, use_case: str | None = None, newest: int | None = None) -> Sequence[ChainedEntry]:
        """Up to `limit` entries without a link; with `newest`, of the last so many of each kind."""
        found: list[ChainedEntry] = []
        with self._database.transaction() as connection:
            for kind, name in CHAINED.items():
                table = TABLES[kind]
                query = select(table).where(~exists().where(chain.c.kind == name, chain.c.entry_id == table.c.id))
                if use_case is not None:
                    query = query.where(table.c.use_case == use_case)
                if newest is not None:
                    query = query.where(table.c.id > select(func.max(table.c.id) - newest).scalar_subquery())
                rows = connection.execute(query.order_by(table.c.id).limit(limit)).mappings()
                found += [_entry(kind, row) for row in rows]
        return found[:limit]


def _entries(connection: Connection, name: str, ids: Sequence[int]) -> Sequence[ChainedEntry]:
    if not ids:
        return []
    kind = _KINDS[name]
    table = TABLES[kind]
    rows = connection.execute(select(table).where(table.c.id.in_(ids))).mappings()
    return [_entry(kind, row) for row in rows]


def _entry(kind: type[ChainedEntry], row: Any) -> ChainedEntry:
    return from_row(kind, row)  # type: ignore[type-var]  # each of these kinds is one that it knows
