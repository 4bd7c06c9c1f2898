"""Decisions say what became of exports of models."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_EXPORTS = """
ALTER TABLE ledger.decisions
    DROP CONSTRAINT ck_decisions_kind,
    ADD CONSTRAINT ck_decisions_kind CHECK (kind IN (
        'retrain_on_drift', 'retrain_on_performance', 'promote', 'export'));
"""


def upgrade() -> None:
    """Let the kind in."""
    op.execute(_EXPORTS)
