"""The tables that predictions are published in: made when they are missing, widened when a column is new.

    perennial.predictions_<use case>    one row per entity and window; consumers query it
    perennial.ended_use_cases           which use cases were decommissioned, when and why
    perennial.published_windows         which windows are published, with how many rows and which columns, and the
                                        fencing token of the lease that published them last
    perennial.published_batches, and views: see `batches`

Rows of predictions, windows and batches are changed only inside the transaction that publishes, and when a use case's
rows are erased. Tables are made and widened before that, in transactions of their own: to widen one takes a lock that
nobody can read beside, and a publication may take minutes. Whoever does it holds an advisory lock meanwhile, so that
two of them never do it at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Composed, Identifier, Literal

from perennial.encoding import lock_key
from perennial.errors import SchemaMismatch
from perennial.published import batches
from perennial.published.layout import WINDOW_COLUMNS, ended_comment, first_key
from perennial.published.names import BATCHES, ENDED, SCHEMA, WINDOWS, index_of, table_of
from perennial.published.port import PublishedSize, PublishedWindow
from perennial.window import Window

LOCK_MILLISECONDS = 200


@dataclass(frozen=True)
class PublishedTable:
    """A table as it is: its columns' database types, and its key column. Without columns, it is not there."""

    columns: dict[str, str]
    key: str | None


def lock(cursor: extensions.cursor) -> None:
    """Wait for the lock of all who change tables, and hold it until the transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key("perennial.published.tables"),))


def describe(cursor: extensions.cursor, use_case: str) -> PublishedTable:
    """The use case's table as it is now."""
    cursor.execute(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(a.attnum = ANY(i.indkey), false)
        FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
        WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        (table_of(use_case).as_string(cursor),),
    )
    found = cursor.fetchall()
    keys = [name for name, _, primary in found if primary and name not in WINDOW_COLUMNS]
    return PublishedTable(
        {name: kind for name, kind, _ in found if name not in WINDOW_COLUMNS}, keys[0] if keys else None
    )


def is_ready(cursor: extensions.cursor, use_case: str, columns: Mapping[str, str]) -> bool:
    """Whether the tables are there and have all the columns, which takes no lock to find out."""
    known = describe(cursor, use_case).columns
    return (
        bool(known)
        and columns.keys() <= known.keys()
        and _windows_have(cursor, "fencing_token")
        and batches.view_is_made(cursor, use_case)
    )


def make_ready(cursor: extensions.cursor, use_case: str, columns: Mapping[str, str]) -> None:
    """Make the tables, or give them the columns (name to database type) that they lack; commit soon after.

    Errors: `psycopg2.errors.LockNotAvailable` when others use a table that lacks one for longer than
    `LOCK_MILLISECONDS`: as long as this waits, it keeps later readers waiting, too.
    """
    lock(cursor)
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_MILLISECONDS}ms",))
    _make(cursor, use_case, columns, describe(cursor, use_case))


def key_of(cursor: extensions.cursor, use_case: str, columns: Mapping[str, str]) -> str:
    """The key column of a table that takes these columns.

    Errors: `SchemaMismatch` when a column has another type in the table.
    """
    table = describe(cursor, use_case)
    changed = [
        f"{name} is {table.columns.get(name, 'not there')} and arrives as {kind}"
        for name, kind in columns.items()
        if table.columns.get(name) != kind
    ]
    if changed or table.key is None:
        raise SchemaMismatch(
            f"The table perennial.predictions_{use_case} does not fit: {'; '.join(changed) or 'no primary key'}. "
            "Nothing was published. Give the column a new name, or rename the old table out of the way."
        )
    return table.key


def index_is_valid(cursor: extensions.cursor, use_case: str) -> bool | None:
    """Whether the index by entity can be used; None when there is none."""
    cursor.execute(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (index_of(use_case).as_string(cursor),)
    )
    found = cursor.fetchone()
    return bool(found[0]) if found else None


def index_statement(use_case: str, key: str, concurrently: str = "") -> Composed:
    """What makes the index by entity."""
    return SQL("CREATE INDEX {} IF NOT EXISTS {} ON {} ({}, window_start)").format(
        SQL(concurrently), Identifier(f"by_entity_{use_case}"), table_of(use_case), Identifier(key)
    )


