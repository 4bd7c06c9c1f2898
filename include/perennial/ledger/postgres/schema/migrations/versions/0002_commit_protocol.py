"""What the commit protocol needs: holds with epochs, and what ran; and a table for interventions."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_HOLDS = """
CREATE TABLE ledger.holds (
    subject text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    epoch bigint NOT NULL,
    settled boolean NOT NULL,
    run_id text NOT NULL,
    taken_at timestamptz NOT NULL,
    CONSTRAINT pk_holds PRIMARY KEY (subject, window_start, window_end)
);
"""

_INTERVENTIONS = """
CREATE TABLE ledger.interventions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    details jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_interventions PRIMARY KEY (id),
    CONSTRAINT uq_interventions UNIQUE (use_case, kind, subject, run_id),
    CONSTRAINT ck_interventions_kind CHECK (kind IN (
        'alias_restored', 'lake_restored', 'published_restored', 'rows_accepted', 'files_removed'))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.interventions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
"""

# Entries of before don't know: 0 is older than every epoch, and "unknown" is what can be said of the code.
_COLUMNS = """
ALTER TABLE ledger.batches
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN code_version text NOT NULL DEFAULT 'unknown',
    ADD COLUMN lock_digest text NOT NULL DEFAULT 'unknown';
ALTER TABLE ledger.batches
    ALTER COLUMN epoch DROP DEFAULT, ALTER COLUMN code_version DROP DEFAULT, ALTER COLUMN lock_digest DROP DEFAULT;
ALTER TABLE ledger.deployments
    ADD COLUMN approved_by text,
    ADD COLUMN code_version text NOT NULL DEFAULT 'unknown',
    ADD COLUMN lock_digest text NOT NULL DEFAULT 'unknown';
ALTER TABLE ledger.deployments ALTER COLUMN code_version DROP DEFAULT, ALTER COLUMN lock_digest DROP DEFAULT;
ALTER TABLE ledger.performance ADD COLUMN labels_version bigint;
"""


def upgrade() -> None:
    """Make the tables and columns."""
    op.execute(_HOLDS)
    op.execute(_INTERVENTIONS)
    op.execute(_COLUMNS)
