"""Interventions say that versions were archived and restored, that a use case ended, and what data was erased."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_KINDS = """
ALTER TABLE ledger.interventions
    DROP CONSTRAINT ck_interventions_kind,
    ADD CONSTRAINT ck_interventions_kind CHECK (kind IN (
        'alias_restored', 'lake_restored', 'published_restored', 'rows_accepted', 'files_removed', 'window_empty',
        'replay_asked', 'rolled_back', 'alert_acknowledged', 'alert_silenced', 'version_archived', 'version_restored',
        'use_case_ended', 'data_erased'));
"""


def upgrade() -> None:
    """Let the kinds in, beside those that are."""
    op.execute(_KINDS)
