"""How the ledger in PostgreSQL takes an entity out of entries that name it: by a function of its owner's.

The user who writes may change no entry. The function, made by a migration, is the one thing that may, and it does
nothing else.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB

from perennial.ledger.entries import Redaction
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.schema.tables import redactions
from perennial.ledger.redacting import Named
from perennial.ledger.rows import from_row
from perennial.window import Window

_REDACT = text(
    "SELECT * FROM ledger.redact_entity(:use_case, :start, :end, :entity, :named, :subject, :run_id, :at)"
).bindparams(bindparam("named", type_=JSONB))


class PostgresRedactions(EntriesInPostgres):
    """The part of `PostgresLedger` that is about entities which are erased."""

    def redact(
        self, use_case: str, window: Window, entity: str, named: Named, *, subject: str, run_id: str
    ) -> Redaction | None:
        """Take the entity out of the entries about the window, and record that; None where none named it."""
        values = {
            "use_case": use_case,
            "start": window.start,
            "end": window.end,
            "entity": entity,
            "named": {name: list(each) for name, each in named.items()},
            "subject": subject,
            "run_id": run_id,
        }
        with self._database.transaction() as connection:
            row = connection.execute(_REDACT, {**values, "at": self._now(connection)}).mappings().first()
        return None if row is None else from_row(Redaction, row)

    def redactions(self, use_case: str) -> Sequence[Redaction]:
        """What was taken out, in the order it was recorded."""
        query = select(redactions).where(redactions.c.use_case == use_case).order_by(redactions.c.id)
        return self._entries(Redaction, query)
