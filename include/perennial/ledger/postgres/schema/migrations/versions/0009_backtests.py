"""The backtests of retraining policies that were run."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BACKTESTS = """
CREATE TABLE ledger.backtests (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    windows bigint NOT NULL,
    metric text NOT NULL,
    policies jsonb NOT NULL,
    results jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_backtests PRIMARY KEY (id),
    CONSTRAINT uq_backtests UNIQUE (use_case, run_id),
    CONSTRAINT ck_backtests_windows CHECK (windows >= 0),
    CONSTRAINT ck_backtests_until CHECK (since < until)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.backtests
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(_BACKTESTS)
