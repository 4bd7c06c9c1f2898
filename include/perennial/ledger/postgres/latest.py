"""What the gauges ask of the ledger in PostgreSQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, Table, TableValuedAlias, Text, and_, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from perennial.ledger.entries import ApprovalRequest, DecisionKind, DeployedRole
from perennial.ledger.parts.latest import LAST_DECISIONS, LastDecisions, LastScored, Stage, p_values
from perennial.ledger.parts.overview import Span
from perennial.ledger.postgres.overview import PostgresOverview, inside, spans_asked, use_cases_asked
from perennial.ledger.postgres.schema.tables import (
    approval_requests,
    approvals,
    batches,
    decisions,
    deployments,
    drift_reports,
    snapshots,
    validations,
)
from perennial.ledger.rows import from_row
from perennial.verdict import ApprovalAnswer
from perennial.window import Window

STEPS = (snapshots, validations, batches, drift_reports)


class PostgresLatest(PostgresOverview):
    """The part of `PostgresLedger` that answers what is the latest of each of several use cases."""

    def last_scored_of(self, use_cases: Sequence[str]) -> Mapping[str, LastScored]:
        """The last window of each use case that has a batch."""
        asked = use_cases_asked(use_cases)
        told = ("window_start", "window_end", "run_id", "model_version", "rows")
        last = (
            select(*(batches.c[name] for name in told))
            .where(batches.c.use_case == asked.c.use_case)
            .order_by(batches.c.window_end.desc(), batches.c.window_start.desc(), batches.c.revision.desc())
            .limit(1)
            .lateral("last")
        )
        steps = {table.name: _last_of_run(table, asked, last).lateral(f"of_{table.name}") for table in STEPS}
        report = (
            select(drift_reports.c["columns"])
            .where(*_about(drift_reports, asked, last))
            .order_by(drift_reports.c.id.desc())
            .limit(1)
            .lateral("report")
        )
        query = select(asked.c.use_case, last, report.c["columns"]).join_from(asked, last, true())
        for name, step in steps.items():
            query = query.add_columns(step.c.recorded_at.label(name)).outerjoin(step, true())
        found = {}
        for row in self._rows(query.outerjoin(report, true())):
            recorded = {name: at.astimezone(UTC) for name in steps if (at := getattr(row, name)) is not None}
            found[row.use_case] = LastScored(
                window=Window(row.window_start, row.window_end),
                model_version=row.model_version,
                rows=row.rows,
                recorded=recorded,
                p_values=p_values(row.columns or {}),
            )
        return found

    def first_scored_of(self, spans: Sequence[Span]) -> Mapping[str, Mapping[Window, datetime]]:
        """When the first revision of each window inside the spans was recorded."""
        asked = spans_asked(spans)
        window = (batches.c.window_start, batches.c.window_end)
        first = (
            select(*window, batches.c.recorded_at)
            .where(batches.c.use_case == asked.c.use_case, inside(batches, asked))
            .ext(distinct_on(*window))
            .order_by(*window, batches.c.revision)
        )
        found: defaultdict[str, dict[Window, datetime]] = defaultdict(dict)
        for row in self._beside(asked, first):
            found[row.use_case][Window(row.window_start, row.window_end)] = row.recorded_at.astimezone(UTC)
        return found

    def recent_decisions_of(self, use_cases: Sequence[str]) -> Mapping[str, Sequence[LastDecisions]]:
        """The last decisions of each use case, by kind and action."""
        asked = use_cases_asked(use_cases)
        kinds = func.unnest(literal([kind.value for kind in DecisionKind], ARRAY(Text)))
        kind = kinds.table_valued(column("kind", Text), name="kinds").render_derived()
        last = (
            select(decisions.c.action, decisions.c.recorded_at)
            .where(decisions.c.use_case == asked.c.use_case, decisions.c.kind == kind.c.kind)
            .order_by(decisions.c.as_of.desc())
            .limit(LAST_DECISIONS)
            .lateral("last")
        )
        told = (asked.c.use_case, kind.c.kind, last.c.action)
        count, last_at = func.count().label("number"), func.max(last.c.recorded_at).label("last_at")
        query = select(*told, count, last_at).join_from(asked, kind, true()).join(last, true()).group_by(*told)
        found: defaultdict[str, list[LastDecisions]] = defaultdict(list)
        for row in self._rows(query):
            found[row.use_case].append(
                LastDecisions(DecisionKind(row.kind), row.action, row.number, row.last_at.astimezone(UTC))
            )
        return {name: sorted(each, key=lambda one: (one.kind, one.action)) for name, each in found.items()}

    def stages_of(self, use_cases: Sequence[str]) -> Mapping[str, Stage]:
        """The roll-out under way in each use case that has one."""
        asked = use_cases_asked(use_cases)
        last = (
            select(deployments.c.model_version, deployments.c.share, deployments.c.ends)
            .where(deployments.c.use_case == asked.c.use_case, deployments.c.role == DeployedRole.CHALLENGER.value)
            .order_by(deployments.c.effective_from.desc(), deployments.c.id.desc())
            .limit(1)
        )
        rows = self._beside(asked, last)
        return {
            row.use_case: Stage(row.model_version, row.share) for row in rows if row.share is not None and not row.ends
        }

    def open_requests_of(self, use_cases: Sequence[str]) -> Mapping[str, ApprovalRequest]:
        """The last request for approval of each use case, if it is open."""
        asked = use_cases_asked(use_cases)
        last = (
            select(approval_requests)
            .where(approval_requests.c.use_case == asked.c.use_case)
            .order_by(approval_requests.c.id.desc())
            .limit(1)
            .lateral("last")
        )
        of_request = (approvals.c.use_case == last.c.use_case, approvals.c.subject == last.c.subject)
        agreed = approvals.c.answer == ApprovalAnswer.APPROVED.value
        answers = (
            select(
                func.count(approvals.c.approver_id.distinct()).filter(agreed).label("agreed"),
                func.count().filter(~agreed).label("closed"),
            )
            .where(*of_request)
            .lateral("answers")
        )
        query = (
            select(last)
            .join_from(asked, last, true())
            .join(answers, true())
            .where(answers.c.closed == literal(0), answers.c.agreed < last.c.approvers)
        )
        with self._database.transaction() as connection:
            entries = [from_row(ApprovalRequest, row) for row in connection.execute(query).mappings()]
        return {entry.use_case: entry for entry in entries}


def _last_of_run(table: Table, asked: TableValuedAlias, last: Any) -> Select[Any]:
    """The last entry about the window of the run that made the revision."""
    own = and_(*_about(table, asked, last), table.c.run_id == last.c.run_id)
    return select(table.c.recorded_at).where(own).order_by(table.c.id.desc()).limit(1)


def _about(table: Table, asked: TableValuedAlias, last: Any) -> tuple[Any, ...]:
    return (
        table.c.use_case == asked.c.use_case,
        table.c.window_start == last.c.window_start,
        table.c.window_end == last.c.window_end,
    )
