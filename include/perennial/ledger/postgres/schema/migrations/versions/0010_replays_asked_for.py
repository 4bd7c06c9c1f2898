"""Interventions say that somebody asked for a replay, and those on one window are found without reading the others."""

from alembic import op

from perennial.ledger.postgres.schema.online import make_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_REPLAYS = """
ALTER TABLE ledger.interventions
    DROP CONSTRAINT ck_interventions_kind,
    ADD CONSTRAINT ck_interventions_kind CHECK (kind IN (
        'alias_restored', 'lake_restored', 'published_restored', 'rows_accepted', 'files_removed', 'window_empty',
        'replay_asked'));
"""


def upgrade() -> None:
    """Let the kind in, and make the index."""
    make_index("ix_interventions_window", "interventions", "use_case, kind, (details ->> 'window')")
    op.execute(_REPLAYS)
