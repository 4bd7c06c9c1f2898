"""The tables that predictions are published in: made when they are missing, widened when a column is new.

    perennial.predictions_<use case>    one row per entity and window; consumers query it
    perennial.published_windows         which windows are published, with how many rows and which columns, and the
                                        fencing token of the lease that published them last

Both are changed only inside the transaction that publishes. Whoever makes or widens a table holds a lock of its own
until that transaction ends, so that two of them never do it at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg2 import extensions
from psycopg2.sql import SQL, Composed, Identifier

from perennial.encoding import lock_key
from perennial.errors import SchemaMismatch
from perennial.published.layout import WINDOW_COLUMNS, first_key

SCHEMA = "perennial"
WINDOWS = Identifier(SCHEMA, "published_windows")


@dataclass(frozen=True)
class PublishedTable:
    """A table as it is: its columns' database types, and its key column. Without columns, it is not there."""

    columns: dict[str, str]
    key: str | None


def table_of(use_case: str) -> Identifier:
    """The name of a use case's table."""
    return Identifier(SCHEMA, f"predictions_{use_case}")


def lock(cursor: extensions.cursor, subject: str) -> None:
    """Wait for the lock named by `subject`, and hold it until the transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(subject),))


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


def ensure_table(cursor: extensions.cursor, use_case: str, columns: Mapping[str, str]) -> str:
    """Make the table able to hold `columns` (name to database type); its key column.

    Errors: `SchemaMismatch` when a column has another type in the table.
    """
    table = describe(cursor, use_case)
    if not table.columns or not columns.keys() <= table.columns.keys() or not _windows_have(cursor, "fencing_token"):
        lock(cursor, "perennial.published.tables")
        table = describe(cursor, use_case)
        _make(cursor, use_case, columns, table)
        table = describe(cursor, use_case)
    changed = [
        f"{name} is {table.columns[name]} and arrives as {kind}"
        for name, kind in columns.items()
        if table.columns[name] != kind
    ]
    if changed or table.key is None:
        raise SchemaMismatch(
            f"The table perennial.predictions_{use_case} does not fit: {'; '.join(changed) or 'no primary key'}. "
            "Nothing was published. Give the column a new name, or rename the old table out of the way."
        )
    return table.key


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
    cursor.execute(
        SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS fencing_token bigint NOT NULL DEFAULT 0").format(WINDOWS)
    )
    if table.columns:
        for name in columns.keys() - table.columns.keys():
            added = SQL("ALTER TABLE {} ADD COLUMN {}")
            cursor.execute(added.format(table_of(use_case), _column(name, columns[name])))
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


def _column(name: str, kind: str) -> Composed:
    return SQL("{} {}").format(Identifier(name), SQL(kind))


def _windows_have(cursor: extensions.cursor, column: str) -> bool:
    """Whether the table of published windows is there, with that column."""
    cursor.execute(
        "SELECT count(*) = 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s",
        (WINDOWS.as_string(cursor), column),
    )
    return cursor.fetchone() == (True,)
