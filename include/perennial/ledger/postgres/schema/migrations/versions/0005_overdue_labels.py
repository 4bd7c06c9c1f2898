"""Two more states of a window's truth (labels overdue, labels given up); labels collected later measure anew."""

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

_NATURAL_KEY = """
ALTER TABLE ledger.performance DROP CONSTRAINT uq_performance;
ALTER TABLE ledger.performance ADD CONSTRAINT uq_performance
    UNIQUE (use_case, window_start, window_end, revision, as_of, labels_version);
"""


def upgrade() -> None:
    """Allow them. No row changes."""
    op.execute(_MATURITY)
    op.execute(_NATURAL_KEY)
