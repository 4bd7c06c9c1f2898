"""The decisions of a kind that came to an action are found without reading the others."""

from perennial.ledger.postgres.schema.online import make_index

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    make_index("ix_decisions_action", "decisions", "use_case, kind, action, as_of")
