"""Measurements name the labels they were made from, so that the next run knows whether others came."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column. Measurements of before have NULL, and are made once more while their window waits."""
    op.execute("ALTER TABLE ledger.performance ADD COLUMN labels_digest text")
