"""The ledger in PostgreSQL."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import select

from perennial.clock import Clock
from perennial.lease import Lease
from perennial.ledger.entries import (
    Backtest,
    Batch,
    DecisionKind,
    DeployedRole,
    Deployment,
    DriftReport,
    Intervention,
    InterventionKind,
    LateRows,
    RecordedDecision,
    Snapshot,
    ValidationResult,
)
from perennial.ledger.parts.overview import Status
from perennial.ledger.postgres import queries
from perennial.ledger.postgres.appending import append, existing, first_entry
from perennial.ledger.postgres.approvals import PostgresApprovals
from perennial.ledger.postgres.chain import PostgresChain
from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.entries import refuse_if_passed
from perennial.ledger.postgres.evidence import PostgresEvidence
from perennial.ledger.postgres.latest import PostgresLatest
from perennial.ledger.postgres.locks import Timeouts, deciding_alone, holding_window, lock_use_case
from perennial.ledger.postgres.many_windows import PostgresManyWindows
from perennial.ledger.postgres.measurements import PostgresMeasurements
from perennial.ledger.postgres.outbox import PostgresOutbox
from perennial.ledger.postgres.redactions import PostgresRedactions
from perennial.ledger.postgres.review_queue import PostgresReviewQueue
from perennial.ledger.postgres.rollouts import PostgresRollouts
from perennial.ledger.postgres.schema.tables import (
    backtests,
    batches,
    decisions,
    deployments,
    drift_reports,
    interventions,
    late_rows,
    snapshots,
    validations,
)
from perennial.ledger.rows import as_stored, from_row, utc, utc_or_none
from perennial.ledger.rules import check_same_batch, check_same_challenger, check_still_in_force
from perennial.window import Window


class PostgresLedger(
    PostgresLatest,
    PostgresManyWindows,
    PostgresMeasurements,
    PostgresEvidence,
    PostgresChain,
    PostgresOutbox,
    PostgresApprovals,
    PostgresRollouts,
    PostgresReviewQueue,
    PostgresRedactions,
):
    """A `Ledger` in the schema `ledger` of the database at `url`, which may hold other things too.

    Instants of record are those of the database's clock, unless another one is given.
    `lock_timeout` is for how many seconds a call waits for a lock; a holder that was silent for longer than
    `heartbeat_timeout` seconds loses its window to whoever waits for it, and a transaction as silent is ended. Nothing
    is opened before the first call, and a forked process opens connections of its own. With `reading_timeout`, nothing
    can be written, and what takes more than so many seconds is given up. Errors of every method:
    `StoreUnavailable` when the database does not answer, `InvalidSettings` when its tables are missing.
    """

    def __init__(
        self,
        url: str,
        clock: Clock | None = None,
        lock_timeout: float = 60.0,
        heartbeat_timeout: float = 60.0,
        reading_timeout: float | None = None,
    ) -> None:
        database = LedgerDatabase(url, heartbeat_timeout, reading_timeout)
        super().__init__(database, clock, Timeouts(lock_timeout, heartbeat_timeout))

    def close(self) -> None:
        """Close this process's idle connections; the next call opens new ones."""
        self._database.close()

    def working_on(self, subject: str, window: Window, run_id: str) -> AbstractContextManager[Lease]:
        """Hold the window while inside."""
        taken_at = self._clock() if self._clock else None
        return holding_window(self._database, subject, window, run_id, taken_at, self._timeouts)

    def leases_not_given_back(self, use_case: str) -> Sequence[tuple[str, Window]]:
        """Subject and window of each lease that its holder has, or never gave back."""
        with self._database.transaction() as connection:
            found = connection.execute(queries.leases_not_given_back(use_case)).all()
        return [(subject, Window(start, end)) for subject, start, end in found]

    def record_snapshot(self, snapshot: Snapshot, lease: Lease | None = None) -> Snapshot:
        """Append the snapshot, or return the one that is there."""
        return self._record(snapshot, lease)

    def snapshots(self, use_case: str, window: Window) -> Sequence[Snapshot]:
        """All snapshots of the window, in the order they were recorded."""
        return self._entries(Snapshot, queries.of_window(snapshots, use_case, window).order_by(snapshots.c.id))

    def latest_snapshot(self, use_case: str, window: Window) -> Snapshot | None:
        """The snapshot recorded last for exactly this window."""
        found = self._entries(
            Snapshot, queries.of_window(snapshots, use_case, window).order_by(snapshots.c.id.desc()).limit(1)
        )
        return found[0] if found else None

    def last_ingested(self, use_case: str) -> Window | None:
        """The last window that has a snapshot."""
        with self._database.transaction() as connection:
            found = connection.execute(queries.last_ingested(use_case)).one_or_none()
        return Window(*found) if found else None

    def snapshots_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Snapshot]:
        """The latest snapshot of each window inside `[start, end)`, by window."""
        return self._between(Snapshot, use_case, start, end, "id")

    def record_validation(self, validation: ValidationResult, lease: Lease | None = None) -> ValidationResult:
        """Append the verdict, or return the one that is there."""
        return self._record(validation, lease)

    def validations(self, use_case: str, window: Window) -> Sequence[ValidationResult]:
        """All verdicts on the window's snapshots, in the order they were recorded."""
        query = queries.of_window(validations, use_case, window).order_by(validations.c.id)
        return self._entries(ValidationResult, query)

    def validations_between(
        self,
        use_case: str,
        start: datetime,
        end: datetime,
        *,
        parts: Collection[str] = (),
    ) -> Sequence[ValidationResult]:
        """The verdict that counts of each window inside `[start, end)`, by window; with the parts of its result."""
        within = queries.inside(validations, utc(start, "start"), utc(end, "end"))
        newest = queries.counting_verdicts(use_case).where(within)
        light = [column for column in validations.c if column.name != "result"]
        wanted = {name: validations.c.result[name].label(f"part_{number}") for number, name in enumerate(parts)}
        with self._database.transaction() as connection:
            rows = connection.execute(newest.with_only_columns(*light, *wanted.values())).mappings().all()
        told = [
            {name: part for name, column in wanted.items() if (part := row[column.name]) is not None} for row in rows
        ]
        return [from_row(ValidationResult, {**row, "result": result}) for row, result in zip(rows, told, strict=True)]

    def validation_of(
        self, use_case: str, window: Window, snapshot_digest: str, suite_digest: str
    ) -> ValidationResult | None:
        """The verdict for exactly this snapshot under exactly these rules, by its greatest number."""
        same = (validations.c.snapshot_digest == snapshot_digest, validations.c.suite_digest == suite_digest)
        query = queries.of_window(validations, use_case, window).where(*same).order_by(validations.c.number.desc())
        with self._database.transaction() as connection:
            return first_entry(connection, ValidationResult, query.limit(1))

    def counting_verdict(self, use_case: str, window: Window) -> ValidationResult | None:
        """The verdict that counts of exactly this window."""
        this = (validations.c.window_start == window.start, validations.c.window_end == window.end)
        with self._database.transaction() as connection:
            return first_entry(connection, ValidationResult, queries.counting_verdicts(use_case).where(*this))

    def record_batch(
        self,
        batch: Batch,
        lease: Lease | None = None,
        *,
        expected: Deployment | None,
        challenger: Deployment | None = None,
    ) -> Batch:
        """Append the batch, if `expected` and `challenger` are still in force at the window's start.

        Errors: `LeaseLost`; `DeploymentMoved` when it is not; `WindowBusy` when the revision was recorded with other
        content.
        """
        with self._database.transaction() as connection:
            lock_use_case(connection, batch.use_case, self._timeouts.lock)
            refuse_if_passed(connection, lease)
            entry = as_stored(batch, self._now(connection))
            recorded = existing(connection, entry)
            if recorded is None:
                if expected is not None:
                    query = queries.in_force(batch.use_case, DeployedRole.CHAMPION, batch.window.start)
                    check_still_in_force(batch, expected, first_entry(connection, Deployment, query))
                    query = queries.in_force(batch.use_case, DeployedRole.CHALLENGER, batch.window.start)
                    check_same_challenger(batch, challenger, first_entry(connection, Deployment, query))
                return append(connection, entry)
            check_same_batch(entry, recorded)
            return recorded

    def latest_batch(self, use_case: str, window: Window) -> Batch | None:
        """The live revision of the window."""
        revisions = self.batches(use_case, window)
        return revisions[-1] if revisions else None

    def batches(self, use_case: str, window: Window) -> Sequence[Batch]:
        """All revisions of the window, oldest first."""
        return self._entries(Batch, queries.of_window(batches, use_case, window).order_by(batches.c.revision))

    def batches_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Batch]:
        """The live revision of each window inside `[start, end)`, by window."""
        return self._between(Batch, use_case, start, end, "revision")

    def record_drift(self, report: DriftReport) -> DriftReport:
        """Append the report, or return the one that is there."""
        return self._record(report)

    def drift_of(self, use_case: str, window: Window) -> Sequence[DriftReport]:
        """All reports on the window, in the order they were recorded."""
        query = queries.of_window(drift_reports, use_case, window).order_by(drift_reports.c.id)
        return self._entries(DriftReport, query)

    def drift_between(
        self, use_case: str, start: datetime, end: datetime, *, known_at: datetime | None = None
    ) -> Sequence[DriftReport]:
        """The report recorded last for each window inside `[start, end)`, by window; without what is large."""
        within = queries.inside(drift_reports, utc(start, "start"), utc(end, "end"))
        newest = queries.newest_per_window(drift_reports, use_case, "id", known_at=utc_or_none(known_at, "known_at"))
        light = [column for column in drift_reports.c if column.name not in ("report", "profile")]
        query = newest.where(within).with_only_columns(*light)
        return self._entries(DriftReport, query, {"report": {}, "profile": {}})

    def record_late_rows(self, found: LateRows) -> LateRows:
        """Append the finding, or return the one that is there."""
        return self._record(found)

    def late_rows_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[LateRows]:
        """What later looks at the windows inside `[start, end)` found, by window, in the order they were recorded."""
        within = queries.inside(late_rows, utc(start, "start"), utc(end, "end"))
        query = select(late_rows).where(late_rows.c.use_case == use_case, within)
        order = (late_rows.c.window_start, late_rows.c.window_end, late_rows.c.id)
        return self._entries(LateRows, query.order_by(*order))

    def first_snapshots_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Snapshot]:
        """The snapshot recorded first of each window inside `[start, end)`, by window."""
        within = queries.inside(snapshots, utc(start, "start"), utc(end, "end"))
        return self._entries(Snapshot, queries.first_per_window(snapshots, use_case).where(within))

    def unscored_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[tuple[datetime, datetime]]:
        """The intervals that no scored window covers."""
        first, last = utc(start, "start"), utc(end, "end")
        if first >= last:
            return []
        with self._database.transaction() as connection:
            found = connection.execute(queries.unscored(use_case, first, last)).all()
        return [(utc(begun, "start"), utc(ended, "end")) for begun, ended in found]

    def windows_noted_empty(self, use_case: str, start: datetime, end: datetime) -> frozenset[Window]:
        """The windows inside `[start, end)` that are known to be empty."""
        first, last = utc(start, "start"), utc(end, "end")
        with self._database.transaction() as connection:
            names = connection.execute(queries.noted_empty(use_case, first, last)).scalars().all()
        found = {Window.parse(name) for name in names}
        return frozenset(window for window in found if first <= window.start and window.end <= last)

    def deciding(self, use_case: str) -> AbstractContextManager[None]:
        """Decide alone while inside."""
        return deciding_alone(self._database, use_case, self._timeouts.lock)

    def record_decision(self, decision: RecordedDecision) -> RecordedDecision:
        """Append the decision, or return the one that was first."""
        return self._record(decision)

    def decisions(
        self,
        use_case: str,
        kind: DecisionKind,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        action: str | None = None,
    ) -> Sequence[RecordedDecision]:
        """Decisions of a kind as of moments from `since` to `until`, by `as_of`."""
        query = select(decisions).where(decisions.c.use_case == use_case, decisions.c.kind == kind.value)
        if since is not None:
            query = query.where(decisions.c.as_of >= utc(since, "since"))
        if until is not None:
            query = query.where(decisions.c.as_of <= utc(until, "until"))
        if action is not None:
            query = query.where(decisions.c.action == action)
        return self._entries(RecordedDecision, query.order_by(decisions.c.as_of, decisions.c.id))

    def deploy(self, deployment: Deployment) -> Deployment:
        """Append a deployment, if `supersedes` is still the current entry of the role.

        The same deployment of the same run, tried again, returns the entry that is already current.
        Errors: `DeploymentConflict` when another entry got there first.
        """
        return self.deploy_together([deployment])[0]

    def current_deployment(self, use_case: str, role: DeployedRole) -> Deployment | None:
        """The entry recorded last for the role."""
        with self._database.transaction() as connection:
            return first_entry(connection, Deployment, queries.of_role(use_case, role).limit(1))

    def deployment_at(
        self, use_case: str, role: DeployedRole, effective: datetime, known_at: datetime | None = None
    ) -> Deployment | None:
        """The entry in force at the effective time, as it was recorded by `known_at` (default: as it is now)."""
        known = utc_or_none(known_at, "known_at")
        with self._database.transaction() as connection:
            return first_entry(
                connection, Deployment, queries.in_force(use_case, role, utc(effective, "effective"), known)
            )

    def deployments(self, use_case: str) -> Sequence[Deployment]:
        """All entries of all roles, in the order they were recorded."""
        query = select(deployments).where(deployments.c.use_case == use_case).order_by(deployments.c.id)
        return self._entries(Deployment, query)

    def record_intervention(self, intervention: Intervention, lease: Lease | None = None) -> Intervention:
        """Append the intervention, or return the one that is there."""
        return self._record(intervention, lease)

    def interventions(
        self, use_case: str, kind: InterventionKind | None = None, *, subject: str | None = None
    ) -> Sequence[Intervention]:
        """The interventions in the use case, of one kind or of all, in order."""
        query = select(interventions).where(interventions.c.use_case == use_case).order_by(interventions.c.id)
        if kind is not None:
            query = query.where(interventions.c.kind == kind.value)
        if subject is not None:
            query = query.where(interventions.c.subject == subject)
        return self._entries(Intervention, query)

    def interventions_on(
        self, use_case: str, kind: InterventionKind, windows: Collection[Window]
    ) -> Sequence[Intervention]:
        """The interventions of the kind whose details name one of the windows, in order."""
        query = queries.interventions_on(use_case, kind, [window.key for window in windows])
        return self._entries(Intervention, query)

    def record_backtest(self, backtest: Backtest) -> Backtest:
        """Append the backtest, or return the one that is there."""
        return self._record(backtest)

    def last_backtest(self, use_case: str) -> Backtest | None:
        """The one recorded last."""
        query = select(backtests).where(backtests.c.use_case == use_case).order_by(backtests.c.id.desc()).limit(1)
        with self._database.transaction() as connection:
            return first_entry(connection, Backtest, query)

    def status(self, use_case: str) -> Status:
        """The use case at a glance."""
        with self._database.transaction() as connection:
            row = connection.execute(queries.counts(use_case)).mappings().one()
            champion = first_entry(connection, Deployment, queries.of_role(use_case, DeployedRole.CHAMPION).limit(1))
        return Status(
            use_case=use_case,
            windows_ingested=row["windows_ingested"],
            windows_scored=row["windows_scored"],
            rows_scored=int(row["rows_scored"]),
            windows_failed=row["windows_failed"],
            alarms=row["alarms"],
            retrains=row["retrains"],
            last_window=None if row["last_start"] is None else Window(row["last_start"], row["last_end"]),
            champion=champion,
            retrains_rejected=row["retrains_rejected"],
            windows_overdue=row["windows_overdue"],
        )
