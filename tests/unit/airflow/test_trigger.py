"""When a retraining is triggered, under which name, and who waits for it."""

import inspect
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunLink
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DagRunTriggerException, TaskDeferred
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.types import TaskInstanceKey

from perennial.encoding import as_json
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial.spec.load import LoadedUseCase
from perennial_airflow.dag_kind import RETRIES
from perennial_airflow.trigger import (
    RetrainLink,
    StartPendingRetraining,
    TriggerRetrain,
    decision_in,
    run_id_of,
    start_pending_retraining,
    trigger_retrain,
)

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")


def decision(action: str = "retrain", *, day: int = 10, kind: DecisionKind = DecisionKind.RETRAIN_ON_DRIFT) -> Any:
    """A decision as a task before hands it over."""
    entry = RecordedDecision(
        use_case="flight_delays",
        kind=kind,
        subject="the window",
        as_of=datetime(2013, 4, day, tzinfo=UTC),
        action=action,
        reasons=("4 alarms in 7 windows.", "It began on 3 April."),
        numbers={"alarms": 4},
        run_id="the run",
    )
    return {"rows": 1, "decision": as_json(entry)}


RUN = "drift__2013-04-10T00:00Z"
KEY = TaskInstanceKey("flight_delays.predict", "trigger_retrain", "the-run", 1, -1)


def lines_of(operator: TriggerRetrain, monkeypatch: pytest.MonkeyPatch, level: str = "info") -> list[str]:
    """What the operator logs at that level from now on."""
    said: list[str] = []
    monkeypatch.setattr(operator.log, level, lambda text, *values: said.append(text % values))
    return said


class Instance:
    """What the operator asks of its task instance."""

    def __init__(self, result: Any, *, paused: bool = False, runs: tuple[str, ...] = ()) -> None:
        self.result, self.paused, self.runs = result, paused, runs
        self.pushed: dict[str, Any] = {}

    def xcom_pull(self, *, task_ids: str) -> Any:
        assert task_ids == "monitor"
        return self.result

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value

    def get_dr_count(self, *, dag_id: str, run_ids: list[str]) -> int:
        assert dag_id == "flight_delays.retrain"
        return len(set(run_ids) & set(self.runs))

    def get_dag(self, dag_id: str) -> Any:
        assert dag_id == "flight_delays.retrain"
        return SimpleNamespace(is_paused=self.paused)


