"""Indexes of large tables, made while others write: for migrations.

To build one takes seconds for each million rows, and PostgreSQL keeps writers waiting meanwhile unless it is asked not
to. Then it can't be part of a transaction. So these come first in a migration, and can be repeated: what was begun and
not finished is taken away. All else of the migration follows in one transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

LOCK_SECONDS = 1  # longer than this, no migration waits for a table: others who want it later would wait, too


def make_index(
    name: str, table: str, columns: str, *, unique: bool = False, include: str = "", where: str = ""
) -> None:
    """An index of that name on a table of the ledger, in place of one that is there.

    It holds the columns that it is to `include`, too, so that the table need not be read for them. `where` says of
    which rows it is; by default, of all.
    """
    also = f" INCLUDE ({include})" if include else ""
    also += f" WHERE {where}" if where else ""
    with _beside_writers():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS ledger.{name}")
        op.execute(f"CREATE {'UNIQUE ' if unique else ''}INDEX CONCURRENTLY {name} ON ledger.{table} ({columns}){also}")


def make_unique(name: str, table: str, columns: str) -> None:
    """A constraint of that name on a table of the ledger, in place of one that is there, as part of the transaction."""
    make_index(f"{name}_made", table, columns, unique=True)
    op.execute(
        f"ALTER TABLE ledger.{table} DROP CONSTRAINT IF EXISTS {name}, "
        f"ADD CONSTRAINT {name} UNIQUE USING INDEX {name}_made"  # which takes the constraint's name
    )


@contextmanager
def _beside_writers() -> Iterator[None]:
    """Statements that wait for others to end their transactions, and keep nobody waiting meanwhile."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        yield
        op.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
