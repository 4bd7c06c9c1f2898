"""The last request for approval of a use case is found without reading the others."""

from perennial.ledger.postgres.schema.online import make_index

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    make_index("ix_approval_requests_id", "approval_requests", "use_case, id")
