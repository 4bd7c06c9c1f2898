"""The tasks that start a retraining: where the evidence asks for one, and where one that was decided never began.

A decision is on record before its run is started. The run's id is made from the decision, and Airflow takes an id once,
so that whoever starts it, however often, starts it once. A try that fails is retried; what no retry starts, because the
task's worker died or somebody marked the task, the nightly maintenance finds by the ledger. What somebody retrained by
hand meanwhile is not done again: the ledger has its judgement.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunLink, TriggerDagRunOperator
from airflow.sdk import BaseOperator, BaseOperatorLink, Context, DagRunState
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.types import TaskInstanceKey

from perennial.spec.load import LoadedUseCase
from perennial.verdict import RETRAIN, WAIT
from perennial.window import parse_instant
from perennial_airflow.approval_tasks import time_to_answer
from perennial_airflow.dag_kind import DagKind, dag_id
from perennial_airflow.note import FAILED, NOTHING, Line, clause
from perennial_airflow.noted import leave
from perennial_airflow.run import Run
from perennial_airflow.xcom import Json

_RUN_ID_PREFIXES = {"retrain_on_drift": "drift", "retrain_on_performance": "performance"}
_LOOK_EVERY_SECONDS = 5
_WAIT_AT_MOST = timedelta(hours=12)


class RetrainLink(TriggerDagRunLink):
    """The way to the run that was started; nothing where none was."""

    @property
    def xcom_key(self) -> str:
        """The key under which the operator itself leaves the address as soon as it knows it."""
        return str(TriggerDagRunLink().xcom_key)

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address of the run, "" without one: Airflow would link to a run called None."""
        started = getattr(operator, "trigger_run_id", None)
        return str(super().get_link(operator, ti_key=ti_key)) if started else ""


