"""The table of published batches, and the view that shows a use case's rows together with them.

    perennial.published_batches         by use case, window, revision and model version: digests of model and snapshot,
                                        and the run
    perennial.provenance_<use case>     the use case's rows, each with what its batch says

Before there were batches, each row had those columns itself. Windows that were published then have them there still.
"""

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Identifier, Literal, Placeholder

from perennial.published.names import BATCHES, WINDOWS, rows_of, table_of, view_of
from perennial.published.provenance import OF_BATCHES, REFERENCE, TYPES
from perennial.window import Window

_NAMES = SQL(", ").join(map(Identifier, TYPES))


def make_table(cursor: extensions.cursor) -> None:
    """Make the table of batches where it is missing."""
    cursor.execute(
        SQL(
            "CREATE TABLE IF NOT EXISTS {} (use_case text, window_start timestamptz, window_end timestamptz, "
            "revision bigint, model_version text, model_digest text NOT NULL, snapshot_digest text NOT NULL, "
            "run_id text NOT NULL, PRIMARY KEY (use_case, window_start, window_end, revision, model_version))"
        ).format(BATCHES)
    )


def write(cursor: extensions.cursor, use_case: str, window: Window, batches: pa.Table) -> None:
    """Add the window's batches, as `provenance.batches_of` returned them."""
    names = ("use_case", "window_start", "window_end", *TYPES)
    query = SQL("INSERT INTO {} ({}) VALUES ({})").format(
        BATCHES, SQL(", ").join(map(Identifier, names)), SQL(", ").join([Placeholder()] * len(names))
    )
    for batch in batches.to_pylist():
        cursor.execute(query, (use_case, window.start, window.end, *(batch[name] for name in TYPES)))


def read(cursor: extensions.cursor, use_case: str, window: Window) -> pa.Table:
    """The window's batches, as they were written."""
    query = SQL("SELECT {} FROM {} WHERE use_case = {} AND {}").format(
        _NAMES, BATCHES, Literal(use_case), rows_of(window)
    )
    cursor.execute(query)
    found = cursor.fetchall()
    columns = zip(*found, strict=True) if found else ((),) * len(TYPES)
    return pa.table({name: pa.array(list(column), TYPES[name]) for name, column in zip(TYPES, columns, strict=True)})


def lacking(cursor: extensions.cursor, use_case: str, start: datetime, end: datetime) -> set[tuple[datetime, datetime]]:
    """Start and end of the published windows inside `[start, end)` that have lost their batches."""
    query = SQL(
        "SELECT window_start, window_end FROM {} AS w WHERE use_case = %s AND row_count > 0 "
        "AND window_start >= %s AND window_end <= %s AND NOT columns @> %s "
        "AND NOT EXISTS (SELECT FROM {} AS b WHERE (b.use_case, b.window_start, b.window_end) "
        "= (w.use_case, w.window_start, w.window_end))"
    )
    cursor.execute(query.format(WINDOWS, BATCHES), (use_case, start, end, list(OF_BATCHES)))
    return set(cursor.fetchall())


def view_is_made(cursor: extensions.cursor, use_case: str) -> bool:
    """Whether the view is there and shows all columns that the table has now."""
    cursor.execute(
        """
        SELECT a.attname, d.refobjsubid IS NOT NULL
        FROM pg_attribute a LEFT JOIN (
            pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        ) ON r.ev_class = to_regclass(%s) AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
        WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
        """,
        (view_of(use_case).as_string(cursor), table_of(use_case).as_string(cursor)),
    )
    return all(shown for _, shown in cursor.fetchall())


def make_view(cursor: extensions.cursor, use_case: str, columns: Sequence[str], *, anew: bool) -> None:
    """Make the view of a table that has these columns beside the window's, or let it show those that are new.

    New ones come last, so that the view is replaced and the rights on it stay. With `anew`, or where somebody renamed
    columns, it is made from the start.
    """
    view = view_of(use_case)
    said = [_said(name, in_row=name in columns) for name in OF_BATCHES]
    own = ["window_start", "window_end", *(name for name in columns if name not in OF_BATCHES)]
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 ORDER BY attnum",
        (view.as_string(cursor),),
    )
    before = [name for (name,) in cursor.fetchall()]
    if anew or before != [*OF_BATCHES, *own][: len(before)]:
        cursor.execute(SQL("DROP VIEW IF EXISTS {}").format(view))
    same = (SQL("b.{0} = p.{0}").format(Identifier(name)) for name in ("window_start", "window_end", *REFERENCE))
    cursor.execute(
        SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {} AS p LEFT JOIN {} AS b ON b.use_case = {} AND {}").format(
            view,
            SQL(", ").join([*said, *(Identifier("p", name) for name in own)]),
            table_of(use_case),
            BATCHES,
            Literal(use_case),
            SQL(" AND ").join(same),
        )
    )


def _said(name: str, *, in_row: bool) -> Composable:
    return SQL("coalesce(p.{0}, b.{0}) AS {0}" if in_row else "b.{0}").format(Identifier(name))
