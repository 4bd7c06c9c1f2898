"""What the ledger in PostgreSQL keeps of the review queue."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, true

from perennial.lease import Lease
from perennial.ledger.entries import HumanLabel, ReviewMeasurement, ReviewSelection
from perennial.ledger.postgres import queries
from perennial.ledger.postgres.appending import first_entry
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.schema.tables import human_labels, review_measurements, review_selections
from perennial.ledger.rows import utc


class PostgresReviewQueue(EntriesInPostgres):
    """The part of `PostgresLedger` that is about people's labels."""

    def record_selection(self, selection: ReviewSelection, lease: Lease | None = None) -> ReviewSelection:
        """Append the selection, or return the one that is there."""
        return self._record(selection, lease)

    def selections_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[ReviewSelection]:
        """The selections from the windows inside `[start, end)`, by window and revision."""
        table = review_selections
        within = queries.inside(table, utc(start, "start"), utc(end, "end"))
        query = select(table).where(table.c.use_case == use_case, within)
        order = (table.c.window_start, table.c.window_end, table.c.revision)
        return self._entries(ReviewSelection, query.order_by(*order))

    def last_selections(self, use_case: str, limit: int, until: datetime | None = None) -> Sequence[ReviewSelection]:
        """The last `limit` selections from windows that ended by `until`, the newest window first."""
        table = review_selections
        ended = true() if until is None else table.c.window_end <= utc(until, "until")
        query = select(table).where(table.c.use_case == use_case, ended)
        order = (table.c.window_start.desc(), table.c.window_end.desc(), table.c.revision.desc())
        return self._entries(ReviewSelection, query.order_by(*order).limit(limit))

    def record_human_label(self, label: HumanLabel) -> HumanLabel:
        """Append the answer, or return the one that is there."""
        return self._record(label)

    def human_labels_between(
        self, use_case: str, start: datetime, end: datetime, answered_by: datetime | None = None
    ) -> Sequence[HumanLabel]:
        """The answers about the windows inside `[start, end)` given by that moment, in the order they were given."""
        table = human_labels
        within = queries.inside(table, utc(start, "start"), utc(end, "end"))
        given = true() if answered_by is None else table.c.answered_at <= utc(answered_by, "answered_by")
        query = select(table).where(table.c.use_case == use_case, within, given)
        return self._entries(HumanLabel, query.order_by(table.c.answered_at, table.c.id))

    def record_review_measurement(self, found: ReviewMeasurement) -> ReviewMeasurement:
        """Append the measurement, or return the one that is there."""
        return self._record(found)

    def last_review_measurement(self, use_case: str) -> ReviewMeasurement | None:
        """The one with the latest `as_of`, of several the one recorded last."""
        table = review_measurements
        query = select(table).where(table.c.use_case == use_case).order_by(table.c.as_of.desc(), table.c.id.desc())
        with self._database.transaction() as connection:
            return first_entry(connection, ReviewMeasurement, query.limit(1))
