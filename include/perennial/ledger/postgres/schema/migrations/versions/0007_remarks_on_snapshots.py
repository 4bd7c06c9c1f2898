"""Snapshots say what their ingest left out of the window."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column. Entries of before don't say, which is not the same as nothing: they have NULL."""
    op.execute("ALTER TABLE ledger.snapshots ADD COLUMN remarks jsonb")
