"""Which rows people are asked about, what they answered, and what that tells."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_REVIEW_QUEUE = """
CREATE TABLE ledger.review_selections (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    revision bigint NOT NULL,
    rows bigint NOT NULL,
    doubtful bigint NOT NULL,
    questions jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_review_selections PRIMARY KEY (id),
    CONSTRAINT uq_review_selections UNIQUE (use_case, window_start, window_end, revision),
    CONSTRAINT ck_review_selections_window CHECK (window_start < window_end),
    CONSTRAINT ck_review_selections_rows CHECK (rows >= 0),
    CONSTRAINT ck_review_selections_doubtful CHECK (doubtful BETWEEN 0 AND rows)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.review_selections
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TABLE ledger.human_labels (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    entity text NOT NULL,
    author text NOT NULL,
    answered_at timestamptz NOT NULL,
    value double precision,
    revision bigint NOT NULL,
    model_digest text NOT NULL,
    probability double precision NOT NULL,
    origin text NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_human_labels PRIMARY KEY (id),
    CONSTRAINT uq_human_labels UNIQUE (use_case, window_start, window_end, entity, author, answered_at),
    CONSTRAINT ck_human_labels_window CHECK (window_start < window_end),
    CONSTRAINT ck_human_labels_probability CHECK (probability > 0 AND probability <= 1)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.human_labels
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TABLE ledger.review_measurements (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    as_of timestamptz NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    model_version text NOT NULL,
    windows bigint NOT NULL,
    left_out bigint NOT NULL,
    rows bigint NOT NULL,
    questions bigint NOT NULL,
    answered bigint NOT NULL,
    outcomes bigint NOT NULL,
    effective_rows double precision NOT NULL,
    metrics jsonb NOT NULL,
    ordinary jsonb NOT NULL,
    agreement jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_review_measurements PRIMARY KEY (id),
    CONSTRAINT uq_review_measurements UNIQUE (use_case, as_of, run_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.review_measurements
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
"""


def upgrade() -> None:
    """Make the tables."""
    op.execute(_REVIEW_QUEUE)
