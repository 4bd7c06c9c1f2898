"""What performance is measured with (intervals, estimates, arrivals, label drift), and what decisions need of drift."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Entries of before have none of them.
_COLUMNS = """
ALTER TABLE ledger.performance
    ADD COLUMN intervals jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN estimates jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN arrivals jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN label_drift jsonb NOT NULL DEFAULT '{}';
ALTER TABLE ledger.performance
    ALTER COLUMN intervals DROP DEFAULT,
    ALTER COLUMN estimates DROP DEFAULT,
    ALTER COLUMN arrivals DROP DEFAULT,
    ALTER COLUMN label_drift DROP DEFAULT;
ALTER TABLE ledger.drift_reports
    ADD COLUMN reference_windows bigint NOT NULL DEFAULT 0,
    ADD COLUMN missing jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN columns jsonb NOT NULL DEFAULT '{}';
ALTER TABLE ledger.drift_reports
    ALTER COLUMN reference_windows DROP DEFAULT,
    ALTER COLUMN missing DROP DEFAULT,
    ALTER COLUMN columns DROP DEFAULT;
"""


def upgrade() -> None:
    """Make the columns."""
    op.execute(_COLUMNS)
