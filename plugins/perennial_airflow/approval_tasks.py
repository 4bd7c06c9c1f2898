"""The tasks in which people are asked: their names, and how long they wait. Light, for whatever loads DAGs."""

from datetime import timedelta

from perennial.spec.models import UseCase

TASKS = ("approve", "approve_second")
# The field of the form. The DAG has a param `reason`, whose value Airflow would fill into a field of that name.
REASON = "why"


def time_to_answer(spec: UseCase) -> timedelta:
    """How long a run may wait for all of its approvers."""
    return spec.risk_tier.approvers * spec.risk.answer_within if spec.risk else timedelta(0)
