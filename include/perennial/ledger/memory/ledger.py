"""The ledger in memory: the same behaviour as in PostgreSQL, for tests and for trying things out."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from perennial.lease import Lease
from perennial.ledger import rules
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
from perennial.ledger.memory.approvals import InMemoryApprovals
from perennial.ledger.memory.entries import FOREVER, inside
from perennial.ledger.memory.evidence import InMemoryEvidence
from perennial.ledger.memory.latest import InMemoryLatest
from perennial.ledger.memory.leases import InMemoryLeases
from perennial.ledger.memory.outbox import InMemoryOutbox
from perennial.ledger.memory.overview import InMemoryOverview
from perennial.ledger.memory.redactions import RedactionsInMemory
from perennial.ledger.memory.review_queue import InMemoryReviewQueue
from perennial.ledger.memory.rollouts import RolloutsInMemory
from perennial.ledger.parts.overview import Status
from perennial.ledger.rows import as_stored, natural_key, utc, utc_or_none
from perennial.performance.maturity import Maturity
from perennial.verdict import PROMOTE
from perennial.window import Window


class InMemoryLedger(
    InMemoryLeases,
    InMemoryOverview,
    InMemoryLatest,
    InMemoryEvidence,
    RolloutsInMemory,
    InMemoryOutbox,
    InMemoryApprovals,
    InMemoryReviewQueue,
    RedactionsInMemory,
):
    """A `Ledger` that ends with its process. Threads may share it.

    `lock_timeout` is for how many seconds `working_on` waits.
    """

    def record_snapshot(self, snapshot: Snapshot, lease: Lease | None = None) -> Snapshot:
        """Append the snapshot, or return the one that is there."""
        return self._record(snapshot, lease)

    def snapshots(self, use_case: str, window: Window) -> Sequence[Snapshot]:
        """All snapshots of the window, in the order they were recorded."""
        return self._of(Snapshot, lambda entry: (entry.use_case, entry.window) == (use_case, window))

    def latest_snapshot(self, use_case: str, window: Window) -> Snapshot | None:
        """The snapshot recorded last for exactly this window."""
        found = self._of(Snapshot, lambda entry: (entry.use_case, entry.window) == (use_case, window))
        return found[-1] if found else None

    def last_ingested(self, use_case: str) -> Window | None:
        """The last window that has a snapshot."""
        return max((e.window for e in self._found(Snapshot, lambda e: e.use_case == use_case)), default=None)

    def snapshots_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Snapshot]:
        """The latest snapshot of each window inside `[start, end)`, by window."""
        return self._between(Snapshot, use_case, start, end, rules.recorded_order)

    def record_validation(self, validation: ValidationResult, lease: Lease | None = None) -> ValidationResult:
        """Append the verdict, or return the one that is there."""
        return self._record(validation, lease)

    def validations(self, use_case: str, window: Window) -> Sequence[ValidationResult]:
        """All verdicts on the window's snapshots, in the order they were recorded."""
        return self._of(ValidationResult, lambda entry: (entry.use_case, entry.window) == (use_case, window))

    def validations_between(
        self,
        use_case: str,
        start: datetime,
        end: datetime,
        *,
        parts: Collection[str] = (),
    ) -> Sequence[ValidationResult]:
        """The verdict that counts of each window inside `[start, end)`, by window; with the parts of its result."""
        found = self._between(ValidationResult, use_case, start, end, self._counting(use_case))
        return [
            replace(verdict, result={name: part for name in parts if (part := verdict.result.get(name)) is not None})
            for verdict in found
        ]

    def _counting(self, use_case: str) -> Callable[[ValidationResult], tuple[bool, int]]:
        """By what verdicts are sorted, so that of a window the one that counts is the last."""
        latest = {each.window: each.digest for each in self._newest(Snapshot, use_case, rules.recorded_order)}
        return lambda verdict: (latest.get(verdict.window) == verdict.snapshot_digest, rules.recorded_order(verdict))

    def validation_of(
        self, use_case: str, window: Window, snapshot_digest: str, suite_digest: str
    ) -> ValidationResult | None:
        """The verdict for exactly this snapshot under exactly these rules, by its greatest number."""
        key = (use_case, window, snapshot_digest, suite_digest)
        found = self._of(ValidationResult, lambda entry: natural_key(entry)[: len(key)] == key)
        return max(found, key=lambda entry: entry.number, default=None)

    def counting_verdict(self, use_case: str, window: Window) -> ValidationResult | None:
        """The verdict that counts of exactly this window."""
        found, latest = self.validations(use_case, window), self.latest_snapshot(use_case, window)
        on_it = [verdict for verdict in found if latest is not None and verdict.snapshot_digest == latest.digest]
        return next(reversed(on_it or found), None)

    def record_batch(
        self,
        batch: Batch,
        lease: Lease | None = None,
        *,
        expected: Deployment | None,
        challenger: Deployment | None = None,
    ) -> Batch:
        """Append the batch, if `expected` and `challenger` are still in force at the window's start."""
        entry = as_stored(batch, self._clock())
        with self._lock:
            self._refuse_if_passed(lease)
            recorded = self._existing(entry)
            if recorded is None:
                if expected is not None:
                    in_force = self.deployment_at(batch.use_case, DeployedRole.CHAMPION, batch.window.start)
                    rules.check_still_in_force(batch, expected, in_force)
                    stage = self.deployment_at(batch.use_case, DeployedRole.CHALLENGER, batch.window.start)
                    rules.check_same_challenger(batch, challenger, stage)
                return self._append(entry)
            rules.check_same_batch(entry, recorded)
            return recorded

    def latest_batch(self, use_case: str, window: Window) -> Batch | None:
        """The live revision of the window."""
        revisions = self.batches(use_case, window)
        return revisions[-1] if revisions else None

    def batches(self, use_case: str, window: Window) -> Sequence[Batch]:
        """All revisions of the window, oldest first."""
        found = self._of(Batch, lambda entry: (entry.use_case, entry.window) == (use_case, window))
        return sorted(found, key=lambda entry: entry.revision)

    def batches_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Batch]:
        """The live revision of each window inside `[start, end)`, by window."""
        return self._between(Batch, use_case, start, end, lambda entry: entry.revision)

    def record_drift(self, report: DriftReport) -> DriftReport:
        """Append the report, or return the one that is there."""
        return self._record(report)

    def drift_of(self, use_case: str, window: Window) -> Sequence[DriftReport]:
        """All reports on the window, in the order they were recorded."""
        return self._of(DriftReport, lambda entry: (entry.use_case, entry.window) == (use_case, window))

    def drift_between(
        self, use_case: str, start: datetime, end: datetime, *, known_at: datetime | None = None
    ) -> Sequence[DriftReport]:
        """The report recorded last for each window inside `[start, end)`, by window; without what is large."""
        known = utc_or_none(known_at, "known_at") or FOREVER
        found = self._between(
            DriftReport, use_case, start, end, rules.recorded_order, lambda entry: rules.recorded_at(entry) <= known
        )
        return [replace(report, report={}, profile={}) for report in found]

    def record_late_rows(self, found: LateRows) -> LateRows:
        """Append the finding, or return the one that is there."""
        return self._record(found)

    def late_rows_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[LateRows]:
        """What later looks at the windows inside `[start, end)` found, by window, in the order they were recorded."""
        found = self._of(LateRows, lambda entry: entry.use_case == use_case)
        within = inside((entry.window for entry in found), start, end)
        return sorted((each for each in found if each.window in within), key=lambda entry: (entry.window, entry.id))

    def first_snapshots_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Snapshot]:
        """The snapshot recorded first of each window inside `[start, end)`, by window."""
        return self._between(Snapshot, use_case, start, end, lambda entry: -rules.recorded_order(entry))

    def unscored_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[tuple[datetime, datetime]]:
        """The intervals that no scored window covers."""
        first, last = utc(start, "start"), utc(end, "end")
        scored = [(each.window.start, each.window.end) for each in self.batches_between(use_case, start, end)]
        edges = [(first, first), *scored, (last, last)]
        return [(begun, ended) for (_, begun), (ended, _) in pairwise(edges) if begun < ended]

    def windows_noted_empty(self, use_case: str, start: datetime, end: datetime) -> frozenset[Window]:
        """The windows inside `[start, end)` that are known to be empty."""
        noted = self.interventions(use_case, InterventionKind.WINDOW_EMPTY)
        return inside({Window.parse(entry.subject) for entry in noted}, start, end)

    @contextmanager
    def deciding(self, use_case: str) -> Iterator[None]:
        """Decide alone while inside: nobody else does anything with this ledger meanwhile."""
        del use_case
        with self._lock:
            yield

    def record_decision(self, decision: RecordedDecision) -> RecordedDecision:
        """Append the decision, or return the one that is there."""
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
        first, last = (None if at is None else utc(at, name) for at, name in ((since, "since"), (until, "until")))
        found = self._of(RecordedDecision, lambda entry: (entry.use_case, entry.kind) == (use_case, kind))
        inside = [e for e in found if (first is None or e.as_of >= first) and (last is None or e.as_of <= last)]
        return sorted((e for e in inside if action in (None, e.action)), key=lambda entry: entry.as_of)

    def deploy(self, deployment: Deployment) -> Deployment:
        """Append a deployment, if `supersedes` is still the current entry of the role."""
        return self.deploy_together([deployment])[0]

    def deployment_at(
        self, use_case: str, role: DeployedRole, effective: datetime, known_at: datetime | None = None
    ) -> Deployment | None:
        """The entry in force at the effective time, as it was recorded by `known_at` (default: as it is now)."""
        at = utc(effective, "effective")
        until = utc_or_none(known_at, "known_at") or FOREVER
        known = [e for e in self.deployments(use_case) if rules.recorded_at(e) <= until]
        return rules.in_force(known, role, at)

    def deployments(self, use_case: str) -> Sequence[Deployment]:
        """All entries of all roles, in the order they were recorded."""
        return self._of(Deployment, lambda entry: entry.use_case == use_case)

    def record_intervention(self, intervention: Intervention, lease: Lease | None = None) -> Intervention:
        """Append the intervention, or return the one that is there."""
        return self._record(intervention, lease)

    def interventions(
        self, use_case: str, kind: InterventionKind | None = None, *, subject: str | None = None
    ) -> Sequence[Intervention]:
        """The interventions in the use case, of one kind or of all, in order."""
        found = self._of(Intervention, lambda entry: entry.use_case == use_case and kind in (None, entry.kind))
        return [entry for entry in found if subject in (None, entry.subject)]

    def interventions_on(
        self, use_case: str, kind: InterventionKind, windows: Collection[Window]
    ) -> Sequence[Intervention]:
        """The interventions of the kind whose details name one of the windows, in order."""
        keys = {window.key for window in windows}
        found = self._of(Intervention, lambda entry: (entry.use_case, entry.kind) == (use_case, kind))
        return [entry for entry in found if entry.details.get("window") in keys]

    def record_backtest(self, backtest: Backtest) -> Backtest:
        """Append the backtest, or return the one that is there."""
        return self._record(backtest)

    def last_backtest(self, use_case: str) -> Backtest | None:
        """The one recorded last."""
        return next(iter(self._of(Backtest, lambda entry: entry.use_case == use_case)[::-1]), None)

    def status(self, use_case: str) -> Status:
        """The use case at a glance."""
        with self._lock:
            ingested = self._newest(Snapshot, use_case, rules.recorded_order)
            scored = self._newest(Batch, use_case, lambda entry: entry.revision)
            champions = [e for e in self.deployments(use_case) if e.role is DeployedRole.CHAMPION]
            rejected = {e.as_of for e in self.decisions(use_case, DecisionKind.PROMOTE) if e.action != PROMOTE}
            return Status(
                use_case=use_case,
                windows_ingested=len(ingested),
                windows_scored=len(scored),
                rows_scored=sum(batch.rows for batch in scored),
                windows_failed=rules.failed(self._newest(ValidationResult, use_case, self._counting(use_case))),
                alarms=rules.failed(self._newest(DriftReport, use_case, rules.recorded_order)),
                retrains=max(len({entry.model_digest for entry in champions}) - 1, 0),
                last_window=ingested[-1].window if ingested else None,
                champion=champions[-1] if champions else None,
                retrains_rejected=len(rejected),
                windows_overdue=sum(entry.maturity is Maturity.OVERDUE for entry in self._measured(use_case)),
            )

    def copy(self) -> "InMemoryLedger":
        """A ledger with the same entries; what is recorded in either is not in the other."""
        with self._lock:
            other = InMemoryLedger(self._clock, self._lock_timeout)
            for kind, entries in self._by_kind.items():
                other._by_kind[kind] = list(entries)
            for use_case, links in self._links.items():
                other._links[use_case] = list(links)
            return other
