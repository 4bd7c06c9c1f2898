"""What people were asked before a model is deployed, and what they answered; both are links of the chain."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_APPROVALS = """
CREATE TABLE ledger.approval_requests (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    subject text NOT NULL,
    training_id text NOT NULL,
    model_digest text NOT NULL,
    evidence_digest text NOT NULL,
    champion_id bigint,
    tier text NOT NULL,
    approvers bigint NOT NULL,
    requester text NOT NULL,
    shown jsonb NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_approval_requests PRIMARY KEY (id),
    CONSTRAINT uq_approval_requests UNIQUE (use_case, subject),
    CONSTRAINT ck_approval_requests_approvers CHECK (approvers >= 1)
);
CREATE INDEX ix_approval_requests_run_id ON ledger.approval_requests (use_case, run_id);

CREATE TABLE ledger.approvals (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    subject text NOT NULL,
    training_id text NOT NULL,
    model_digest text NOT NULL,
    evidence_digest text NOT NULL,
    champion_id bigint,
    answer text NOT NULL,
    approver_id text NOT NULL,
    approver text NOT NULL,
    role text NOT NULL,
    reason text NOT NULL,
    requester text NOT NULL,
    answered_at timestamptz NOT NULL,
    answered_in text NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_approvals PRIMARY KEY (id),
    CONSTRAINT uq_approvals UNIQUE (use_case, subject, approver_id, answer),
    CONSTRAINT ck_approvals_answer CHECK (answer IN ('approved', 'rejected', 'expired', 'lapsed'))
);
"""

_KINDS = {"approval_requests": "approval_request", "approvals": "approval"}


def upgrade() -> None:
    """Make the tables; nothing in them changes, and each entry has its link."""
    op.execute(_APPROVALS)
    for table, kind in _KINDS.items():
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()"
        )
        op.execute(
            f"CREATE CONSTRAINT TRIGGER linked AFTER INSERT ON ledger.{table} DEFERRABLE INITIALLY DEFERRED "
            f"FOR EACH ROW EXECUTE FUNCTION ledger.require_link('{kind}')"
        )
