"""Rows that come late, windows that are known to be empty, and drift that is measured again."""

from alembic import op

from perennial.ledger.postgres.schema.online import make_unique

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_LATE_ROWS = """
CREATE TABLE ledger.late_rows (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    version bigint NOT NULL,
    version_before bigint NOT NULL,
    as_of timestamptz NOT NULL,
    rows_before bigint NOT NULL,
    rows bigint NOT NULL,
    new bigint NOT NULL,
    gone bigint NOT NULL,
    changed bigint NOT NULL,
    revision bigint NOT NULL,
    predictions_changed bigint NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_late_rows PRIMARY KEY (id),
    CONSTRAINT uq_late_rows UNIQUE (use_case, window_start, window_end, version),
    CONSTRAINT ck_late_rows_window CHECK (window_start < window_end),
    CONSTRAINT ck_late_rows_rows CHECK (rows >= 0)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.late_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
"""

# Entries of before are each the only measurement of their snapshot by their model, and don't say by what else.
_NUMBERED = """
ALTER TABLE ledger.drift_reports
    ADD COLUMN IF NOT EXISTS basis_digest text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS number bigint NOT NULL DEFAULT 0;
"""

_DRIFT_AGAIN = """
ALTER TABLE ledger.drift_reports
    ALTER COLUMN basis_digest DROP DEFAULT,
    ALTER COLUMN number DROP DEFAULT;
"""

_EMPTY_WINDOWS = """
ALTER TABLE ledger.interventions
    DROP CONSTRAINT ck_interventions_kind,
    ADD CONSTRAINT ck_interventions_kind CHECK (kind IN (
        'alias_restored', 'lake_restored', 'published_restored', 'rows_accepted', 'files_removed', 'window_empty'));
"""


def upgrade() -> None:
    """Make the table and the columns, and let interventions say that a window is empty."""
    op.execute(_NUMBERED)
    natural_key = "use_case, window_start, window_end, snapshot_digest, model_digest, number"
    make_unique("uq_drift_reports", "drift_reports", natural_key)
    op.execute(_LATE_ROWS)
    op.execute(_DRIFT_AGAIN)
    op.execute(_EMPTY_WINDOWS)
