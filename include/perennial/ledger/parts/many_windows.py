"""What taking many windows in at once asks of the ledger: their leases, and their entries, in one go."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from perennial.lease import Lease
from perennial.ledger.entries import Snapshot, ValidationResult
from perennial.window import Window


class ManyWindows(Protocol):
    """The part of `Ledger` about many windows at once."""

    def working_on_free(
        self, subject: str, windows: Collection[Window], run_id: str
    ) -> AbstractContextManager[Mapping[Window, Lease]]:
        """Hold, while inside, those of the windows that nobody holds. Nothing is waited for, so that of two who want
        the same windows none waits for the other.

        Each of them is held as `working_on` would hold it, and all are given back together.
        """

    def record_snapshots(self, snapshots: Sequence[Snapshot], leases: Collection[Lease]) -> Sequence[Snapshot]:
        """`record_snapshot` of each, in one transaction: all are recorded, or none.

        `leases` are of one subject. Errors: `LeaseLost` when one of their windows was taken over.
        """

    def record_validations(
        self, validations: Sequence[ValidationResult], leases: Collection[Lease]
    ) -> Sequence[ValidationResult]:
        """`record_validation` of each, in one transaction, as `record_snapshots`."""
