"""The facts that the ledger keeps. Each is written once and never changed.

Every entry has `recorded_at` (when we learnt it) and `run_id` (the DAG run or command that wrote it); the ledger
fills in `recorded_at` and, where an entry has one, `id`, when it appends. A caller leaves both at their defaults.

Entries come back in the form that JSON and PostgreSQL can hold: NaN and infinities (a metric that could not be
computed) are None, tuples inside JSON are lists, instants are in UTC, and the order of JSON keys is not kept.
"""

from typing import Any

from perennial.ledger.entries.alerts import AlertDelivery, AlertNotice, Delivery
from perennial.ledger.entries.approvals import Approval, ApprovalRequest
from perennial.ledger.entries.interventions import Intervention, InterventionKind
from perennial.ledger.entries.models import (
    IN_SERVICE,
    Backtest,
    DecisionKind,
    DeployedRole,
    Deployment,
    RecordedDecision,
)
from perennial.ledger.entries.redaction import Redaction
from perennial.ledger.entries.review import HumanLabel, ReviewMeasurement, ReviewSelection
from perennial.ledger.entries.rollout import PairedGain, Part, ShadowBatch
from perennial.ledger.entries.windows import Batch, DriftReport, LateRows, Performance, Snapshot, ValidationResult

Json = dict[str, Any]

COMMAND_LINE = "cli__"  # what the run ids of the command line begin with; those of Airflow begin with the DAG's name
REVIEW_PAGE = "page__"  # what the run ids of changes begin with that somebody made on a review page

LedgerEntry = (
    Snapshot
    | ValidationResult
    | Batch
    | DriftReport
    | LateRows
    | Performance
    | RecordedDecision
    | Deployment
    | Intervention
    | Backtest
    | AlertNotice
    | AlertDelivery
    | ApprovalRequest
    | Approval
    | ReviewSelection
    | HumanLabel
    | ReviewMeasurement
    | ShadowBatch
    | PairedGain
    | Redaction
)

__all__ = [
    "COMMAND_LINE",
    "IN_SERVICE",
    "REVIEW_PAGE",
    "AlertDelivery",
    "AlertNotice",
    "Approval",
    "ApprovalRequest",
    "Backtest",
    "Batch",
    "DecisionKind",
    "Delivery",
    "DeployedRole",
    "Deployment",
    "DriftReport",
    "HumanLabel",
    "Intervention",
    "InterventionKind",
    "Json",
    "LateRows",
    "LedgerEntry",
    "PairedGain",
    "Part",
    "Performance",
    "RecordedDecision",
    "Redaction",
    "ReviewMeasurement",
    "ReviewSelection",
    "ShadowBatch",
    "Snapshot",
    "ValidationResult",
]