@pytest.fixture(autouse=True)
def unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other retraining has come to a judgement."""
    monkeypatch.setattr("perennial_airflow.tasks.answer_to", lambda use_case, decision: None)


@pytest.fixture
def operator(use_case: LoadedUseCase) -> TriggerRetrain:
    with DAG("flight_delays.predict", schedule=None, default_args={"retries": RETRIES}):
        trigger = trigger_retrain(use_case)
        BaseOperator(task_id="monitor") >> trigger
    return trigger


def context_of(instance: Instance, run_type: str = "scheduled") -> Any:
    dag_run = SimpleNamespace(
        dag_id="flight_delays.predict",
        run_id="the-run",
        run_type=SimpleNamespace(value=run_type),
        data_interval_start=None,
        data_interval_end=None,
        run_after=datetime(2013, 4, 11, tzinfo=UTC),
        triggering_user_name=None,
    )
    return {"ti": instance, "dag_run": dag_run, "params": {}}


def execute(operator: TriggerRetrain, instance: Instance, run_type: str = "scheduled") -> DagRunTriggerException:
    with pytest.raises(DagRunTriggerException) as caught:
        operator.execute(context_of(instance, run_type))
    return caught.value


def test_the_decision_becomes_the_runs_name_and_conf(operator: TriggerRetrain) -> None:
    request = execute(operator, Instance([decision()]))
    assert request.trigger_dag_id == "flight_delays.retrain"
    assert request.dag_run_id == "drift__2013-04-10T00:00Z"
    assert request.logical_date is None
    assert request.skip_when_already_exists
    assert request.conf == {
        "as_of": "2013-04-10T00:00:00Z",
        "reason": "drift: 4 alarms in 7 windows. It began on 3 April.",
        "evidence": {"alarms": 4},
    }


def test_only_a_backfill_waits_and_it_accepts_any_end(operator: TriggerRetrain) -> None:
    assert not execute(operator, Instance([decision()]), "scheduled").wait_for_completion
    assert not execute(operator, Instance([decision()]), "manual").wait_for_completion
    request = execute(operator, Instance([decision()]), "backfill")
    assert request.wait_for_completion
    assert request.deferrable
    assert set(request.allowed_states) == {"success", "failed"}
    assert request.failed_states == []


@pytest.mark.parametrize("state", ["success", "failed"])
def test_after_waiting_the_window_goes_on_whatever_came_of_it(operator: TriggerRetrain, state: str) -> None:
    event = {"run_ids": ["drift__2013-04-10T00:00Z"], "drift__2013-04-10T00:00Z": state}
    operator.execute_complete({}, ("DagStateTrigger", event))
    assert operator.trigger_run_id == "drift__2013-04-10T00:00Z"


@pytest.mark.parametrize("action", ["hold", "wait"])
def test_any_other_decision_skips_with_its_reasons_and_logs_them(
    operator: TriggerRetrain, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = lines_of(operator, monkeypatch)
    with pytest.raises(AirflowSkipException, match=f"^{action}: 4 alarms in 7 windows. It began on 3 April.$"):
        operator.execute(context_of(Instance([decision(action)])))
    assert said == [f"No retraining is started. {action}: 4 alarms in 7 windows. It began on 3 April."]
    assert RetrainLink().get_link(operator, ti_key=KEY) == ""


def test_a_run_that_is_there_is_not_started_twice(operator: TriggerRetrain, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of the API that was lost, or a try that died after it."""
    said = lines_of(operator, monkeypatch)
    operator.execute(context_of(Instance([decision()], runs=(RUN,), paused=True)))
    assert said == [f"{RUN} of flight_delays.retrain was started already."]
    assert operator.trigger_run_id == RUN


def test_what_was_retrained_by_hand_is_not_retrained_again(
    operator: TriggerRetrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"run_id": "cli__now", "as_of": "2013-04-10T00:00:00Z", "action": "promote"}
    asked = []
    monkeypatch.setattr("perennial_airflow.tasks.answer_to", lambda use_case, found: asked.append(found) or answer)
    instance = Instance([decision()])
    with pytest.raises(AirflowSkipException, match=r"carried out: cli__now judged .* 2013-04-10T00:00:00Z \(promote\)"):
        operator.execute(context_of(instance))
    assert asked == [decision()["decision"]]
    assert "carried out: cli__now" in instance.pushed["verdict"]["then"]
    monkeypatch.setattr("perennial_airflow.tasks.answer_to", lambda *_: pytest.fail("its own run has judged"))
    operator.execute(context_of(Instance([decision()], runs=(RUN,))))


def test_the_note_says_what_was_started_or_has_to_wait(operator: TriggerRetrain) -> None:
    started = Instance([decision()])
    execute(operator, started)
    assert started.pushed["verdict"]["first"] == f"retraining started ({RUN}): 4 alarms in 7 windows"
    for numbers, first in (
        ({"trigger": "drift"}, "retraining is called for and has to wait: It began on 3 April"),
        ({}, None),
    ):
        waiting = decision("wait")
        waiting["decision"]["numbers"] = numbers
        instance = Instance([waiting])
        with pytest.raises(AirflowSkipException):
            operator.execute(context_of(instance))
        assert instance.pushed.get("verdict", {}).get("first") == first
    paused = Instance(decision(), paused=True)
    with pytest.raises(AirflowFailException):
        operator.execute(context_of(paused))
    assert paused.pushed["verdict"]["first"] == "FAILED to start a retraining: flight_delays.retrain is paused"


def test_a_backfills_retry_waits_for_the_run_that_is_there(operator: TriggerRetrain) -> None:
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(context_of(Instance([decision()], runs=(RUN,)), "backfill"))
    assert caught.value.method_name == "execute_complete"
    trigger: Any = caught.value.trigger
    assert (trigger.dag_id, trigger.run_ids, set(trigger.states)) == (
        "flight_delays.retrain", [RUN], {"success", "failed"}
    )  # fmt: skip


