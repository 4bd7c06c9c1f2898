"""Many windows at once in PostgreSQL: their leases on one connection, their entries in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager

from perennial.lease import Lease
from perennial.ledger.entries import Snapshot, ValidationResult
from perennial.ledger.postgres.appending import Taken, append_many
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.locks import current_tokens, holding_free
from perennial.ledger.rows import as_stored
from perennial.window import Window


class PostgresManyWindows(EntriesInPostgres):
    """The part of `PostgresLedger` about many windows at once."""

    def working_on_free(
        self, subject: str, windows: Collection[Window], run_id: str
    ) -> AbstractContextManager[Mapping[Window, Lease]]:
        """Hold those of the windows that nobody holds while inside."""
        taken_at = self._clock() if self._clock else None
        return holding_free(self._database, subject, windows, run_id, taken_at, self._timeouts)

    def record_snapshots(self, snapshots: Sequence[Snapshot], leases: Collection[Lease]) -> Sequence[Snapshot]:
        """Append the snapshots, or return those that are there."""
        return self._record_many(snapshots, leases)

    def record_validations(
        self, validations: Sequence[ValidationResult], leases: Collection[Lease]
    ) -> Sequence[ValidationResult]:
        """Append the verdicts, or return those that are there."""
        return self._record_many(validations, leases)

    def _record_many(self, given: Sequence[Taken], leases: Collection[Lease]) -> list[Taken]:
        with self._database.transaction() as connection:
            tokens = current_tokens(connection, leases)
            for lease in leases:
                lease.refuse_if_passed(tokens.get(lease.window, 0), "the ledger")
            now = self._now(connection)
            return append_many(connection, [as_stored(each, now) for each in given])
