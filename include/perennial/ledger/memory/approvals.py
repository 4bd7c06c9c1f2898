"""Approvals in the ledger in memory."""

from collections.abc import Sequence

from perennial.ledger.entries import Approval, ApprovalRequest
from perennial.ledger.memory.entries import EntriesInMemory


class InMemoryApprovals(EntriesInMemory):
    """The part of `InMemoryLedger` that keeps what people were asked and answered."""

    def record_approval_request(self, request: ApprovalRequest) -> ApprovalRequest:
        """Append the request, or return the one that is there."""
        return self._record(request)

    def approval_request(self, use_case: str, run_id: str) -> ApprovalRequest | None:
        """What the run asked last."""
        found = self._of(ApprovalRequest, lambda entry: (entry.use_case, entry.run_id) == (use_case, run_id))
        return found[-1] if found else None

    def last_approval_request(self, use_case: str) -> ApprovalRequest | None:
        """What was asked last of the use case."""
        found = self._of(ApprovalRequest, lambda entry: entry.use_case == use_case)
        return found[-1] if found else None

    def record_approval(self, approval: Approval) -> Approval:
        """Append the answer, or return the one that is there."""
        return self._record(approval)

    def approvals(self, use_case: str, subject: str | None = None) -> Sequence[Approval]:
        """The answers about one subject or all, in the order they were recorded."""
        return self._of(Approval, lambda entry: entry.use_case == use_case and subject in (None, entry.subject))