def test_airflow_can_be_asked_what_the_operator_asks() -> None:
    """The stand-in above has the methods of Airflow's own task instance, with the same arguments."""
    count = inspect.signature(RuntimeTaskInstance.get_dr_count).parameters
    assert {"dag_id", "run_ids"} < set(count)
    assert set(inspect.signature(RuntimeTaskInstance.get_dag).parameters) == {"dag_id"}


def test_where_a_run_was_started_there_is_a_link_to_it(operator: TriggerRetrain) -> None:
    execute(operator, Instance([decision()]))
    with mock.patch.object(TriggerDagRunLink, "get_link", return_value="/dags/there"):
        assert RetrainLink().get_link(operator, ti_key=KEY) == "/dags/there"
    assert RetrainLink().xcom_key == TriggerDagRunLink().xcom_key


@pytest.fixture
def pending(use_case: LoadedUseCase) -> StartPendingRetraining:
    with DAG("platform.maintenance", schedule=None):
        return start_pending_retraining(use_case, "flight_delays.start_pending_retraining")


def decided(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    from perennial_airflow import upkeep_tasks

    monkeypatch.setattr(upkeep_tasks, "unstarted_retraining", lambda use_case: found)


def test_maintenance_starts_what_was_decided_and_never_began_under_the_same_name(
    pending: StartPendingRetraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(monkeypatch, decision()["decision"])
    said = lines_of(pending, monkeypatch, "warning")
    request = execute(pending, Instance(None))
    assert (request.trigger_dag_id, request.dag_run_id) == ("flight_delays.retrain", RUN)
    assert request.conf is not None
    assert request.conf["as_of"] == "2013-04-10T00:00:00Z"
    assert not request.wait_for_completion
    assert "decided and never started" in said[-1]


def test_maintenance_names_a_run_that_judged_nothing(
    pending: StartPendingRetraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(monkeypatch, decision()["decision"])
    said = lines_of(pending, monkeypatch, "warning")
    pending.execute(context_of(Instance(None, runs=(RUN,))))
    assert f"has a run ({RUN}) that has judged no candidate" in said[-1]


def test_maintenance_starts_nothing_where_everything_was_carried_out(
    pending: StartPendingRetraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(monkeypatch, None)
    with pytest.raises(AirflowSkipException, match="has been carried out"):
        pending.execute(context_of(Instance(None)))


def test_a_paused_retrain_dag_is_not_passed_over(operator: TriggerRetrain) -> None:
    with pytest.raises(AirflowFailException, match=r"flight_delays.retrain should run \(4 alarms.*Unpause it"):
        operator.execute(context_of(Instance(decision(), paused=True)))


def test_an_error_of_the_api_does_not_swallow_the_retraining(operator: TriggerRetrain) -> None:
    """`start` looks for the run first, so that a retry can't start a second one."""
    assert operator.retries == RETRIES > 0


def test_of_several_windows_the_last_decision_to_retrain_counts() -> None:
    results = [decision(day=1), decision(day=2), decision("hold", day=3)]
    assert decision_in(results)["as_of"] == "2013-04-02T00:00:00Z"
    assert decision_in([decision("hold", day=1), decision("wait", day=2)])["action"] == "wait"


def test_each_kind_of_evidence_has_run_ids_of_its_own_that_airflow_accepts() -> None:
    from airflow.utils.types import DagRunType

    names = {run_id_of(decision(kind=kind)["decision"]) for kind in list(DecisionKind)[:2]}
    assert names == {"drift__2013-04-10T00:00Z", "performance__2013-04-10T00:00Z"}
    for name in names:
        assert DagRunType.from_run_id(name) is DagRunType.MANUAL


def test_moments_between_minutes_are_told_apart() -> None:
    made = {**decision()["decision"], "as_of": "2013-04-10T00:00:00.25Z"}
    assert run_id_of(made) == "drift__2013-04-10T00:00:00.250000Z"
