"""The ledger's tables, in a PostgreSQL schema of their own: one per kind of entry.

Columns are named like the fields of `perennial.ledger.entries`; a `window` is the two columns `window_start` and
`window_end`. The migrations make these tables; they also make the database refuse UPDATE, DELETE and TRUNCATE.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from perennial.ledger.entries import (
    AlertDelivery,
    AlertNotice,
    Approval,
    ApprovalRequest,
    Backtest,
    Batch,
    DecisionKind,
    Delivery,
    DeployedRole,
    Deployment,
    DriftReport,
    HumanLabel,
    Intervention,
    InterventionKind,
    LateRows,
    LedgerEntry,
    PairedGain,
    Performance,
    RecordedDecision,
    Redaction,
    ReviewMeasurement,
    ReviewSelection,
    ShadowBatch,
    Snapshot,
    ValidationResult,
)
from perennial.ledger.postgres.packed import PackedJson
from perennial.ledger.postgres.schema import columns
from perennial.ledger.postgres.schema.columns import at_least as _at_least
from perennial.ledger.postgres.schema.columns import count_column as _count
from perennial.ledger.postgres.schema.columns import entries_table as _entries
from perennial.ledger.postgres.schema.columns import instant_column as _instant
from perennial.ledger.postgres.schema.columns import json_column as _json
from perennial.ledger.postgres.schema.columns import one_of as _one_of
from perennial.ledger.postgres.schema.columns import text_column as _text
from perennial.ledger.postgres.schema.columns import windowed_table as _windowed
from perennial.ledger.postgres.schema.measurements import performance
from perennial.ledger.postgres.schema.rollout import paired_gains, shadow_batches
from perennial.verdict import ApprovalAnswer, Verdict

SCHEMA, metadata = columns.SCHEMA, columns.metadata

snapshots = _windowed(
    "snapshots",
    ("table", "version"),
    _text("table"),
    _count("version"),
    _text("digest"),
    _count("rows"),
    _json("columns"),
    _text("query"),
    Column("remarks", JSONB(none_as_null=True)),
    _at_least("version", 0),
    _at_least("rows", 0),
    Index("ix_snapshots_digest", "digest"),
)

validations = _windowed(
    "validations",
    ("snapshot_digest", "suite_digest", "number"),
    _text("snapshot_digest"),
    _text("suite_digest"),
    _text("verdict"),
    _json("reasons"),
    _count("rows"),
    _count("rows_quarantined"),
    _json("result"),
    _count("number"),
    Column("quarantine_digest", Text),
    _one_of("verdict", Verdict),
    _at_least("rows", 0),
    CheckConstraint("rows_quarantined BETWEEN 0 AND rows", name="rows_quarantined"),
)

batches = _windowed(
    "batches",
    ("revision",),
    _count("revision"),
    _text("snapshot_digest"),
    _text("suite_digest"),
    _text("scoring_digest"),
    _text("model_version"),
    _text("model_digest"),
    _text("table"),
    _count("version"),
    _text("digest"),
    _count("rows"),
    _text("resolution"),
    _count("fencing_token"),
    _text("code_version"),
    _text("lock_digest"),
    _json("parts"),
    Column("decision", JSONB(none_as_null=True)),
    _at_least("revision", 0),
    _at_least("version", 0),
    _at_least("rows", 0),
    Index("ix_batches_window_end", "use_case", "window_end"),
    Index("ix_batches_model_digest", "model_digest"),
)

drift_reports = _windowed(
    "drift_reports",
    ("snapshot_digest", "model_digest", "number"),
    _text("snapshot_digest"),
    _text("model_digest"),
    _text("verdict"),
    Column("p_value", Double),
    _count("reference_windows"),
    _json("missing"),
    _json("columns"),
    _json("reasons"),
    Column("report", PackedJson, nullable=False),
    Column("profile", PackedJson, nullable=False),
    _text("basis_digest"),
    _count("number"),
    _one_of("verdict", Verdict),
    CheckConstraint("p_value BETWEEN 0 AND 1", name="p_value"),
)

late_rows = _windowed(
    "late_rows",
    ("version",),
    _count("version"),
    _count("version_before"),
    _instant("as_of"),
    _count("rows_before"),
    _count("rows"),
    _count("new"),
    _count("gone"),
    _count("changed"),
    _count("revision"),
    _count("predictions_changed"),
    _at_least("rows", 0),
)

decisions = _entries(
    "decisions",
    _text("kind"),
    _text("subject"),
    _instant("as_of"),
    _text("action"),
    _json("reasons"),
    _json("numbers"),
    UniqueConstraint("use_case", "kind", "subject"),
    _one_of("kind", DecisionKind),
    Index("ix_decisions_as_of", "use_case", "kind", "as_of"),
    Index("ix_decisions_action", "use_case", "kind", "action", "as_of"),
)

deployments = _entries(
    "deployments",
    _text("role"),
    _text("model_version"),
    _text("model_digest"),
    _instant("effective_from"),
    Column("supersedes", BigInteger, ForeignKey(f"{SCHEMA}.deployments.id")),
    _text("actor"),
    _text("reason"),
    _json("training"),
    _json("metrics"),
    Column("approved_by", Text),
    _text("code_version"),
    _text("lock_digest"),
    Column("share", SmallInteger),
    _text("salt"),
    Column("ends", Boolean, nullable=False),
    Column("withdraws", BigInteger),
    Column("rescores_from", DateTime(timezone=True)),
    CheckConstraint("share BETWEEN 0 AND 99", name="share"),
    CheckConstraint("role = 'challenger' OR (share IS NULL AND NOT ends)", name="stage"),
    CheckConstraint(
        "rescores_from IS NULL OR (rescores_from < effective_from AND role = 'champion')", name="rescores_from"
    ),
    # A line without forks: an entry is superseded at most once, and a role has one first entry.
    UniqueConstraint("use_case", "role", "supersedes"),
    Index("uq_deployments_first", "use_case", "role", unique=True, postgresql_where=text("supersedes IS NULL")),
    _one_of("role", DeployedRole),
    Index("ix_deployments_effective_from", "use_case", "role", "effective_from"),
)

interventions = _entries(
    "interventions",
    _text("kind"),
    _text("subject"),
    _text("actor"),
    _text("reason"),
    _json("details"),
    UniqueConstraint("use_case", "kind", "subject", "run_id"),
    _one_of("kind", InterventionKind),
    Index("ix_interventions_window", "use_case", "kind", text("(details ->> 'window')")),
    Index("ix_interventions_recorded_at", "use_case", "kind", "recorded_at"),
)

backtests = _entries(
    "backtests",
    _instant("since"),
    _instant("until"),
    _count("windows"),
    _text("metric"),
    _json("policies"),
    _json("results"),
    UniqueConstraint("use_case", "run_id"),
    _at_least("windows", 0),
    CheckConstraint("since < until", name="until"),
)

# Not an entry: the places of entries in their use case's chain (`perennial.ledger.chain`).
chain = Table(
    "chain",
    metadata,
    Column("use_case", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    _text("kind"),
    _count("entry_id"),
    Column("form", SmallInteger, nullable=False),
    Column("adopted", Boolean, nullable=False),
    _text("content"),
    _text("previous"),
    _text("digest"),
    UniqueConstraint("kind", "entry_id"),
    _at_least("position", 1),
)

alert_notices = _entries(
    "alert_notices",
    _text("route"),
    _count("number"),
    _instant("as_of"),
    _json("news"),
    _json("told"),
    UniqueConstraint("use_case", "route", "number"),
    _at_least("number", 1),
)

alert_deliveries = _entries(
    "alert_deliveries",
    _text("route"),
    _count("number"),
    _count("attempt"),
    _text("outcome"),
    _text("error"),
    UniqueConstraint("use_case", "route", "number", "attempt"),
    _at_least("attempt", 1),
    _one_of("outcome", Delivery),
)

approval_requests = _entries(
    "approval_requests",
    *map(_text, ("subject", "training_id", "model_digest", "evidence_digest")),
    Column("champion_id", BigInteger),
    _text("tier"),
    _count("approvers"),
    _text("requester"),
    _json("shown"),
    UniqueConstraint("use_case", "subject"),
    _at_least("approvers", 1),
    Index("ix_approval_requests_run_id", "use_case", "run_id"),
    Index("ix_approval_requests_id", "use_case", "id"),
)

approvals = _entries(
    "approvals",
    *map(_text, ("subject", "training_id", "model_digest", "evidence_digest")),
    Column("champion_id", BigInteger),
    *map(_text, ("answer", "approver_id", "approver", "role", "reason", "requester")),
    _instant("answered_at"),
    _text("answered_in"),
    UniqueConstraint("use_case", "subject", "approver_id", "answer"),
    _one_of("answer", ApprovalAnswer),
)

review_selections = _windowed(
    "review_selections",
    ("revision",),
    _count("revision"),
    _count("rows"),
    _count("doubtful"),
    _json("questions"),
    _at_least("rows", 0),
    CheckConstraint("doubtful BETWEEN 0 AND rows", name="doubtful"),
)

human_labels = _windowed(
    "human_labels",
    ("entity", "author", "answered_at"),
    _text("entity"),
    _text("author"),
    _instant("answered_at"),
    Column("value", Double),
    _count("revision"),
    _text("model_digest"),
    Column("probability", Double, nullable=False),
    _text("origin"),
    CheckConstraint("probability > 0 AND probability <= 1", name="probability"),
)

review_measurements = _entries(
    "review_measurements",
    *(_instant(name) for name in ("as_of", "since", "until")),
    _text("model_version"),
    *(_count(name) for name in ("windows", "left_out", "rows", "questions", "answered", "outcomes")),
    Column("effective_rows", Double, nullable=False),
    *(_json(name) for name in ("metrics", "ordinary", "agreement")),
    UniqueConstraint("use_case", "as_of", "run_id"),
)

redactions = _windowed(
    "redactions",
    ("subject", "run_id"),
    _text("subject"),
    *(_count(name) for name in ("validations", "questions", "answers")),
)

# Not an entry: the state of a lock. One row per window of a subject, changed by whoever takes and gives back the lease.
leases = Table(
    "leases",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("window_start", DateTime(timezone=True), primary_key=True),
    Column("window_end", DateTime(timezone=True), primary_key=True),
    _count("fencing_token"),
    Column("settled", Boolean, nullable=False),
    _text("run_id"),
    _instant("taken_at"),
)

TABLES: dict[type[LedgerEntry], Table] = {
    Snapshot: snapshots,
    ValidationResult: validations,
    Batch: batches,
    DriftReport: drift_reports,
    LateRows: late_rows,
    Performance: performance,
    RecordedDecision: decisions,
    Deployment: deployments,
    Intervention: interventions,
    Backtest: backtests,
    AlertNotice: alert_notices,
    AlertDelivery: alert_deliveries,
    ApprovalRequest: approval_requests,
    Approval: approvals,
    ShadowBatch: shadow_batches,
    PairedGain: paired_gains,
    ReviewSelection: review_selections,
    HumanLabel: human_labels,
    ReviewMeasurement: review_measurements,
    Redaction: redactions,
}
