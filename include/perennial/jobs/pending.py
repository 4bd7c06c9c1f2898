"""Which scored windows still wait for the truth."""

from datetime import datetime

from perennial.ledger.entries import Batch
from perennial.ledger.port import Ledger
from perennial.performance.maturity import Maturity
from perennial.spec.models import UseCase


def pending_batches(spec: UseCase, as_of: datetime, ledger: Ledger) -> list[Batch]:
    """Live batches of windows that had ended by `as_of` and whose performance is not final yet, by window."""
    final = {
        (entry.window, entry.revision)
        for entry in ledger.performance_between(spec.name, spec.start, as_of)
        if entry.maturity is Maturity.FINAL
    }
    batches = ledger.batches_between(spec.name, spec.start, as_of)
    return [batch for batch in batches if (batch.window, batch.revision) not in final]
