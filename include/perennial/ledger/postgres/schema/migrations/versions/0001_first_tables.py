"""The first tables, and the trigger that makes them append-only.

The ledger only goes forward: there is no downgrade, which would have to delete facts.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE ledger.snapshots (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    "table" text NOT NULL,
    version bigint NOT NULL,
    digest text NOT NULL,
    rows bigint NOT NULL,
    columns jsonb NOT NULL,
    query text NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_snapshots PRIMARY KEY (id),
    CONSTRAINT uq_snapshots UNIQUE (use_case, window_start, window_end, "table", version),
    CONSTRAINT ck_snapshots_window CHECK (window_start < window_end),
    CONSTRAINT ck_snapshots_version CHECK (version >= 0),
    CONSTRAINT ck_snapshots_rows CHECK (rows >= 0)
);
CREATE INDEX ix_snapshots_digest ON ledger.snapshots (digest);

CREATE TABLE ledger.validations (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    snapshot_digest text NOT NULL,
    suite_digest text NOT NULL,
    verdict text NOT NULL,
    reasons jsonb NOT NULL,
    rows bigint NOT NULL,
    rows_quarantined bigint NOT NULL,
    result jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_validations PRIMARY KEY (id),
    CONSTRAINT uq_validations UNIQUE (use_case, window_start, window_end, snapshot_digest, suite_digest),
    CONSTRAINT ck_validations_window CHECK (window_start < window_end),
    CONSTRAINT ck_validations_verdict CHECK (verdict IN ('pass', 'warn', 'fail', 'insufficient')),
    CONSTRAINT ck_validations_rows CHECK (rows >= 0),
    CONSTRAINT ck_validations_rows_quarantined CHECK (rows_quarantined BETWEEN 0 AND rows)
);

CREATE TABLE ledger.batches (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    revision bigint NOT NULL,
    snapshot_digest text NOT NULL,
    suite_digest text NOT NULL,
    scoring_digest text NOT NULL,
    model_version text NOT NULL,
    model_digest text NOT NULL,
    "table" text NOT NULL,
    version bigint NOT NULL,
    digest text NOT NULL,
    rows bigint NOT NULL,
    resolution text NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_batches PRIMARY KEY (id),
    CONSTRAINT uq_batches UNIQUE (use_case, window_start, window_end, revision),
    CONSTRAINT ck_batches_window CHECK (window_start < window_end),
    CONSTRAINT ck_batches_revision CHECK (revision >= 0),
    CONSTRAINT ck_batches_version CHECK (version >= 0),
    CONSTRAINT ck_batches_rows CHECK (rows >= 0)
);
CREATE INDEX ix_batches_window_end ON ledger.batches (use_case, window_end);
CREATE INDEX ix_batches_model_digest ON ledger.batches (model_digest);

CREATE TABLE ledger.drift_reports (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    snapshot_digest text NOT NULL,
    model_digest text NOT NULL,
    verdict text NOT NULL,
    p_value double precision,
    reasons jsonb NOT NULL,
    report jsonb NOT NULL,
    profile jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_drift_reports PRIMARY KEY (id),
    CONSTRAINT uq_drift_reports UNIQUE (use_case, window_start, window_end, snapshot_digest, model_digest),
    CONSTRAINT ck_drift_reports_window CHECK (window_start < window_end),
    CONSTRAINT ck_drift_reports_verdict CHECK (verdict IN ('pass', 'warn', 'fail', 'insufficient')),
    CONSTRAINT ck_drift_reports_p_value CHECK (p_value BETWEEN 0 AND 1)
);

CREATE TABLE ledger.performance (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    revision bigint NOT NULL,
    model_version text NOT NULL,
    model_digest text NOT NULL,
    as_of timestamptz NOT NULL,
    maturity text NOT NULL,
    rows bigint NOT NULL,
    labelled bigint NOT NULL,
    completeness double precision NOT NULL,
    verdict text NOT NULL,
    metrics jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_performance PRIMARY KEY (id),
    CONSTRAINT uq_performance UNIQUE (use_case, window_start, window_end, revision, as_of),
    CONSTRAINT ck_performance_window CHECK (window_start < window_end),
    CONSTRAINT ck_performance_revision CHECK (revision >= 0),
    CONSTRAINT ck_performance_maturity CHECK (maturity IN ('estimated', 'partial', 'final')),
    CONSTRAINT ck_performance_rows CHECK (rows >= 0),
    CONSTRAINT ck_performance_labelled CHECK (labelled BETWEEN 0 AND rows),
    CONSTRAINT ck_performance_completeness CHECK (completeness BETWEEN 0 AND 1),
    CONSTRAINT ck_performance_verdict CHECK (verdict IN ('pass', 'warn', 'fail', 'insufficient'))
);

CREATE TABLE ledger.decisions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    as_of timestamptz NOT NULL,
    action text NOT NULL,
    reasons jsonb NOT NULL,
    numbers jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (id),
    CONSTRAINT uq_decisions UNIQUE (use_case, kind, subject),
    CONSTRAINT ck_decisions_kind CHECK (kind IN ('retrain_on_drift', 'retrain_on_performance', 'promote'))
);
CREATE INDEX ix_decisions_as_of ON ledger.decisions (use_case, kind, as_of);

CREATE TABLE ledger.deployments (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    role text NOT NULL,
    model_version text NOT NULL,
    model_digest text NOT NULL,
    effective_from timestamptz NOT NULL,
    supersedes bigint,
    actor text NOT NULL,
    reason text NOT NULL,
    training jsonb NOT NULL,
    metrics jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_deployments PRIMARY KEY (id),
    CONSTRAINT uq_deployments UNIQUE (use_case, role, supersedes),
    CONSTRAINT fk_deployments_supersedes FOREIGN KEY (supersedes) REFERENCES ledger.deployments (id),
    CONSTRAINT ck_deployments_role CHECK (role IN ('champion', 'challenger'))
);
CREATE UNIQUE INDEX uq_deployments_first ON ledger.deployments (use_case, role) WHERE supersedes IS NULL;
CREATE INDEX ix_deployments_effective_from ON ledger.deployments (use_case, role, effective_from);
"""

_REFUSAL = """
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on ledger.% is refused: the ledger is append-only. Record a new entry instead.',
        TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$
"""


def upgrade() -> None:
    """Make the tables, then forbid to change what is in them."""
    op.execute(_TABLES)
    op.execute(_REFUSAL)
    for table in ("snapshots", "validations", "batches", "drift_reports", "performance", "decisions", "deployments"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()"
        )
