"""The facts that the ledger keeps. Each is written once and never changed.

Every entry has `recorded_at` (when we learnt it) and `run_id` (the DAG run or command that wrote it); the ledger
fills in `recorded_at` and, where an entry has one, `id`, when it appends. A caller leaves both at their defaults.

Entries come back in the form that JSON and PostgreSQL can hold: NaN and infinities (a metric that could not be
computed) are None, tuples inside JSON are lists, instants are in UTC, and the order of JSON keys is not kept.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from perennial.ledger.alert_entries import AlertDelivery, AlertNotice
from perennial.ledger.approval import Approval, ApprovalRequest
from perennial.ledger.review_entries import HumanLabel, ReviewMeasurement, ReviewSelection
from perennial.ledger.rollout_entries import RolloutEntry
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict
from perennial.window import Window

Json = dict[str, Any]

COMMAND_LINE = "cli__"  # what the run ids of the command line begin with; those of Airflow begin with the DAG's name
REVIEW_PAGE = "page__"  # what the run ids of changes begin with that somebody made on a review page


class DeployedRole(StrEnum):
    """What a deployed model version is used for."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class InterventionKind(StrEnum):
    """What is done to the stores outside the ordinary way of the data."""

    ALIAS_RESTORED = "alias_restored"
    LAKE_RESTORED = "lake_restored"
    PUBLISHED_RESTORED = "published_restored"
    ROWS_ACCEPTED = "rows_accepted"
    FILES_REMOVED = "files_removed"
    WINDOW_EMPTY = "window_empty"
    REPLAY_ASKED = "replay_asked"
    ROLLED_BACK = "rolled_back"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    ALERT_SILENCED = "alert_silenced"
    VERSION_ARCHIVED = "version_archived"
    VERSION_RESTORED = "version_restored"
    USE_CASE_ENDED = "use_case_ended"
    DATA_ERASED = "data_erased"
    FEATURE_ALLOWED = "feature_allowed"


class DecisionKind(StrEnum):
    """The questions that are decided."""

    RETRAIN_ON_DRIFT = "retrain_on_drift"
    RETRAIN_ON_PERFORMANCE = "retrain_on_performance"
    PROMOTE = "promote"
    EXPORT = "export"
    ROLLOUT = "rollout"
    STANDBY = "standby"


@dataclass(frozen=True)
class Snapshot:
    """The immutable rows of one window as ingested.

    `remarks` say, when these rows were first read, what was left out of the window and which rows validation will set
    aside, in sentences. They are None in entries of before remarks were kept, which is not the same as none.
    """

    use_case: str
    window: Window
    table: str
    version: int
    digest: str
    rows: int
    columns: Json
    query: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    remarks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ValidationResult:
    """What the checks said about one snapshot. `suite_digest` names the rules they were."""

    use_case: str
    window: Window
    snapshot_digest: str
    suite_digest: str
    verdict: Verdict
    reasons: tuple[str, ...]
    rows: int
    rows_quarantined: int
    result: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class Batch:
    """One committed revision of a window's predictions, made by one model, or by the two in `parts`.

    `parts` are `perennial.ledger.rollout_entries.Part` as JSON; the model named here is the champion's, and without
    parts that of all rows. `fencing_token` is that of the lease it was made under; `code_version` and `lock_digest` say
    what ran (see `perennial.code_version`). `decision` is the champion's rule by which rows were decided for, as
    `perennial.modeling.decision.DecisionRule` writes it; None where it has none.
    """

    use_case: str
    window: Window
    revision: int
    snapshot_digest: str
    suite_digest: str
    scoring_digest: str
    model_version: str
    model_digest: str
    table: str
    version: int
    digest: str
    rows: int
    resolution: str
    fencing_token: int
    code_version: str
    lock_digest: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    parts: tuple[Json, ...] = ()
    decision: Json | None = None


@dataclass(frozen=True)
class DriftReport:
    """How far a window lies from what its model considers normal.

    `reference_windows` is the number of windows it was ranked among. `missing` are the drifted columns, if all of them
    are unusual only by their missing values. `columns` maps each column to its own evidence: `p_value`, and whether its
    `missing` values are what is unusual. `basis_digest` names what else it was measured by: the rules that the rows
    passed, the reference, the level ("" in entries of 0.1.0, which don't say). `number` counts the window's
    measurements: each follows a change, and the last one counts.
    """

    use_case: str
    window: Window
    snapshot_digest: str
    model_digest: str
    verdict: Verdict
    p_value: float | None
    reference_windows: int
    missing: tuple[str, ...]
    columns: Json
    reasons: tuple[str, ...]
    report: Json
    profile: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    basis_digest: str = ""
    number: int = 0