def windows(
    cursor: extensions.cursor, use_case: str, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """Start and end of the use case's windows inside `[start, end)` that have published rows, by their start."""
    if not _is_there(cursor, WINDOWS):
        return []
    query = SQL(
        "SELECT window_start, window_end FROM {} WHERE use_case = %s AND row_count > 0 "
        "AND window_start >= %s AND window_end <= %s ORDER BY window_start"
    )
    cursor.execute(query.format(WINDOWS), (use_case, start, end))
    return [(begun, ended) for begun, ended in cursor.fetchall()]


def overview(
    cursor: extensions.cursor, use_case: str, start: datetime, end: datetime
) -> Mapping[Window, PublishedWindow]:
    """What the use case's table has of the windows inside `[start, end)`.

    PostgreSQL marks each row with the transaction that wrote it. After a restore, all rows have the same mark.
    """
    found: dict[Window, PublishedWindow] = {}
    if not _is_there(cursor, table_of(use_case)):
        return found
    query = SQL(
        "SELECT window_start, window_end, count(*), min(revision), max(revision), "
        "min(xmin::text::bigint) = max(xmin::text::bigint) FROM {} "
        "WHERE window_start >= %s AND window_end <= %s GROUP BY window_start, window_end"
    )
    cursor.execute(query.format(table_of(use_case)), (start, end))
    counted = cursor.fetchall()
    lacking = batches.lacking(cursor, use_case, start, end) if _is_there(cursor, BATCHES) else set()
    for begun, until, rows, least, most, at_once in counted:
        whole = at_once and (begun, until) not in lacking
        found[Window(begun, until)] = PublishedWindow(rows, least if least == most else None, whole)
    return found


def remove_rows(cursor: extensions.cursor, use_case: str, which: Composable) -> int:
    """Remove rows with their batches; the number of rows. `which` is a condition about `window_start`, `window_end`."""
    cursor.execute(SQL("DELETE FROM {} WHERE {}").format(table_of(use_case), which))
    removed = int(cursor.rowcount)
    cursor.execute(SQL("DELETE FROM {} WHERE use_case = {} AND {}").format(BATCHES, Literal(use_case), which))
    return removed


def mark_ended(cursor: extensions.cursor, use_case: str, at: datetime, reason: str) -> None:
    """Put the end of the use case into its table's comment, if it has a table, and into the table of all ends."""
    lock(cursor)
    cursor.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(SCHEMA)))
    cursor.execute(
        SQL(
            "CREATE TABLE IF NOT EXISTS {} "
            "(use_case text PRIMARY KEY, ended_at timestamptz NOT NULL, reason text NOT NULL)"
        ).format(ENDED)
    )
    cursor.execute(
        SQL(
            "INSERT INTO {} VALUES (%s, %s, %s) "
            "ON CONFLICT (use_case) DO UPDATE SET ended_at = excluded.ended_at, reason = excluded.reason"
        ).format(ENDED),
        (use_case, at, reason),
    )
    if describe(cursor, use_case).columns:
        said = Literal(ended_comment(at, reason))
        cursor.execute(SQL("COMMENT ON TABLE {} IS {}").format(table_of(use_case), said))


def ended(cursor: extensions.cursor, use_case: str) -> tuple[datetime, str] | None:
    """When and why the use case ended; None while it goes on."""
    if not _is_there(cursor, ENDED):
        return None
    cursor.execute(SQL("SELECT ended_at, reason FROM {} WHERE use_case = %s").format(ENDED), (use_case,))
    found = cursor.fetchone()
    return (found[0], found[1]) if found else None


def size(cursor: extensions.cursor, use_case: str) -> PublishedSize:
    """What the use case's table holds, its index counted."""
    if not _is_there(cursor, table_of(use_case)):
        return PublishedSize(0, 0)
    name = table_of(use_case)
    query = SQL("SELECT count(*), pg_total_relation_size({}::regclass) FROM {}")
    cursor.execute(query.format(Literal(name.as_string(cursor)), name))
    found = cursor.fetchone()
    assert found is not None, "an aggregate has a row"
    return PublishedSize(found[0], found[1] if found[0] else 0)


