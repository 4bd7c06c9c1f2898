"""When a retraining is triggered, under which name, and who waits for it."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, DagRunTriggerException

from perennial.encoding import as_json
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial_airflow.trigger import TriggerRetrain, decision_in, run_id_of, trigger_retrain


def decision(action: str = "retrain", *, day: int = 10, kind: DecisionKind = DecisionKind.RETRAIN_ON_DRIFT) -> Any:
    """A decision as a task before hands it over."""
    entry = RecordedDecision(
        use_case="flight_delays",
        kind=kind,
        subject="the window",
        as_of=datetime(2013, 4, day, tzinfo=UTC),
        action=action,
        reasons=("4 alarms in 7 windows", "p = 0.01"),
        numbers={"alarms": 4},
        run_id="the run",
    )
    return {"rows": 1, "decision": as_json(entry)}


class Instance:
    """What the operator asks of its task instance."""

    def __init__(self, result: Any, *, paused: bool = False) -> None:
        self.result, self.paused = result, paused
        self.pushed: dict[str, Any] = {}

    def xcom_pull(self, *, task_ids: str) -> Any:
        assert task_ids == "monitor"
        return self.result

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value

    def get_dag(self, dag_id: str) -> Any:
        assert dag_id == "flight_delays.retrain"
        return SimpleNamespace(is_paused=self.paused)


@pytest.fixture
def operator() -> TriggerRetrain:
    with DAG("flight_delays.predict", schedule=None, default_args={"retries": 4}):
        trigger = trigger_retrain("flight_delays")
        BaseOperator(task_id="monitor") >> trigger
    return trigger


def execute(operator: TriggerRetrain, instance: Instance, run_type: str = "scheduled") -> DagRunTriggerException:
    dag_run = SimpleNamespace(
        dag_id="flight_delays.predict",
        run_id="the-run",
        run_type=SimpleNamespace(value=run_type),
        data_interval_start=None,
        data_interval_end=None,
        run_after=datetime(2013, 4, 11, tzinfo=UTC),
        triggering_user_name=None,
    )
    with pytest.raises(DagRunTriggerException) as caught:
        operator.execute({"ti": instance, "dag_run": dag_run, "params": {}})  # type: ignore[typeddict-item]
    return caught.value


def test_the_decision_becomes_the_runs_name_and_conf(operator: TriggerRetrain) -> None:
    request = execute(operator, Instance([decision()]))
    assert request.trigger_dag_id == "flight_delays.retrain"
    assert request.dag_run_id == "drift__2013-04-10T00:00Z"
    assert request.logical_date is None
    assert request.skip_when_already_exists
    assert request.conf == {
        "as_of": "2013-04-10T00:00:00Z",
        "reason": "drift: 4 alarms in 7 windows; p = 0.01",
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
def test_any_other_decision_skips_with_its_reasons(operator: TriggerRetrain, action: str) -> None:
    with pytest.raises(AirflowSkipException, match=f"^{action}: 4 alarms in 7 windows; p = 0.01$"):
        operator.execute({"ti": Instance([decision(action)])})  # type: ignore[typeddict-item]


def test_a_paused_retrain_dag_is_not_passed_over(operator: TriggerRetrain) -> None:
    with pytest.raises(AirflowFailException, match=r"flight_delays.retrain should run \(4 alarms.*Unpause it"):
        operator.execute({"ti": Instance(decision(), paused=True)})  # type: ignore[typeddict-item]


def test_it_is_not_retried(operator: TriggerRetrain) -> None:
    assert operator.retries == 0


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
