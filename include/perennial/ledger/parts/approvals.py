"""What asking people for their approval asks of the ledger."""

from collections.abc import Sequence
from typing import Protocol

from perennial.ledger.entries import Approval, ApprovalRequest


class Approvals(Protocol):
    """Requests for approval and the answers to them, in the use case's chain. Errors: those of the ledger."""

    def record_approval_request(self, request: ApprovalRequest) -> ApprovalRequest:
        """Natural key: (use case, subject). The first one stands."""

    def approval_request(self, use_case: str, run_id: str) -> ApprovalRequest | None:
        """What the run asked last."""

    def last_approval_request(self, use_case: str) -> ApprovalRequest | None:
        """What was asked last of the use case: one run of a retrain DAG asks at a time."""

    def record_approval(self, approval: Approval) -> Approval:
        """Natural key: (use case, subject, approver's id, answer). The first one stands."""

    def approvals(self, use_case: str, subject: str | None = None) -> Sequence[Approval]:
        """The answers about one subject or all of the use case, in the order they were recorded."""
