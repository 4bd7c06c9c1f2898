"""What the ledger keeps in PostgreSQL of how good predictions were."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from perennial.ledger.entries import Batch, Performance
from perennial.ledger.postgres import queries
from perennial.ledger.postgres.appending import append, existing
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.schema.measurements import performance
from perennial.ledger.rows import as_stored, utc, utc_or_none
from perennial.window import Window


class PostgresMeasurements(EntriesInPostgres):
    """The part of `PostgresLedger` that is about performance."""

    def record_performance(self, measured: Performance) -> Performance:
        """Append the measurement, or return the one that is there."""
        if measured.labels_version is None:
            # To PostgreSQL no two NULLs are the same, so that its constraint would let a second one pass.
            with self._database.transaction() as connection:
                entry = as_stored(measured, self._now(connection))
                return existing(connection, entry) or append(connection, entry)
        return self._record(measured)

    def performance_of(self, use_case: str, window: Window) -> Sequence[Performance]:
        """All measurements of the window, by `as_of`."""
        query = queries.of_window(performance, use_case, window).order_by(performance.c.as_of, performance.c.id)
        return self._entries(Performance, query)

    def measurements_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Performance]:
        """All measurements of each window inside `[start, end)`, by window."""
        within = queries.inside(performance, utc(start, "start"), utc(end, "end"))
        order = (performance.c.window_start, performance.c.window_end, performance.c.as_of, performance.c.id)
        query = select(performance).where(performance.c.use_case == use_case, within).order_by(*order)
        return self._entries(Performance, query)

    def performance_between(
        self,
        use_case: str,
        start: datetime,
        end: datetime,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Sequence[Performance]:
        """The entry with the latest `as_of` for each window inside `[start, end)`, by window."""
        within = queries.inside(performance, utc(start, "start"), utc(end, "end"))
        newest = queries.measured(use_case, utc_or_none(as_of, "as_of"), utc_or_none(known_at, "known_at"))
        # Found by what an index has of all measurements; only those that count are read.
        ids = newest.where(within).with_only_columns(performance.c.id)
        query = select(performance).where(performance.c.id.in_(ids))
        query = query.order_by(performance.c.window_start, performance.c.window_end)
        return self._entries(Performance, query)

    def labelled_between(self, use_case: str, start: datetime, end: datetime, *, as_of: datetime) -> tuple[int, int]:
        """How many windows inside `[start, end)` were measured by then, and the labels of those that are final."""
        within = queries.inside(performance, utc(start, "start"), utc(end, "end"))
        newest = queries.measured(use_case, utc(as_of, "as_of")).where(within)
        with self._database.transaction() as connection:
            windows, labels = connection.execute(queries.labelled(newest)).one()
        return int(windows), int(labels)

    def last_final(self, use_case: str, as_of: datetime, count: int) -> Sequence[Performance]:
        """The last `count` windows whose newest entry up to `as_of` is final, by window."""
        query = queries.last_final(use_case, utc(as_of, "as_of"), count)
        return self._entries(Performance, query)[::-1]

    def batches_without_truth(self, use_case: str, as_of: datetime) -> Sequence[Batch]:
        """The live revision of each window that ended by `as_of` and whose labels are still waited for."""
        return self._entries(Batch, queries.without_truth(use_case, utc(as_of, "as_of")))
