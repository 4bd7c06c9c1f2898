"""The ledger's tables, in a PostgreSQL schema of their own: one per kind of entry.

Columns are named like the fields of `perennial.ledger.entries`; a `window` is the two columns `window_start` and
`window_end`. The migrations make these tables; they also make the database refuse UPDATE, DELETE and TRUNCATE.
"""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

from perennial.ledger.entries import (
    AlertDelivery,
    AlertNotice,
    Backtest,
    Batch,
    DecisionKind,
    Delivery,
    DeployedRole,
    Deployment,
    DriftReport,
    Intervention,
    InterventionKind,
    LateRows,
    LedgerEntry,
    Performance,
    RecordedDecision,
    Snapshot,
    ValidationResult,
)
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict

SCHEMA = "ledger"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    },
)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _instant(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False)


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False)


def _one_of(column: str, choices: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{choice}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _at_least(column: str, least: int) -> CheckConstraint:
    return CheckConstraint(f"{column} >= {least}", name=column)


def _entries(name: str, *own: SchemaItem) -> Table:
    """A table with `own` columns and constraints, between the columns that every entry has."""
    return Table(
        name,
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        _text("use_case"),
        *(item for item in own if isinstance(item, Column)),
        _text("run_id"),
        _instant("recorded_at"),
        *(item for item in own if not isinstance(item, Column)),
    )


def _windowed(name: str, key: tuple[str, ...], *own: SchemaItem) -> Table:
    """A table of entries about windows, unique by use case, window and `key`."""
    return _entries(
        name,
        _instant("window_start"),
        _instant("window_end"),
        *own,
        UniqueConstraint("use_case", "window_start", "window_end", *key),
        CheckConstraint("window_start < window_end", name="window"),
    )


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
    ("snapshot_digest", "suite_digest"),
    _text("snapshot_digest"),
    _text("suite_digest"),
    _text("verdict"),
    _json("reasons"),
    _count("rows"),
    _count("rows_quarantined"),
    _json("result"),
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
    _json("report"),
    _json("profile"),
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

performance = _windowed(
    "performance",
    ("revision", "as_of", "labels_version"),
    _count("revision"),
    _text("model_version"),
    _text("model_digest"),
    _instant("as_of"),
    _text("maturity"),
    _count("rows"),
    _count("labelled"),
    _count("without_outcome"),
    Column("completeness", Double, nullable=False),
    _text("verdict"),
    _json("metrics"),
    _json("intervals"),
    _json("estimates"),
    _json("arrivals"),
    _json("label_drift"),
    Column("labels_version", BigInteger),
    _at_least("revision", 0),
    _one_of("maturity", Maturity),
    _at_least("rows", 0),
    CheckConstraint("labelled BETWEEN 0 AND rows", name="labelled"),
    CheckConstraint("without_outcome BETWEEN 0 AND rows - labelled", name="without_outcome"),
    CheckConstraint("completeness BETWEEN 0 AND 1", name="completeness"),
    _one_of("verdict", Verdict),
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
}
