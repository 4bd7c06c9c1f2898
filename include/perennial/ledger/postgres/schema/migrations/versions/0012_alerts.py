"""What is told of alerts, what became of telling it, and that people acknowledge and silence them."""

from alembic import op

from perennial.ledger.postgres.schema.online import make_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ALERTS = """
CREATE TABLE ledger.alert_notices (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    route text NOT NULL,
    number bigint NOT NULL,
    as_of timestamptz NOT NULL,
    news jsonb NOT NULL,
    told jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_alert_notices PRIMARY KEY (id),
    CONSTRAINT uq_alert_notices UNIQUE (use_case, route, number),
    CONSTRAINT ck_alert_notices_number CHECK (number >= 1)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.alert_notices
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TABLE ledger.alert_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    route text NOT NULL,
    number bigint NOT NULL,
    attempt bigint NOT NULL,
    outcome text NOT NULL,
    error text NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_alert_deliveries PRIMARY KEY (id),
    CONSTRAINT uq_alert_deliveries UNIQUE (use_case, route, number, attempt),
    CONSTRAINT ck_alert_deliveries_attempt CHECK (attempt >= 1),
    CONSTRAINT ck_alert_deliveries_outcome CHECK (outcome IN ('delivered', 'refused', 'failed'))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.alert_deliveries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ledger.interventions
    DROP CONSTRAINT ck_interventions_kind,
    ADD CONSTRAINT ck_interventions_kind CHECK (kind IN (
        'alias_restored', 'lake_restored', 'published_restored', 'rows_accepted', 'files_removed', 'window_empty',
        'replay_asked', 'alert_acknowledged', 'alert_silenced'));
"""


def upgrade() -> None:
    """Make the tables, let the kinds in, and make the index."""
    make_index("ix_interventions_recorded_at", "interventions", "use_case, kind, recorded_at")
    op.execute(_ALERTS)
