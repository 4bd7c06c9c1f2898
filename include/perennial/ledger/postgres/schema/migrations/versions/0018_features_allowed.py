"""Interventions say that a person allowed a feature that predicts nearly perfectly by itself."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ALLOWED = """
ALTER TABLE ledger.interventions
    DROP CONSTRAINT ck_interventions_kind,
    ADD CONSTRAINT ck_interventions_kind CHECK (kind IN (
        'alias_restored', 'lake_restored', 'published_restored', 'rows_accepted', 'files_removed', 'window_empty',
        'replay_asked', 'rolled_back', 'alert_acknowledged', 'alert_silenced', 'version_archived', 'version_restored',
        'use_case_ended', 'data_erased', 'feature_allowed'));
"""


def upgrade() -> None:
    """Let the kind in."""
    op.execute(_ALLOWED)
