"""How an entry is appended to its table, once, and to its use case's chain; and found again by its natural key."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, func, select, text
from sqlalchemy.dialects.postgresql import insert

from perennial.ledger.chain import ChainedEntry, Link, link_of
from perennial.ledger.entries import Snapshot, ValidationResult
from perennial.ledger.postgres import queries
from perennial.ledger.postgres.schema.tables import TABLES, chain
from perennial.ledger.rows import Entry, from_row, key_columns, to_row

Taken = TypeVar("Taken", Snapshot, ValidationResult)  # entries that are taken in many at once; no column is packed

_ROWS = json.JSONEncoder(allow_nan=False, ensure_ascii=False, default=datetime.isoformat)
LINK_COLUMNS = [chain.c[field.name] for field in fields(Link)]


def append(connection: Connection, entry: Entry) -> Entry:
    """The entry as stored: this one, or the one that holds its natural key already.

    To append one of a chained kind, hold the lock on its use case.
    """
    table = TABLES[type(entry)]
    statement = (
        insert(table)
        .values(to_row(entry))
        .on_conflict_do_nothing(index_elements=list(key_columns(entry)))
        .returning(table)
    )
    row: Any = connection.execute(statement).mappings().one_or_none()
    if row is not None:
        stored = from_row(type(entry), row)
        if isinstance(stored, ChainedEntry):
            _append_link(connection, stored)
        return stored
    found = existing(connection, entry)
    assert found is not None, "an append-only table lost a row between two statements"
    return found


def append_many(connection: Connection, entries: Sequence[Taken]) -> list[Taken]:
    """`append` of each entry, all of one kind, in one statement with one JSON document of all rows: a parameter for
    each cell takes twice the time.
    """
    if not entries:
        return []
    table = TABLES[type(entries[0])]
    given = [to_row(each) for each in entries]
    keys: list[str] = list(key_columns(entries[0]))
    row_type, document = text(f"NULL::{table.fullname}"), text("CAST(:rows AS json)")
    found_rows = func.json_populate_recordset(row_type, document).table_valued(*given[0])
    # All of a row but its id is known here: to have it sent back and read takes longer than to store it.
    statement = (
        insert(table)
        .from_select(list(given[0]), select(found_rows))
        .on_conflict_do_nothing(index_elements=keys)
        .returning(*(table.c[name] for name in ("id", *keys)))
    )
    rows = connection.execute(statement, {"rows": _ROWS.encode(given)}).all()
    ids = {tuple(row[1:]): row[0] for row in rows}
    found: list[Taken | None] = []
    for each in entries:
        number = ids.get(tuple(key_columns(each).values()))
        found.append(existing(connection, each) if number is None else replace(each, id=number))
    return [each for each in found if each is not None]


def _append_link(connection: Connection, entry: ChainedEntry) -> None:
    last = select(*LINK_COLUMNS).where(chain.c.use_case == entry.use_case).order_by(chain.c.position.desc())
    connection.execute(chain.insert().values(**asdict(link_of(first_link(connection, last), entry))))


def first_link(connection: Connection, query: Select[Any]) -> Link | None:
    """The first link of the query, if there is one."""
    row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else Link(**row)


def existing(connection: Connection, entry: Entry) -> Entry | None:
    """The entry that holds the natural key, if there is one."""
    table = TABLES[type(entry)]
    conditions = [table.c[name] == value for name, value in key_columns(entry).items()]
    return first_entry(connection, type(entry), select(table).where(*conditions))


def first_entry(connection: Connection, kind: type[Entry], query: queries.Query) -> Entry | None:
    """The first entry of the query, if there is one."""
    row = connection.execute(query).mappings().first()
    return None if row is None else from_row(kind, row)
