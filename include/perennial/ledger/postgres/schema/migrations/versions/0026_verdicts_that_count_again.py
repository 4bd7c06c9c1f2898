"""A verdict can be recorded again when its rules are put back, and names the rows that it set aside."""

from alembic import op

from perennial.ledger.postgres.schema.online import make_unique

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# Verdicts of before are each the only one on their snapshot by their rules, and don't say which rows they set aside.
_COLUMNS = """
ALTER TABLE ledger.validations
    ADD COLUMN IF NOT EXISTS number bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS quarantine_digest text;
"""


def upgrade() -> None:
    """Make the columns, and let verdicts have their number in their natural key."""
    op.execute(_COLUMNS)
    natural_key = "use_case, window_start, window_end, snapshot_digest, suite_digest, number"
    make_unique("uq_validations", "validations", natural_key)
    op.execute("ALTER TABLE ledger.validations ALTER COLUMN number DROP DEFAULT")
