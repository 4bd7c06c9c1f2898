"""What the ledger keeps of people's approvals: what was asked, and each answer to it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perennial.verdict import ApprovalAnswer


@dataclass(frozen=True)
class ApprovalRequest:
    """That a run asks people whether what it judged may be deployed; at most one per (use case, subject).

    `subject` is a digest of all that the answers bind to, the run included, so that a run which comes to another result
    asks anew. `model_digest` is the model that would be deployed, `evidence_digest` stands for what was judged, and
    `champion_id` is the deployment that would be superseded, None for the first. `approvers` is how many people must
    agree. `requester` is who started the run, "" when the policy did. `shown` is what people are shown.
    """

    use_case: str
    subject: str
    training_id: str
    model_digest: str
    evidence_digest: str
    champion_id: int | None
    tier: str
    approvers: int
    requester: str
    shown: dict[str, Any]
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None


@dataclass(frozen=True)
class Approval:
    """An answer to a request; of each person at most one of each kind.

    The digests, the champion and the requester are those of the request. `approver_id` and `approver` are the id and
    the name that Airflow's auth manager has for the person, and `role` is the role by which the answer was allowed,
    as it was then. All three are "" where nobody answered: the request expired, or lapsed. `answered_in` says where.
    """

    use_case: str
    subject: str
    training_id: str
    model_digest: str
    evidence_digest: str
    champion_id: int | None
    answer: ApprovalAnswer
    approver_id: str
    approver: str
    role: str
    reason: str
    requester: str
    answered_at: datetime
    answered_in: str
    run_id: str
    recorded_at: datetime | None = None
    id: int | None = None