class TriggerRetrain(TriggerDagRunOperator):
    """Start the retrain DAG if the task before decided so; else be skipped, with the decision's reasons.

    A backfill waits until that run has ended, well or badly, so that the windows that follow are scored by the new
    model; the task is deferred meanwhile and takes no worker's place.
    """

    operator_extra_links: list[BaseOperatorLink] = [RetrainLink()]  # noqa: RUF012 - Airflow declares it so

    def __init__(self, *, use_case: LoadedUseCase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._use_case = use_case

    def execute(self, context: Context) -> None:
        """Read the decision, and trigger or skip."""
        (decided_by,) = self.upstream_task_ids
        decision = decision_in(context["ti"].xcom_pull(task_ids=decided_by))
        if decision["action"] != RETRAIN:
            leave(Run.of(context), line_of(decision))
            raise self.skipped(f"{decision['action']}: " + " ".join(decision["reasons"]))
        self.start(decision, context, wait=Run.of(context).is_backfill)

    def start(self, decision: Json, context: Context, *, wait: bool) -> None:
        """Start the decision's run, unless an earlier try has, or somebody else; with `wait`, wait for its end.

        Errors: `AirflowSkipException` when another retraining has answered the decision, `AirflowFailException` when
        the retrain DAG is paused.
        """
        from perennial_airflow import tasks

        instance, run_id = context["ti"], run_id_of(decision)
        if instance.get_dr_count(dag_id=self.trigger_dag_id, run_ids=[run_id]):
            self.trigger_run_id = run_id
            self.log.info("%s of %s was started already.", run_id, self.trigger_dag_id)
            leave(Run.of(context), Line(first=f"retraining started before ({run_id})"))
            if wait:
                self._wait_for(run_id)
            return
        answer = tasks.answer_to(self._use_case, decision)
        if answer is not None:
            leave(Run.of(context), Line(then=clause(done_already(answer))))
            raise self.skipped(done_already(answer))
        if instance.get_dag(self.trigger_dag_id).is_paused:
            leave(Run.of(context), Line(first=f"{FAILED} to start a retraining: {self.trigger_dag_id} is paused"))
            reasons = " ".join(decision["reasons"]).rstrip(".")
            raise AirflowFailException(
                f"{self.trigger_dag_id} should run ({reasons}), but it is paused. Unpause it "
                "and clear this task. Everything before this task is done."
            )
        self.trigger_run_id = run_id
        self.conf = {"as_of": decision["as_of"], "reason": reason_of(decision), "evidence": decision["numbers"]}
        self.wait_for_completion = wait
        leave(Run.of(context), Line(first=clause(f"retraining started ({run_id}): {decision['reasons'][0]}")))
        super().execute(context)

    def skipped(self, why: str) -> AirflowSkipException:
        """The outcome of a try that starts nothing, said in the log too."""
        self.log.info("No retraining is started. %s", why)
        return AirflowSkipException(why)

    def _wait_for(self, run_id: str) -> None:
        from airflow.providers.standard.triggers.external_task import DagStateTrigger

        self.defer(
            trigger=DagStateTrigger(
                dag_id=self.trigger_dag_id,
                states=[*self.allowed_states, *self.failed_states],
                run_ids=[run_id],
                poll_interval=self.poke_interval,
            ),
            method_name="execute_complete",
        )


class StartPendingRetraining(TriggerRetrain):
    """Start the retraining that was decided, where the ledger has neither its judgement nor Airflow its run.

    Where its run is there but ended before a candidate was judged, that is told, as a warning: a person must look.
    """

    def execute(self, context: Context) -> None:
        """Ask the ledger, and start, tell or skip."""
        from perennial_airflow import upkeep_tasks

        decision = upkeep_tasks.unstarted_retraining(self._use_case)
        if decision is None:
            raise self.skipped("Every retraining that was decided has been carried out.")
        run_id = run_id_of(decision)
        if context["ti"].get_dr_count(dag_id=self.trigger_dag_id, run_ids=[run_id]):
            self.trigger_run_id = run_id
            self.log.warning(
                "%s: the retraining that was decided as of %s has a run (%s) that has judged no candidate. Look at it; "
                "if it failed, clear it or start a run by hand.",
                self.trigger_dag_id,
                decision["as_of"],
                run_id,
            )
            judged_nothing = f"{self.trigger_dag_id}: {run_id} has judged no candidate"
            leave(Run.of(context), Line(first=judged_nothing))
            return
        self.log.warning("%s: %s was decided and never started; it is now.", self.trigger_dag_id, run_id)
        self.start(decision, context, wait=False)


def trigger_retrain(use_case: LoadedUseCase) -> TriggerRetrain:
    """The task, for the DAG that is being built."""
    return TriggerRetrain(
        use_case=use_case,
        task_id="trigger_retrain",
        trigger_dag_id=dag_id(use_case.name, DagKind.RETRAIN),
        logical_date=None,
        skip_when_already_exists=True,
        deferrable=True,
        poke_interval=_LOOK_EVERY_SECONDS,
        allowed_states=[DagRunState.SUCCESS, DagRunState.FAILED],
        failed_states=[],
        execution_timeout=_WAIT_AT_MOST + time_to_answer(use_case.spec),
        doc_md="Starts the retrain DAG if the task before decided to retrain; ordinarily it is skipped.",
    )


def start_pending_retraining(use_case: LoadedUseCase, task_id: str) -> StartPendingRetraining:
    """The task of the nightly maintenance, for the DAG that is being built."""
    return StartPendingRetraining(
        use_case=use_case,
        task_id=task_id,
        trigger_dag_id=dag_id(use_case.name, DagKind.RETRAIN),
        logical_date=None,
        skip_when_already_exists=True,
        doc_md="Starts a retraining that was decided and never began; ordinarily it is skipped.",
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


def done_already(answer: Json) -> str:
    """Why a retraining that was decided is not started: another one came to a judgement."""
    return (
        f"The retraining that was decided has been carried out: {answer['run_id']} judged its candidates as of "
        f"{answer['as_of']} ({answer['action']})."
    )


def line_of(decision: Json) -> Line:
    """What the note says of a decision that starts nothing: something only where a retraining has to wait."""
    if decision["action"] != WAIT or not decision["numbers"].get("trigger"):
        return NOTHING
    return Line(first=clause(f"retraining is called for and has to wait: {decision['reasons'][-1]}"))


def reason_of(decision: Json) -> str:
    """The decision's reasons in one line, headed by what kind of evidence it was."""
    return f"{_RUN_ID_PREFIXES[decision['kind']]}: " + " ".join(decision["reasons"])


def _stamp(moment: datetime) -> str:
    whole_minute = moment.second == 0 and moment.microsecond == 0
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ" if whole_minute else "%Y-%m-%dT%H:%M:%S.%fZ")
