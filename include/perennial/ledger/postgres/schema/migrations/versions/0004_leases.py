"""Holds are called leases, and their epochs fencing tokens: the words of the field. No row is rewritten."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES_AND_COLUMNS = """
ALTER TABLE ledger.holds RENAME TO leases;
ALTER TABLE ledger.leases RENAME COLUMN epoch TO fencing_token;
ALTER TABLE ledger.batches RENAME COLUMN epoch TO fencing_token;
"""

# From PostgreSQL 18 on, NOT NULL is a constraint with a name too.
_CONSTRAINTS = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT conrelid::regclass AS relation, conname AS name,
            replace(replace(conname, 'holds', 'leases'), 'epoch', 'fencing_token') AS wanted
        FROM pg_constraint WHERE conrelid IN ('ledger.leases'::regclass, 'ledger.batches'::regclass)
    LOOP
        IF found.name <> found.wanted THEN
            EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', found.relation, found.name, found.wanted);
        END IF;
    END LOOP;
END $$;
"""


def upgrade() -> None:
    """Rename tables, columns and constraints."""
    op.execute(_TABLES_AND_COLUMNS)
    op.execute(_CONSTRAINTS)
