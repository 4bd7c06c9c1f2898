"""What decisions about retraining read of the ledger in PostgreSQL.

They look at a thousand windows, whose whole entries take longer to read than everything else a decision does. So the
database picks the values that count, and the entries are made of its rows here, without detours.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Double, cast, func, select

from perennial.ledger.parts.evidence import DriftOfWindow, MetricOfWindow, estimate_of
from perennial.ledger.postgres import queries
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.schema.measurements import performance
from perennial.ledger.postgres.schema.tables import batches, drift_reports
from perennial.ledger.rows import utc
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict
from perennial.window import Window

_MATURITIES = {str(each): each for each in Maturity}
_VERDICTS = {str(each): each for each in Verdict}


class PostgresEvidence(EntriesInPostgres):
    """The part of `PostgresLedger` that decisions about retraining read."""

    def metric_between(
        self, use_case: str, start: datetime, end: datetime, metric: str, *, as_of: datetime
    ) -> Sequence[MetricOfWindow]:
        """What the measurements that count as of that moment say of the metric, by window."""
        within = queries.inside(performance, utc(start, "start"), utc(end, "end"))
        query = _metric_of(queries.measured(use_case, utc(as_of, "as_of")).where(within), metric)
        with self._database.transaction() as connection:
            found = connection.execute(query).all()
        return [
            MetricOfWindow(
                Window(begun, ended), digest, _MATURITIES[maturity], rows, labelled, value, error, estimate_of(*said)
            )
            for begun, ended, digest, maturity, rows, labelled, value, error, *said in found
        ]

    def drift_of_model_between(
        self, use_case: str, start: datetime, end: datetime, model_digest: str
    ) -> Sequence[DriftOfWindow]:
        """What the reports say that count and are about the model's predictions, by window."""
        first, last = utc(start, "start"), utc(end, "end")
        newest = queries.newest_per_window(drift_reports, use_case, "id").where(
            queries.inside(drift_reports, first, last)
        )
        live = queries.newest_per_window(batches, use_case, "revision").where(queries.inside(batches, first, last))
        with self._database.transaction() as connection:
            found = connection.execute(_drift_of_model(newest, live, model_digest)).all()
        return [
            DriftOfWindow(
                Window(begun, ended), _VERDICTS[verdict], p_value, reference_windows, tuple(missing), columns, rows
            )
            for begun, ended, verdict, p_value, reference_windows, missing, columns, rows in found
        ]


def _metric_of(newest: queries.Query, metric: str) -> queries.Query:
    """The values of `MetricOfWindow` in these measurements, by window."""

    def number(value: Any) -> ColumnElement[Any]:
        return cast(value.astext, Double)

    def said(*names: str) -> ColumnElement[Any]:
        return func.coalesce(*(number(performance.c.estimates[metric][name]) for name in names))

    window = (performance.c.window_start, performance.c.window_end)
    # Found by what an index has of all measurements; only those that count are read.
    ids = newest.with_only_columns(performance.c.id)
    return (
        select(
            *window,
            performance.c.model_digest,
            performance.c.maturity,
            performance.c.rows,
            performance.c.labelled,
            number(performance.c.metrics[metric]),
            number(performance.c.intervals[metric]["standard_error"]),
            said("value"),
            said("standard_error"),
            said("usual_gap", "bias_correction"),  # the first is the name that 0.1.0 had for it
            said("usual_spread", "error_sd"),
        )
        .where(performance.c.id.in_(ids))
        .order_by(*window)
    )


def _drift_of_model(newest: queries.Query, live: queries.Query, model_digest: str) -> queries.Query:
    """The values of `DriftOfWindow` in those of these reports that are about the model, with the live batches' rows."""
    window = (drift_reports.c.window_start, drift_reports.c.window_end)
    told = [drift_reports.c[name] for name in ("verdict", "p_value", "reference_windows", "missing", "columns")]
    report = newest.with_only_columns(*window, *told, drift_reports.c.model_digest).subquery("report")
    batch = live.with_only_columns(batches.c.window_start, batches.c.window_end, batches.c.rows).subquery("batch")
    same = (batch.c.window_start == report.c.window_start) & (batch.c.window_end == report.c.window_end)
    values = [column for column in report.c if column.name != "model_digest"]
    return (
        select(*values, func.coalesce(batch.c.rows, 0))
        .select_from(report.outerjoin(batch, same))
        .where(report.c.model_digest == model_digest)
        .order_by(report.c.window_start, report.c.window_end)
    )
