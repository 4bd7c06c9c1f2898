"""Two more states of a window's truth: labels that are overdue, and labels that were given up."""

from alembic import op

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
    """Allow them."""
    op.execute(_MATURITY)
