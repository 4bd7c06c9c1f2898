"""The last request for approval of a use case is found without reading the others."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.execute("CREATE INDEX ix_approval_requests_id ON ledger.approval_requests (use_case, id)")