def erase(cursor: extensions.cursor, use_case: str) -> None:
    """Empty the use case's table, and forget which of its windows are published."""
    if not _is_there(cursor, table_of(use_case)):
        return
    cursor.execute(SQL("TRUNCATE {}").format(table_of(use_case)))
    for each in (BATCHES, WINDOWS):
        if _is_there(cursor, each):
            cursor.execute(SQL("DELETE FROM {} WHERE use_case = %s").format(each), (use_case,))


def remove(cursor: extensions.cursor, use_case: str, until: datetime) -> int:
    """Remove the rows of windows that ended by then; the number of them. Which windows there were stays known."""
    if not _is_there(cursor, table_of(use_case)):
        return 0
    if not _is_there(cursor, BATCHES):  # nothing was published since the upgrade
        batches.make_table(cursor)
    removed = remove_rows(cursor, use_case, SQL("window_end <= {}").format(Literal(until)))
    cursor.execute(  # in the order of publishing, so that neither waits for the other
        SQL("UPDATE {} SET row_count = 0 WHERE use_case = %s AND window_end <= %s AND row_count > 0").format(WINDOWS),
        (use_case, until),
    )
    return removed


def _is_there(cursor: extensions.cursor, table: Identifier) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table.as_string(cursor),))
    return cursor.fetchone() == (True,)


def _make(cursor: extensions.cursor, use_case: str, columns: Mapping[str, str], table: PublishedTable) -> None:
    cursor.execute("SELECT to_regnamespace(%s) IS NULL", (SCHEMA,))
    if cursor.fetchone() == (True,):
        cursor.execute(SQL("CREATE SCHEMA {}").format(Identifier(SCHEMA)))
    cursor.execute(
        SQL(
            "CREATE TABLE IF NOT EXISTS {} (use_case text, window_start timestamptz, window_end timestamptz, "
            "row_count bigint NOT NULL, columns text[] NOT NULL, fencing_token bigint NOT NULL DEFAULT 0, "
            "PRIMARY KEY (use_case, window_start, window_end))"
        ).format(WINDOWS)
    )
    # Tables that were made before windows had fencing tokens, or when those were called epochs.
    if _windows_have(cursor, "epoch"):
        cursor.execute(SQL("ALTER TABLE {} RENAME COLUMN epoch TO fencing_token").format(WINDOWS))
    elif not _windows_have(cursor, "fencing_token"):
        added = SQL("ALTER TABLE {} ADD COLUMN fencing_token bigint NOT NULL DEFAULT 0")
        cursor.execute(added.format(WINDOWS))
    batches.make_table(cursor)
    if table.columns:
        lacking = [_column(name, kind) for name, kind in columns.items() if name not in table.columns]
        if lacking:  # all at once; without a default, the rows that are there are not touched
            columns_added = SQL(", ").join(SQL("ADD COLUMN {}").format(column) for column in lacking)
            cursor.execute(SQL("ALTER TABLE {} {}").format(table_of(use_case), columns_added))
        batches.make_view(
            cursor, use_case, [*table.columns, *(c for c in columns if c not in table.columns)], anew=False
        )
        return
    key = first_key(use_case, list(columns))
    cursor.execute(
        SQL(
            "CREATE TABLE {} (window_start timestamptz, window_end timestamptz, {}, "
            "PRIMARY KEY (window_start, window_end, {}))"
        ).format(
            table_of(use_case),
            SQL(", ").join(_column(name, kind) for name, kind in columns.items()),
            Identifier(key),
        )
    )
    cursor.execute(index_statement(use_case, key))
    batches.make_view(cursor, use_case, [*columns], anew=True)


def _column(name: str, kind: str) -> Composed:
    return SQL("{} {}").format(Identifier(name), SQL(kind))


def _windows_have(cursor: extensions.cursor, column: str) -> bool:
    """Whether the table of published windows is there, with that column."""
    cursor.execute(
        "SELECT count(*) = 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s",
        (WINDOWS.as_string(cursor), column),
    )
    return cursor.fetchone() == (True,)
