"""How many rows of a window there are of which it is known that no outcome will come."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Until now such rows were not told from rows whose label had not come yet.
_WITHOUT_OUTCOME = """
ALTER TABLE ledger.performance ADD COLUMN without_outcome bigint NOT NULL DEFAULT 0;
ALTER TABLE ledger.performance
    ALTER COLUMN without_outcome DROP DEFAULT,
    ADD CONSTRAINT ck_performance_without_outcome CHECK (without_outcome BETWEEN 0 AND rows - labelled);
"""


def upgrade() -> None:
    """Add the column; entries of before have 0."""
    op.execute(_WITHOUT_OUTCOME)
