"""Roll-outs: stages of a challenger, batches by two models, and how both did on the same rows."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ROLLOUTS = """
ALTER TABLE ledger.deployments
    ADD COLUMN share smallint,
    ADD COLUMN salt text NOT NULL DEFAULT '',
    ADD COLUMN ends boolean NOT NULL DEFAULT false,
    ADD COLUMN withdraws bigint;
ALTER TABLE ledger.deployments
    ALTER COLUMN salt DROP DEFAULT,
    ALTER COLUMN ends DROP DEFAULT,
    ADD CONSTRAINT ck_deployments_share CHECK (share BETWEEN 0 AND 99),
    ADD CONSTRAINT ck_deployments_stage CHECK (role = 'challenger' OR (share IS NULL AND NOT ends));

ALTER TABLE ledger.batches ADD COLUMN parts jsonb NOT NULL DEFAULT '[]';
ALTER TABLE ledger.batches ALTER COLUMN parts DROP DEFAULT;

CREATE TABLE ledger.shadow_batches (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    revision bigint NOT NULL,
    champion_digest text NOT NULL,
    challenger_version text NOT NULL,
    challenger_digest text NOT NULL,
    snapshot_digest text NOT NULL,
    suite_digest text NOT NULL,
    scoring_digest text NOT NULL,
    "table" text NOT NULL,
    version bigint NOT NULL,
    digest text NOT NULL,
    rows bigint NOT NULL,
    fencing_token bigint NOT NULL,
    code_version text NOT NULL,
    lock_digest text NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_shadow_batches PRIMARY KEY (id),
    CONSTRAINT uq_shadow_batches UNIQUE (use_case, window_start, window_end, revision, challenger_digest),
    CONSTRAINT ck_shadow_batches_window CHECK (window_start < window_end),
    CONSTRAINT ck_shadow_batches_rows CHECK (rows >= 0)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.shadow_batches
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TABLE ledger.paired_gains (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    revision bigint NOT NULL,
    champion_digest text NOT NULL,
    challenger_digest text NOT NULL,
    metric text NOT NULL,
    as_of timestamptz NOT NULL,
    gain double precision,
    champion double precision,
    challenger double precision,
    rows bigint NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_paired_gains PRIMARY KEY (id),
    CONSTRAINT uq_paired_gains
        UNIQUE (use_case, window_start, window_end, champion_digest, challenger_digest, as_of),
    CONSTRAINT ck_paired_gains_window CHECK (window_start < window_end),
    CONSTRAINT ck_paired_gains_rows CHECK (rows >= 0)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.paired_gains
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ledger.decisions
    DROP CONSTRAINT ck_decisions_kind,
    ADD CONSTRAINT ck_decisions_kind CHECK (kind IN (
        'retrain_on_drift', 'retrain_on_performance', 'promote', 'export', 'rollout'));
ALTER TABLE ledger.interventions
    DROP CONSTRAINT ck_interventions_kind,
    ADD CONSTRAINT ck_interventions_kind CHECK (kind IN (
        'alias_restored', 'lake_restored', 'published_restored', 'rows_accepted', 'files_removed', 'window_empty',
        'replay_asked', 'rolled_back', 'alert_acknowledged', 'alert_silenced'));
"""


def upgrade() -> None:
    """Add the columns, make the tables, and let the kind in. Entries of before are of one model, and no stage."""
    op.execute(_ROLLOUTS)
