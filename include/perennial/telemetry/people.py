"""The gauges about what people have to do: approvals, questions, alerts, and what Airflow says of the DAGs."""

from collections.abc import Iterator

from perennial.alerting.alert import SEVERITIES
from perennial.review.matters import Concern
from perennial.telemetry.facts import Facts
from perennial.telemetry.samples import Sample, at


def samples(facts: Facts) -> Iterator[Sample]:
    """All of them, of a use case."""
    name, request = facts.spec.name, facts.request
    yield Sample("approvals_open", (name,), float(request is not None))
    if request is not None and request.recorded_at is not None:
        yield at("approval_asked_timestamp_seconds", request.recorded_at, name)
    if facts.questions is not None:
        yield Sample("review_questions_open", (name,), facts.questions)
    standing = {matter.concern for matter in facts.matters}
    for concern in Concern:
        yield Sample("alerts_open", (name, concern, SEVERITIES[concern]), float(concern in standing))
    if facts.messages is not None:
        yield Sample("alert_messages_waiting", (name,), facts.messages)
    for dag_id, state in sorted(facts.dags.items()):
        dag = dag_id.rpartition(".")[2]
        yield Sample("airflow_questions_open", (name, dag), state.waiting)
        yield Sample("airflow_runs_failed", (name, dag), state.failures)
        yield Sample("airflow_dag_paused", (name, dag), float(state.paused))
