"""Batches say by which rule rows were decided for."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column. Batches of before, and those of use cases without a decision, have NULL."""
    op.execute("ALTER TABLE ledger.batches ADD COLUMN decision jsonb")
