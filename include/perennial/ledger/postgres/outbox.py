"""What the ledger in PostgreSQL keeps of alerts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from perennial.lease import Lease
from perennial.ledger.entries import AlertDelivery, AlertNotice, Delivery, Intervention, InterventionKind
from perennial.ledger.parts.outbox import WAITING_AMONG, Waiting
from perennial.ledger.postgres.appending import first_entry
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.schema.tables import alert_deliveries, alert_notices, interventions
from perennial.ledger.rows import from_row, utc


class PostgresOutbox(EntriesInPostgres):
    """The part of `PostgresLedger` that is about alerts."""

    def record_notice(self, notice: AlertNotice, lease: Lease | None = None) -> AlertNotice:
        """Append the notice, or return the one that is there."""
        return self._record(notice, lease)

    def last_notice(self, use_case: str, route: str) -> AlertNotice | None:
        """The notice of the receiver with the greatest number."""
        of_route = (alert_notices.c.use_case == use_case, alert_notices.c.route == route)
        query = select(alert_notices).where(*of_route).order_by(alert_notices.c.number.desc()).limit(1)
        with self._database.transaction() as connection:
            return first_entry(connection, AlertNotice, query)

    def undelivered(self, use_case: str, route: str) -> Sequence[Waiting]:
        """Of the receiver's last notices those with news that no attempt delivered, by number."""
        notices, tries = alert_notices.c, alert_deliveries.c
        last = select(func.max(notices.number)).where(notices.use_case == use_case, notices.route == route)
        of_notice = (tries.use_case == use_case, tries.route == route)
        delivered = tries.outcome == Delivery.DELIVERED.value
        waiting = (
            select(alert_notices)
            .where(notices.use_case == use_case, notices.route == route)
            .where(notices.number > last.scalar_subquery() - WAITING_AMONG)
            .where(func.jsonb_array_length(notices.news) > 0)
            .where(~exists().where(*of_notice, tries.number == notices.number, delivered))
            .order_by(notices.number)
        )
        with self._database.transaction() as connection:
            found = [from_row(AlertNotice, row) for row in connection.execute(waiting).mappings()]
            attempts = (
                select(alert_deliveries)
                .where(*of_notice, tries.number.in_([each.number for each in found]))
                .ext(distinct_on(tries.number))
                .order_by(tries.number, tries.attempt.desc())
            )
            last_tries = [from_row(AlertDelivery, row) for row in connection.execute(attempts).mappings()]
        tried = {each.number: each for each in last_tries}
        return [Waiting(notice, tried.get(notice.number)) for notice in found]

    def record_delivery(self, delivery: AlertDelivery, lease: Lease | None = None) -> AlertDelivery:
        """Append the attempt, or return the one that is there."""
        return self._record(delivery, lease)

    def interventions_since(
        self, use_case: str, kinds: Sequence[InterventionKind], since: datetime
    ) -> Sequence[Intervention]:
        """The interventions of these kinds recorded at or after the moment."""
        query = (
            select(interventions)
            .where(interventions.c.use_case == use_case, interventions.c.kind.in_([kind.value for kind in kinds]))
            .where(interventions.c.recorded_at >= utc(since, "since"))
            .order_by(interventions.c.id)
        )
        return self._entries(Intervention, query)
