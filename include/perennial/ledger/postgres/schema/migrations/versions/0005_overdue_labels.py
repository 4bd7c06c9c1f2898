"""Two more states of a window's truth (labels overdue, labels given up); labels collected later measure anew."""

from alembic import op

from perennial.ledger.postgres.schema.online import make_unique

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MATURITY = """
ALTER TABLE ledger.performance DROP CONSTRAINT ck_performance_maturity;
ALTER TABLE ledger.performance ADD CONSTRAINT ck_performance_maturity
    CHECK (maturity IN ('estimated', 'partial', 'overdue', 'final', 'given_up'));
"""


def upgrade() -> None:
    """Allow them. No row changes."""
    natural_key = "use_case, window_start, window_end, revision, as_of, labels_version"
    make_unique("uq_performance", "performance", natural_key)
    op.execute(_MATURITY)
