"""What the ledger's tables are made of: their schema, and the columns and constraints that they have in common."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

SCHEMA = "ledger"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    },
)


def text_column(name: str) -> Column[str]:
    """A text, "" where nothing is known."""
    return Column(name, Text, nullable=False)


def count_column(name: str) -> Column[int]:
    """A whole number."""
    return Column(name, BigInteger, nullable=False)


def instant_column(name: str) -> Column[object]:
    """An instant."""
    return Column(name, DateTime(timezone=True), nullable=False)


def json_column(name: str) -> Column[object]:
    """JSON."""
    return Column(name, JSONB, nullable=False)


def one_of(column: str, choices: type[StrEnum]) -> CheckConstraint:
    """The column holds one of the choices."""
    listed = ", ".join(f"'{choice}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def at_least(column: str, least: int) -> CheckConstraint:
    """The column holds no less."""
    return CheckConstraint(f"{column} >= {least}", name=column)


def entries_table(name: str, *own: SchemaItem) -> Table:
    """A table with `own` columns and constraints, between the columns that every entry has."""
    return Table(
        name,
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        text_column("use_case"),
        *(item for item in own if isinstance(item, Column)),
        text_column("run_id"),
        instant_column("recorded_at"),
        *(item for item in own if not isinstance(item, Column)),
    )


def windowed_table(name: str, key: tuple[str, ...], *own: SchemaItem) -> Table:
    """A table of entries about windows, unique by use case, window and `key`."""
    return entries_table(
        name,
        instant_column("window_start"),
        instant_column("window_end"),
        *own,
        UniqueConstraint("use_case", "window_start", "window_end", *key),
        CheckConstraint("window_start < window_end", name="window"),
    )
