"""The columns of a published table: which one is the key, and which database type holds which Arrow type."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from perennial.digest import TIMESTAMP
from perennial.errors import SchemaMismatch
from perennial.ordered import OrderedRows
from perennial.window import Window

# Columns of every batch that say what was predicted and how it came to be; the key is the column beside them.
KNOWN_COLUMNS = (
    "event_time",
    "prediction",
    "decided",
    "model_version",
    "model_digest",
    "snapshot_digest",
    "revision",
    "run_id",
)
WINDOW_COLUMNS = ("window_start", "window_end")

DATABASE_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "boolean",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.string(): "text",
    pa.date32(): "date",
    TIMESTAMP: "timestamp with time zone",
}
ARROW_TYPES = {database: arrow for arrow, database in DATABASE_TYPES.items()}


def ended_comment(at: datetime, reason: str) -> str:
    """What the comment of a table says to which no rows come any more.

    >>> ended_comment(datetime.fromisoformat("2026-05-01T00:00:00Z"), "the shop closed")
    'ENDED on 2026-05-01: the shop closed. No new rows come.'
    """
    return f"ENDED on {at.astimezone(UTC):%Y-%m-%d}: {reason.rstrip('.')}. No new rows come."


def database_types(use_case: str, schema: pa.Schema) -> dict[str, str]:
    """The database type of each column. Errors: `SchemaMismatch` for a column that can't be published."""
    reserved = sorted(set(schema.names) & set(WINDOW_COLUMNS))
    if reserved:
        raise SchemaMismatch(
            f"{use_case}: predictions must not have a column {', '.join(reserved)}; publishing fills it in."
        )
    unknown = [f"{field.name} ({field.type})" for field in schema if field.type not in DATABASE_TYPES]
    if unknown:
        raise SchemaMismatch(
            f"{use_case}: {', '.join(unknown)} can't be published; the types that can are "
            f"{', '.join(str(kind) for kind in DATABASE_TYPES)}."
        )
    return {field.name: DATABASE_TYPES[field.type] for field in schema}


def first_key(use_case: str, names: Sequence[str]) -> str:
    """The key column of a table that is not there yet: the first that is not among the known ones.

    Errors: `SchemaMismatch` when all are known.
    """
    key = next((name for name in names if name not in KNOWN_COLUMNS), None)
    if key is None:
        raise SchemaMismatch(f"{use_case}: predictions need a key column beside {', '.join(KNOWN_COLUMNS)}.")
    return key


def arranged(names: Sequence[str]) -> list[str]:
    """The columns as consumers find them: the key, and then the known ones.

    >>> arranged(["event_time", "flight", "model_version", "prediction"])
    ['flight', 'event_time', 'prediction', 'model_version']
    """
    known = {name: position for position, name in enumerate(KNOWN_COLUMNS)}
    return sorted(names, key=lambda name: known.get(name, -1))


def with_window(rows: pa.Table, window: Window) -> pa.Table:
    """The rows with the columns `WINDOW_COLUMNS` after theirs."""
    for name, instant in zip(WINDOW_COLUMNS, (window.start, window.end), strict=True):
        rows = rows.append_column(name, pa.repeat(pa.scalar(instant, TIMESTAMP), rows.num_rows))
    return rows


def check_keys(use_case: str, window: Window, rows: OrderedRows, key: str) -> None:
    """Refuse rows that don't all have a key. Errors: `SchemaMismatch`."""
    if key not in rows.schema.names:
        raise SchemaMismatch(
            f"{use_case}: predictions for {window} have no key column {key}; they have {', '.join(rows.schema.names)}."
        )
    if nulls := sum(chunk.column(key).null_count for chunk in rows.chunks([key])):
        raise SchemaMismatch(f"{use_case}: {nulls:,} predictions for {window} have no {key}. Nothing was published.")


def refuse_doubled_keys(use_case: str, window: Window, rows: OrderedRows, key: str) -> None:
    """Refuse rows that can't be told apart; all keys are in memory meanwhile. Errors: `SchemaMismatch`."""
    keys = rows.table([key]).column(key)
    if pc.count_distinct(keys).as_py() != len(keys):
        counts = keys.value_counts()
        doubled = counts.filter(pc.greater(counts.field("counts"), 1))
        raise SchemaMismatch(
            f"{use_case}: the predictions for {window} have {len(doubled):,} values of {key} more than once. "
            "Nothing was published; quarantine doubled keys in validation."
        )