@dataclass(frozen=True)
class LateRows:
    """What a later look at a window's source found changed, and what became of it.

    `version` is the lake's of the snapshot that was found, which replaced that of `version_before`. Of a window that
    was empty before, they are the same, and `rows_before` is 0. Rows are compared by their key: `new`, `gone`, and
    `changed` in any column. `revision` is the live one afterwards, and `predictions_changed` how many entities have
    another prediction than before, lost theirs, or have their first one.
    """

    use_case: str
    window: Window
    version: int
    version_before: int
    as_of: datetime
    rows_before: int
    rows: int
    new: int
    gone: int
    changed: int
    revision: int
    predictions_changed: int
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class Performance:
    """How good a batch was, by the labels that had arrived by `as_of`.

    The entry with the latest `as_of` counts: labels that came after all make a new one. `completeness` is the share of
    predicted rows that are settled: they have a label, or it is known that no outcome will come of them
    (`without_outcome`, which 0.1.0 did not count); `metrics` maps metric name to value, and
    `intervals` to its 95% interval (`low`, `high`, `standard_error`). `estimates` maps metric name to the same and the
    `value` as it is expected of all rows, from the predictions alone. `arrivals` are the shares of rows that were
    settled at the ages of `perennial.performance.delay`, only of a final window. `label_drift` says how unusual the
    labels are (`verdict`, `p_value`, `reasons`), only of a final window whose model knows the labels it was trained on.
    `labels_version` is the version of the labels' table that was read, None when it was not there yet.
    """

    use_case: str
    window: Window
    revision: int
    model_version: str
    model_digest: str
    as_of: datetime
    maturity: Maturity
    rows: int
    labelled: int
    completeness: float
    verdict: Verdict
    metrics: dict[str, float]
    intervals: Json
    estimates: Json
    arrivals: tuple[float, ...]
    label_drift: Json
    labels_version: int | None
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    without_outcome: int = 0

    @property
    def settled(self) -> int:
        """How many rows have a label, or will never have one."""
        return self.labelled + self.without_outcome


@dataclass(frozen=True)
class RecordedDecision:
    """A decision as it was taken. At most one per (use case, kind, subject)."""

    use_case: str
    kind: DecisionKind
    subject: str
    as_of: datetime
    action: str
    reasons: tuple[str, ...]
    numbers: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class Deployment:
    """A model version that holds a role from an effective time on, until the next entry for the role.

    `supersedes` is the id of the entry that held the role when this one was made, None for the first. `metrics` are
    those that the judged model had on its holdout. `training` says what the version was trained on, which model was
    judged (`judged_digest`), and, where that one was `refitted` before it was deployed, how alike the two are.
    A challenger's is a stage of its roll-out: `share` is the percentage of rows it predicts, 0 in the shadow, chosen by
    `salt`; one that `ends` gives the role to nobody. The role's entries from the id that one `withdraws` on count no
    more. A champion that `rescores_from` an earlier time is in force from then on, instead of those before it: the
    windows that they predicted are scored again. `approved_by` agreed to it (None: the policy alone); `code_version`
    and `lock_digest` say what deployed it.
    """

    use_case: str
    role: DeployedRole
    model_version: str
    model_digest: str
    effective_from: datetime
    supersedes: int | None
    actor: str
    reason: str
    training: Json
    metrics: dict[str, float]
    approved_by: str | None
    code_version: str
    lock_digest: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
    share: int | None = None
    salt: str = ""
    ends: bool = False
    withdraws: int | None = None
    rescores_from: datetime | None = None

    @property
    def in_rollout(self) -> bool:
        """Whether it is a stage in which the challenger scores rows, in the shadow or published."""
        return self.share is not None and not self.ends


@dataclass(frozen=True)
class Intervention:
    """Something that was repaired, allowed or removed, by hand or by maintenance: what was found, and what was done.

    `subject` names it within its kind: a window's key, a role, a snapshot's digest and rule, a table.
    """

    use_case: str
    kind: InterventionKind
    subject: str
    actor: str
    reason: str
    details: Json
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class Backtest:
    """How rival retraining policies would have done on the stored windows from `since` to `until`.

    `policies` maps each policy's name to what differs in it from the spec's `monitoring` of the time. `results` are
    what became of each, as `perennial.backtest.backtest.PolicyResult` has it. They are judged by `metric`.
    """

    use_case: str
    since: datetime
    until: datetime
    windows: int
    metric: str
    policies: Json
    results: tuple[Json, ...]
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


LedgerEntry = (
    Snapshot
    | ValidationResult
    | Batch
    | DriftReport
    | LateRows
    | Performance
    | RecordedDecision
    | Deployment
    | Intervention
    | Backtest
    | AlertNotice
    | AlertDelivery
    | ApprovalRequest
    | Approval
    | ReviewSelection
    | HumanLabel
    | ReviewMeasurement
    | RolloutEntry
)


@dataclass(frozen=True)
class Status:
    """A use case at a glance.

    `rows_scored` counts live revisions, `windows_failed` and `alarms` count windows whose latest validation or drift
    report has the verdict `fail`. `retrains` counts the models that became champion after the first (a rollback is
    none), `retrains_rejected` the retrainings after which the champion stayed. `windows_overdue` counts windows whose
    labels are overdue. `last_window` is the last one ingested.
    """

    use_case: str
    windows_ingested: int
    windows_scored: int
    rows_scored: int
    windows_failed: int
    alarms: int
    retrains: int
    last_window: Window | None = None
    champion: Deployment | None = None
    retrains_rejected: int = 0
    windows_overdue: int = 0
