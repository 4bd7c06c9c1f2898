"""What the ledger keeps of alerts: what a receiver was told, and what is still to be delivered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perennial.lease import Lease
from perennial.ledger.entries import AlertDelivery, AlertNotice, Intervention, InterventionKind

WAITING_AMONG = 100  # the last notices of a receiver: no older one is tried any more


@dataclass(frozen=True)
class Waiting:
    """A notice that has not been delivered, and the last attempt to do so; None before the first."""

    notice: AlertNotice
    last: AlertDelivery | None


class Outbox(Protocol):
    """The part of a `Ledger` that is about alerts. Errors of all: `StoreUnavailable`."""

    def record_notice(self, notice: AlertNotice, lease: Lease | None = None) -> AlertNotice:
        """Natural key: (use case, route, number). The first one stands. Errors: `LeaseLost`."""

    def last_notice(self, use_case: str, route: str) -> AlertNotice | None:
        """The notice of the receiver with the greatest number."""

    def undelivered(self, use_case: str, route: str) -> Sequence[Waiting]:
        """Of the receiver's last `WAITING_AMONG` notices those with news that no attempt delivered, by number."""

    def record_delivery(self, delivery: AlertDelivery, lease: Lease | None = None) -> AlertDelivery:
        """Natural key: (use case, route, number, attempt). The first one stands. Errors: `LeaseLost`."""

    def interventions_since(
        self, use_case: str, kinds: Sequence[InterventionKind], since: datetime
    ) -> Sequence[Intervention]:
        """The interventions of these kinds recorded at or after the moment, in the order they were recorded."""
