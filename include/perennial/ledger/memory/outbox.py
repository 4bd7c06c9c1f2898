"""What the ledger in memory keeps of alerts."""

from collections.abc import Sequence
from datetime import datetime

from perennial.lease import Lease
from perennial.ledger import rules
from perennial.ledger.entries import AlertDelivery, AlertNotice, Delivery, Intervention, InterventionKind
from perennial.ledger.memory.entries import EntriesInMemory
from perennial.ledger.parts.outbox import WAITING_AMONG, Waiting
from perennial.ledger.rows import utc


class InMemoryOutbox(EntriesInMemory):
    """The part of `InMemoryLedger` that is about alerts."""

    def record_notice(self, notice: AlertNotice, lease: Lease | None = None) -> AlertNotice:
        """Append the notice, or return the one that is there."""
        return self._record(notice, lease)

    def last_notice(self, use_case: str, route: str) -> AlertNotice | None:
        """The notice of the receiver with the greatest number."""
        return max(self._notices(use_case, route), key=lambda notice: notice.number, default=None)

    def undelivered(self, use_case: str, route: str) -> Sequence[Waiting]:
        """Of the receiver's last notices those with news that no attempt delivered, by number."""
        notices = sorted(self._notices(use_case, route), key=lambda notice: notice.number)
        least = notices[-1].number - WAITING_AMONG if notices else 0
        tried: dict[int, list[AlertDelivery]] = {}
        for each in self._of(AlertDelivery, lambda entry: (entry.use_case, entry.route) == (use_case, route)):
            tried.setdefault(each.number, []).append(each)
        return [
            Waiting(notice, max(tried.get(notice.number, ()), key=lambda entry: entry.attempt, default=None))
            for notice in notices
            if notice.number > least
            and notice.news
            and not any(entry.outcome is Delivery.DELIVERED for entry in tried.get(notice.number, ()))
        ]

    def record_delivery(self, delivery: AlertDelivery, lease: Lease | None = None) -> AlertDelivery:
        """Append the attempt, or return the one that is there."""
        return self._record(delivery, lease)

    def interventions_since(
        self, use_case: str, kinds: Sequence[InterventionKind], since: datetime
    ) -> Sequence[Intervention]:
        """The interventions of these kinds recorded at or after the moment."""
        first = utc(since, "since")
        return self._of(
            Intervention,
            lambda entry: entry.use_case == use_case and entry.kind in kinds and rules.recorded_at(entry) >= first,
        )

    def _notices(self, use_case: str, route: str) -> list[AlertNotice]:
        return self._of(AlertNotice, lambda entry: (entry.use_case, entry.route) == (use_case, route))
