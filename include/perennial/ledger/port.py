"""What the rest of the system asks of the ledger."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from perennial.lease import Lease
from perennial.ledger.chain import Chain
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
from perennial.ledger.parts.approvals import Approvals
from perennial.ledger.parts.evidence import Evidence
from perennial.ledger.parts.latest import Latest
from perennial.ledger.parts.many_windows import ManyWindows
from perennial.ledger.parts.measurements import Measurements
from perennial.ledger.parts.outbox import Outbox
from perennial.ledger.parts.overview import Overview, Status
from perennial.ledger.parts.redactions import Redactions
from perennial.ledger.parts.review_queue import ReviewQueue
from perennial.ledger.parts.rollouts import Rollouts
from perennial.window import Window


class Ledger(
    Overview,
    Latest,
    ManyWindows,
    Measurements,
    Evidence,
    Chain,
    Outbox,
    Approvals,
    Rollouts,
    ReviewQueue,
    Redactions,
    Protocol,
):
    """An append-only record of what happened, with the locks that keep it linear. Only `redact` changes what is there.

    Every `record_*` returns the entry as stored, with `id` and `recorded_at`. Recording the same content again
    under the same natural key returns the entry that is already there. Errors of every method:
    `StoreUnavailable` when the store does not answer, `InvalidSettings` when it has no tables yet, `InvalidWindow`
    for an instant without time zone.
    """

    def working_on(self, subject: str, window: Window, run_id: str) -> AbstractContextManager[Lease]:
        """Hold the window of a subject (a use case's data, its labels) while inside: two runs don't work on it at once.

        The lease ends with the holder, killed or not. Each lease has a greater fencing token than the one before. What
        is recorded under a lease is refused with `LeaseLost` once a later one was taken. Errors: `WindowBusy` when
        another holder keeps it for longer than the ledger's lock timeout.
        """

    def leases_not_given_back(self, use_case: str) -> Sequence[tuple[str, Window]]:
        """Subject and window of each lease on the use case's data and labels that its holder has, or never gave back.

        Which of the two it is shows when one asks for the window (`working_on`): a dead holder's is free at once.
        """

    def record_snapshot(self, snapshot: Snapshot, lease: Lease | None = None) -> Snapshot:
        """Natural key: (use case, window, table, version). The first one stands. Errors: `LeaseLost`."""

    def latest_snapshot(self, use_case: str, window: Window) -> Snapshot | None:
        """The snapshot recorded last for exactly this window."""

    def last_ingested(self, use_case: str) -> Window | None:
        """The last window that has a snapshot."""

    def snapshots_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Snapshot]:
        """The latest snapshot of each window inside `[start, end)`, by window."""

    def record_validation(self, validation: ValidationResult, lease: Lease | None = None) -> ValidationResult:
        """Natural key: (use case, window, snapshot digest, suite digest, number). The first one stands.

        Errors: `LeaseLost`.
        """

    def validation_of(
        self, use_case: str, window: Window, snapshot_digest: str, suite_digest: str
    ) -> ValidationResult | None:
        """The verdict for exactly this snapshot under exactly these rules, by its greatest number."""

    def counting_verdict(self, use_case: str, window: Window) -> ValidationResult | None:
        """The verdict that counts of exactly this window: the last one on its latest snapshot, or where that has none,
        the last one.
        """

    def validations(self, use_case: str, window: Window) -> Sequence[ValidationResult]:
        """All verdicts on the window's snapshots, in the order they were recorded."""

    def validations_between(
        self,
        use_case: str,
        start: datetime,
        end: datetime,
        *,
        parts: Collection[str] = (),
    ) -> Sequence[ValidationResult]:
        """The verdict that counts (see `counting_verdict`) of each window inside `[start, end)`, by window.

        Of their `result`, which is large, there are only the named `parts`, as far as it has them; `validations` has
        all of it.
        """

    def record_batch(
        self,
        batch: Batch,
        lease: Lease | None = None,
        *,
        expected: Deployment | None,
        challenger: Deployment | None = None,
    ) -> Batch:
        """Natural key: (use case, window, revision).

        With `expected`, in the same transaction: the champion in force at the window's start must still be that one,
        and the stage of a roll-out in force `challenger`, which is None where there must be none. Errors: `LeaseLost`;
        `DeploymentMoved` when it is not so; `WindowBusy` when the revision is recorded with other content: two runs
        raced.
        """

    def latest_batch(self, use_case: str, window: Window) -> Batch | None:
        """The live revision of the window."""

    def batches(self, use_case: str, window: Window) -> Sequence[Batch]:
        """All revisions of the window, oldest first."""

    def batches_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Batch]:
        """The live revision of each window inside `[start, end)`, by window."""

    def record_drift(self, report: DriftReport) -> DriftReport:
        """Natural key: (use case, window, snapshot digest, model digest, number). The first one stands."""

    def drift_of(self, use_case: str, window: Window) -> Sequence[DriftReport]:
        """All reports on the window, in the order they were recorded."""

    def drift_between(
        self, use_case: str, start: datetime, end: datetime, *, known_at: datetime | None = None
    ) -> Sequence[DriftReport]:
        """The report recorded last for each window inside `[start, end)`, of those recorded by `known_at`; by window.

        Their `report` and `profile` are left out, as {}: they are large, and `drift_of` has them.
        """

    def record_late_rows(self, found: LateRows) -> LateRows:
        """Natural key: (use case, window, version). The first one stands."""

    def late_rows_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[LateRows]:
        """What later looks at the windows inside `[start, end)` found, by window, in the order they were recorded."""

    def first_snapshots_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[Snapshot]:
        """The snapshot recorded first of each window inside `[start, end)`, by window."""

    def unscored_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[tuple[datetime, datetime]]:
        """The intervals of `[start, end)` that no scored window inside it covers, the earliest first."""

    def windows_noted_empty(self, use_case: str, start: datetime, end: datetime) -> frozenset[Window]:
        """The windows inside `[start, end)` that had no rows when they were asked for last and need not have any
        (`WINDOW_EMPTY`), also those that were scored later.
        """

    def deciding(self, use_case: str) -> AbstractContextManager[None]:
        """Be the only one who decides about the use case's retraining while inside, after waiting for the turn.

        Windows that are monitored at once would each see enough evidence, none of them the other's decision, and all
        of them retrain. Errors: `StoreUnavailable` also when the turn does not come within the ledger's lock timeout.
        """

    def record_decision(self, decision: RecordedDecision) -> RecordedDecision:
        """Natural key: (use case, kind, subject). The first one stands: a later rival gets the first one back."""

    def decisions(
        self,
        use_case: str,
        kind: DecisionKind,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        action: str | None = None,
    ) -> Sequence[RecordedDecision]:
        """Decisions of a kind whose `as_of` is at or after `since`, and not after `until`, by `as_of`.

        With `action`, those that came to it.
        """

    def deploy(self, deployment: Deployment) -> Deployment:
        """Append a deployment, if `supersedes` is still the current entry of the role.

        `effective_from` is moved forward, if need be, to the end of the last window scored (champions only), and to the
        current entry's own `effective_from`: a deployment never rewrites which model a recorded batch should have
        had. The same deployment of the same run, tried again while it is current, returns that entry.
        Errors: `DeploymentConflict` when another entry got there first; the message names it.
        """

    def current_deployment(self, use_case: str, role: DeployedRole) -> Deployment | None:
        """The entry recorded last for the role."""

    def deployment_at(
        self, use_case: str, role: DeployedRole, effective: datetime, known_at: datetime | None = None
    ) -> Deployment | None:
        """The entry in force at the effective time, as it was recorded by `known_at` (default: as it is now)."""

    def deployments(self, use_case: str) -> Sequence[Deployment]:
        """All entries of all roles, in the order they were recorded."""

    def record_intervention(self, intervention: Intervention, lease: Lease | None = None) -> Intervention:
        """Natural key: (use case, kind, subject, run). The first one stands. Errors: `LeaseLost`."""

    def interventions(
        self, use_case: str, kind: InterventionKind | None = None, *, subject: str | None = None
    ) -> Sequence[Intervention]:
        """The interventions in the use case, of one kind or of all, about one subject or all, in the order they were
        recorded.
        """

    def interventions_on(
        self, use_case: str, kind: InterventionKind, windows: Collection[Window]
    ) -> Sequence[Intervention]:
        """The interventions of the kind whose details name one of the windows, in the order they were recorded."""

    def record_backtest(self, backtest: Backtest) -> Backtest:
        """Natural key: (use case, run). The first one stands."""

    def last_backtest(self, use_case: str) -> Backtest | None:
        """The one recorded last."""

    def snapshots(self, use_case: str, window: Window) -> Sequence[Snapshot]:
        """All snapshots of the window, in the order they were recorded."""

    def status(self, use_case: str) -> Status:
        """The use case at a glance."""
