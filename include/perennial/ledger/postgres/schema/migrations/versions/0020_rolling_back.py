"""A champion that was put back may be in force for windows of before; whether one is ready for that is decided."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ROLLING_BACK = """
ALTER TABLE ledger.deployments
    ADD COLUMN rescores_from timestamptz,
    ADD CONSTRAINT ck_deployments_rescores_from CHECK (
        rescores_from IS NULL OR (rescores_from < effective_from AND role = 'champion'));

ALTER TABLE ledger.decisions
    DROP CONSTRAINT ck_decisions_kind,
    ADD CONSTRAINT ck_decisions_kind CHECK (kind IN (
        'retrain_on_drift', 'retrain_on_performance', 'promote', 'export', 'rollout', 'standby'));
"""


def upgrade() -> None:
    """Make the column, and let the kind in. Entries of before begin where they say."""
    op.execute(_ROLLING_BACK)
