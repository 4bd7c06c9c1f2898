"""The newest measurement of each revision, and whether it settles it, is found without reading the measurements."""

from perennial.ledger.postgres.schema.online import make_index

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    make_index(
        "ix_performance_newest",
        "performance",
        "use_case, window_start, window_end, revision, as_of, id",
        include="maturity, rows, labelled, without_outcome",
    )
