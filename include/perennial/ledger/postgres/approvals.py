"""Approvals in the ledger in PostgreSQL."""

from collections.abc import Sequence

from sqlalchemy import select

from perennial.ledger.entries import Approval, ApprovalRequest
from perennial.ledger.postgres.appending import first_entry
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.schema.tables import approval_requests, approvals


class PostgresApprovals(EntriesInPostgres):
    """The part of `PostgresLedger` that keeps what people were asked and answered."""

    def record_approval_request(self, request: ApprovalRequest) -> ApprovalRequest:
        """Append the request, or return the one that is there."""
        return self._record(request)

    def approval_request(self, use_case: str, run_id: str) -> ApprovalRequest | None:
        """What the run asked last."""
        own = (approval_requests.c.use_case == use_case, approval_requests.c.run_id == run_id)
        query = select(approval_requests).where(*own).order_by(approval_requests.c.id.desc()).limit(1)
        with self._database.transaction() as connection:
            return first_entry(connection, ApprovalRequest, query)

    def last_approval_request(self, use_case: str) -> ApprovalRequest | None:
        """What was asked last of the use case."""
        own = approval_requests.c.use_case == use_case
        query = select(approval_requests).where(own).order_by(approval_requests.c.id.desc()).limit(1)
        with self._database.transaction() as connection:
            return first_entry(connection, ApprovalRequest, query)

    def record_approval(self, approval: Approval) -> Approval:
        """Append the answer, or return the one that is there."""
        return self._record(approval)

    def approvals(self, use_case: str, subject: str | None = None) -> Sequence[Approval]:
        """The answers about one subject or all, in the order they were recorded."""
        query = select(approvals).where(approvals.c.use_case == use_case).order_by(approvals.c.id)
        if subject is not None:
            query = query.where(approvals.c.subject == subject)
        return self._entries(Approval, query)
