"""Interventions say that versions were archived and restored, that a use case ended, and what data was erased."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0013"
branch_labels = None
depends_on = None

_LET_IN = sa.text(
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE conrelid = 'ledger.interventions'::regclass AND conname = 'ck_interventions_kind'"
)
_KINDS = ("version_archived", "version_restored", "use_case_ended", "data_erased")


def upgrade() -> None:
    """Let the kinds in, beside those that are."""
    before = re.findall(r"'([a-z_]+)'", op.get_bind().execute(_LET_IN).scalar_one())
    kinds = ", ".join(f"'{kind}'" for kind in (*before, *_KINDS))
    op.execute(
        "ALTER TABLE ledger.interventions DROP CONSTRAINT ck_interventions_kind, "
        f"ADD CONSTRAINT ck_interventions_kind CHECK (kind IN ({kinds}))"
    )
