"""The task that starts a retraining where the evidence asks for one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Context, DagRunState
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from perennial.verdict import RETRAIN
from perennial.window import parse_instant
from perennial_airflow.dag_kind import DagKind, dag_id
from perennial_airflow.run import Run
from perennial_airflow.xcom import Json

_RUN_ID_PREFIXES = {"retrain_on_drift": "drift", "retrain_on_performance": "performance"}
_LOOK_EVERY_SECONDS = 5
_WAIT_AT_MOST = timedelta(hours=12)


class TriggerRetrain(TriggerDagRunOperator):
    """Start the retrain DAG if the task before decided so; else be skipped, with the decision's reasons.

    A decision starts one run, however often this task runs: the run's id is made from the decision. A backfill
    waits until that run has ended, well or badly, so that the windows that follow are scored by the new model; the
    task is deferred meanwhile and takes no worker's place.
    """

    def execute(self, context: Context) -> None:
        """Read the decision, and trigger or skip."""
        (decided_by,) = self.upstream_task_ids
        decision = decision_in(context["ti"].xcom_pull(task_ids=decided_by))
        if decision["action"] != RETRAIN:
            raise AirflowSkipException(f"{decision['action']}: " + "; ".join(decision["reasons"]))
        if context["ti"].get_dag(self.trigger_dag_id).is_paused:
            raise AirflowFailException(
                f"{self.trigger_dag_id} should run ({'; '.join(decision['reasons'])}), but it is paused. Unpause it "
                "and clear this task. Everything before this task is done."
            )
        self.trigger_run_id = run_id_of(decision)
        self.conf = {"as_of": decision["as_of"], "reason": reason_of(decision), "evidence": decision["numbers"]}
        self.wait_for_completion = Run.of(context).is_backfill
        super().execute(context)


def trigger_retrain(use_case: str) -> TriggerRetrain:
    """The task, for the DAG that is being built."""
    return TriggerRetrain(
        task_id="trigger_retrain",
        trigger_dag_id=dag_id(use_case, DagKind.RETRAIN),
        logical_date=None,
        skip_when_already_exists=True,
        deferrable=True,
        poke_interval=_LOOK_EVERY_SECONDS,
        allowed_states=[DagRunState.SUCCESS, DagRunState.FAILED],
        failed_states=[],
        execution_timeout=_WAIT_AT_MOST,
        retries=0,
        doc_md="Starts the retrain DAG if the task before decided to retrain; ordinarily it is skipped.",
    )


def decision_in(result: Json | Iterable[Json]) -> Json:
    """The decision to act on: of several windows' decisions the last one to retrain, else the last one."""
    results = [result] if isinstance(result, dict) else list(result)
    decisions: list[Json] = [each["decision"] for each in results]
    to_retrain = [decision for decision in decisions if decision["action"] == RETRAIN]
    return (to_retrain or decisions)[-1]


def run_id_of(decision: Json) -> str:
    """The id of the retrain run: one for each kind of decision and moment of the data's time.

    >>> run_id_of({"kind": "retrain_on_drift", "as_of": "2013-04-10T00:00:00Z"})
    'drift__2013-04-10T00:00Z'
    """
    moment = parse_instant(decision["as_of"])
    return f"{_RUN_ID_PREFIXES[decision['kind']]}__{_stamp(moment)}"


def reason_of(decision: Json) -> str:
    """The decision's reasons in one line, headed by what kind of evidence it was."""
    return f"{_RUN_ID_PREFIXES[decision['kind']]}: " + "; ".join(decision["reasons"])


def _stamp(moment: datetime) -> str:
    whole_minute = moment.second == 0 and moment.microsecond == 0
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ" if whole_minute else "%Y-%m-%dT%H:%M:%S.%fZ")
