"""What stands in a use case whose spec is wrong."""

from datetime import datetime

from perennial.alerting.alert import Alert
from perennial.alerting.words import told_of
from perennial.ledger.port import Ledger
from perennial.spec.alerts import Severity
from perennial.spec.broken import BrokenUseCase
from perennial.spec.folder import SPEC_FILE

INVALID_SPEC = "invalid_spec"
NAMED = 3


def standing(broken: BrokenUseCase, now: datetime, ledger: Ledger) -> tuple[Alert, ...]:
    """That the spec is wrong, and what people were told before: nobody can see now whether that is over.

    Errors: `StoreUnavailable`.
    """
    named = "; ".join(broken.mistakes[:NAMED]).rstrip(".")
    more = len(broken.mistakes) - NAMED
    alert = Alert(
        use_case=broken.name,
        key=INVALID_SPEC,
        severity=Severity.CRITICAL,
        what="The spec is wrong: until it is corrected, the use case has no DAGs, and nothing is scored.",
        where=f"{SPEC_FILE} of {broken.name}",
        since=now,
        cause=f"{named}{f'; and {more} more' if more > 0 else ''}.",
        next_step="Correct it, and check it with `perennial check`.",
        link=f"dags/{broken.name}.invalid",
    )
    return alert, *(each for key, each in told_of(broken, ledger).items() if key != INVALID_SPEC)
