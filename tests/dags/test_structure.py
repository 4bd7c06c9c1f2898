"""The DAGs as Airflow sees them: tasks, order, retries, params, documentation, lineage."""

import shutil
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, TriggerRule
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.param import process_params
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from perennial.lake import port as lake
from perennial.spec.ended import write_ended
from perennial_airflow.approval_tasks import REASON
from perennial_airflow.dag_factory import build_dags
from perennial_airflow.timetable import DelayedWindows

USE_CASES = ("air_time", "flight_delays")
KINDS = ("predict", "evaluate", "retrain", "rollback")
IDS = [f"{use_case}.{kind}" for use_case in USE_CASES for kind in KINDS]
EDGES = {
    "predict": ["ingest>validate", "validate>score", "score>monitor", "monitor>trigger_retrain"],
    "evaluate": ["collect_labels>measure", "measure>trigger_retrain"],
    "retrain": [
        "assemble>check",
        "assemble>judge",
        "assemble>train",
        "check>train",
        "judge>deploy",
        "judge>show",
        "train>judge",
        "train>show",
    ],
    "rollback": ["deploy>score_again"],
}
TASKS = {kind: {task for edge in edges for task in edge.split(">")} for kind, edges in EDGES.items()}


def kind_of(dag_id: str) -> str:
    return dag_id.rpartition(".")[2]


def test_every_use_case_has_its_four_dags_and_the_platform_has_one(dags: dict[str, DAG]) -> None:
    assert sorted(dags) == sorted([*IDS, "platform.maintenance"])


@pytest.mark.parametrize("dag_id", IDS)
def test_tasks_and_their_order(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    edges = [f"{task.task_id}>{after}" for task in dag.tasks for after in task.downstream_task_ids]
    assert sorted(edges) == sorted(EDGES[kind_of(dag_id)])
    assert set(dag.task_ids) == TASKS[kind_of(dag_id)]
    assert {task.trigger_rule for task in dag.tasks} == {TriggerRule.ALL_SUCCESS}


@pytest.mark.parametrize("dag_id", IDS)
def test_tasks_are_retried_with_growing_pauses(dags: dict[str, DAG], dag_id: str) -> None:
    for task in dags[dag_id].tasks:
        assert task.execution_timeout is not None
        assert task.retries == 4
        assert task.retry_delay == timedelta(seconds=10)
        assert task.retry_exponential_backoff == 3.0
        assert task.max_retry_delay == timedelta(minutes=10)


@pytest.mark.parametrize("dag_id", IDS)
def test_nobody_is_mailed_or_called(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    assert not dag.has_on_failure_callback
    assert not dag.has_on_success_callback
    for task in dag.tasks:
        assert task.email is None
        assert not task.has_on_failure_callback


@pytest.mark.parametrize("dag_id", IDS)
def test_every_dag_and_task_is_explained_owned_and_tagged(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    assert dag.description
    assert dag.doc_md
    assert dag.owner not in {"", "airflow"}
    assert {"perennial", kind_of(dag_id)} < set(dag.tags)
    assert "by hand" in dag.doc_md
    for task in dag.tasks:
        assert task.doc_md
        assert f"| {task.task_id} |" in dag.doc_md


def test_the_documentation_states_the_specs_numbers(dags: dict[str, DAG]) -> None:
    text = dags["flight_delays.predict"].doc_md or ""
    assert "--max-active-runs 1" in text
    assert "from 2013-01-01 on" in text
    retrain = dags["flight_delays.retrain"].doc_md or ""
    assert "hist_gradient_boosting" in retrain


@pytest.mark.parametrize("dag_id", IDS)
def test_only_predict_and_evaluate_have_a_schedule(dags: dict[str, DAG], dag_id: str) -> None:
    dag = dags[dag_id]
    scheduled = kind_of(dag_id) in {"predict", "evaluate"}
    assert dag.timetable.can_be_scheduled == scheduled
    assert not dag.catchup
    assert dag.max_active_runs == (3 if kind_of(dag_id) == "predict" else 1)
    # What is only triggered must not wait for somebody to unpause it.
    assert dag.is_paused_upon_creation is (None if scheduled else False)


def test_scheduled_dags_need_no_params(dags: dict[str, DAG]) -> None:
    assert dags["flight_delays.predict"].params.validate() == {
        "window_from": None,
        "window_to": None,
        "model": "as_was",
        "model_version": None,
        "dry_run": False,
    }
    assert dags["flight_delays.evaluate"].params.validate() == {"as_of": None}
    assert dags["flight_delays.retrain"].params.validate() == {"as_of": None, "reason": "by hand", "evidence": {}}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("predict", "model", "latest"),
        ("predict", "window_from", 20130301),
        ("evaluate", "as_of", False),
        ("retrain", "reason", ""),
        ("retrain", "evidence", "drift"),
        ("rollback", "version", ""),
    ],
)
def test_wrong_params_are_refused_before_anything_runs(dags: dict[str, DAG], kind: str, name: str, value: Any) -> None:
    with pytest.raises(ParamValidationError):
        dags[f"flight_delays.{kind}"].params.get_param(name).resolve(value)


def test_a_rollback_asks_for_a_reason(dags: dict[str, DAG]) -> None:
    params = dags["flight_delays.rollback"].params
    with pytest.raises(ParamValidationError, match="no default"):
        params.get_param("reason").resolve()
    assert [params.get_param(name).resolve() for name in ("version", "effective_from", "rescore_from")] == [None] * 3


@pytest.mark.parametrize("dag_id", IDS)
def test_every_param_is_described(dags: dict[str, DAG], dag_id: str) -> None:
    params = dags[dag_id].params
    assert all(params.get_param(name).description for name in params)


def test_params_are_not_shared_between_use_cases(dags: dict[str, DAG]) -> None:
    one, other = (dags[f"{name}.predict"].params.get_param("model") for name in USE_CASES)
    assert one is not other


def test_tasks_name_the_lake_tables_that_they_write(dags: dict[str, DAG]) -> None:
    found = {
        f"{dag_id}.{task.task_id}": [(asset.name, asset.uri) for asset in task.outlets]
        for dag_id, dag in dags.items()
        if dag_id.startswith("flight_delays.")
        for task in dag.tasks
        if task.outlets
    }
    tables = {
        "predict.ingest": lake.raw_table,
        "predict.validate": lake.quarantine_table,
        "predict.score": lake.predictions_table,
        "evaluate.collect_labels": lake.labels_table,
        "retrain.assemble": lake.training_table,
    }
    assert found == {
        f"flight_delays.{task}": [(table("flight_delays"), f"lake://{table('flight_delays')}")]
        for task, table in tables.items()
    }


def test_training_is_mapped_over_the_candidates_by_name(dags: dict[str, DAG]) -> None:
    train = dags["flight_delays.retrain"].task_dict["train"]
    assert isinstance(train, MappedOperator)
    assert train._get_specified_expand_input().value == {"candidate": ["boosting", "linear"]}


@pytest.mark.parametrize("dag_id", IDS)
def test_serialising_loses_nothing(dags: dict[str, DAG], dag_id: str) -> None:
    with warnings.catch_warnings(action="error"):
        written = DagSerialization.to_dict(dags[dag_id])
        read = DagSerialization.from_dict(written)
    assert set(read.task_ids) == TASKS[kind_of(dag_id)]
    assert read.doc_md == dags[dag_id].doc_md
    assert DagSerialization.to_dict(dags[dag_id]) == written


def test_a_use_case_that_ends_is_not_run_after_its_last_window(dags: dict[str, DAG]) -> None:
    """Else whoever unpauses it today gets a red run for yesterday, of which there is no data."""
    predict, evaluate = dags["flight_delays.predict"], dags["flight_delays.evaluate"]
    assert predict.end_date == datetime(2013, 12, 31, tzinfo=UTC)
    assert evaluate.end_date == datetime(2014, 1, 1, tzinfo=UTC)  # the last window's labels are complete a day later


def changed(repository: Path, folder: Path, **changes: Any) -> dict[str, DAG]:
    """The DAGs of flight_delays with another spec."""
    copied = shutil.copytree(repository / "include" / "use_cases" / "flight_delays", folder / "flight_delays")
    path = copied / "use_case.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["schedule"] |= changes.pop("schedule", {})
    path.write_text(yaml.safe_dump(spec | changes, sort_keys=False))
    return {dag.dag_id: dag for dag in build_dags(folder)}


def test_with_a_review_queue_rows_are_selected_after_scoring(repository: Path, tmp_path: Path) -> None:
    dag = changed(repository, tmp_path, review={"band": [0.4, 0.6]})["flight_delays.predict"]
    selecting = dag.task_dict["select_for_review"]
    assert selecting.upstream_task_ids == {"score"}
    assert selecting.downstream_task_ids == set()
    assert "| select_for_review | chooses the rows that people are asked about" in (dag.doc_md or "")


def test_late_data_is_looked_for_after_the_window_whatever_became_of_it(repository: Path, tmp_path: Path) -> None:
    dag = changed(repository, tmp_path, late_data="3d")["flight_delays.predict"]
    late = dag.task_dict["late_data"]
    assert late.upstream_task_ids == {"monitor"}
    assert late.trigger_rule is TriggerRule.ALL_DONE
    assert "| late_data | looks again at the windows of the 3 days before;" in (dag.doc_md or "")
    assert set(DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_ids) == TASKS["predict"] | {"late_data"}


def test_a_shadow_is_made_beside_monitoring_and_a_roll_out_decided_after_measuring(
    repository: Path, tmp_path: Path
) -> None:
    dags = changed(repository, tmp_path, rollout={"shadow": "14d", "canary": [5, 25]})
    predict, evaluate = dags["flight_delays.predict"], dags["flight_delays.evaluate"]
    assert set(predict.task_ids) == TASKS["predict"] | {"shadow"}
    assert (predict.task_dict["shadow"].upstream_task_ids, predict.task_dict["shadow"].downstream_task_ids) == (
        {"score"},
        set(),
    )
    assert set(evaluate.task_ids) == TASKS["evaluate"] | {"rollout"}
    assert evaluate.task_dict["rollout"].upstream_task_ids == {"measure"}
    assert "| shadow | predicts each row by the model that did not serve it" in (predict.doc_md or "")
    assert "| rollout | compares champion and challenger" in (evaluate.doc_md or "")


def test_who_stands_by_is_tried_every_night_and_a_switch_at_once_has_no_stages(
    repository: Path, tmp_path: Path
) -> None:
    dags = changed(repository, tmp_path, rollout={"standby": True})
    standby = dags["platform.maintenance"].task_dict["flight_delays.standby"]
    assert standby.upstream_task_ids == {"flight_delays.reconcile"}
    for kind in ("predict", "evaluate"):
        assert set(dags[f"flight_delays.{kind}"].task_ids) == TASKS[kind]


def test_windows_that_are_waited_for_do_not_keep_others_back(repository: Path, tmp_path: Path) -> None:
    schedule = {"delay": "6h", "deadline": "54h"}
    dags = changed(repository, tmp_path, schedule=schedule)
    assert dags["flight_delays.predict"].max_active_runs == 5
    assert dags["flight_delays.evaluate"].max_active_runs == 1
    text = dags["flight_delays.predict"].doc_md or ""
    assert "A window is due 6 hours after its end. Until 54 hours after its end, `ingest` asks again" in text
    for kind in ("predict", "evaluate"):
        read = DagSerialization.from_dict(DagSerialization.to_dict(dags[f"flight_delays.{kind}"]))
        assert isinstance(read.timetable, DelayedWindows)


def test_gaps_are_filled_by_a_run_for_each_window_where_the_spec_says_so(repository: Path, tmp_path: Path) -> None:
    dag = changed(repository, tmp_path, schedule={"gaps": "fill"})["platform.maintenance"]
    fill = dag.task_dict["flight_delays.fill_gaps"]
    assert isinstance(fill, MappedOperator)
    assert fill.upstream_task_ids == {"flight_delays.gaps"}
    assert fill.partial_kwargs["trigger_dag_id"] == "flight_delays.predict"
    assert fill.partial_kwargs["skip_when_already_exists"]
    one: Any = fill.unmap({"trigger_run_id": "gap__2013-03-01T00:00Z", "conf": {"window_from": "2013-03-01"}})
    assert (one.trigger_run_id, one.conf, one.logical_date) == (
        "gap__2013-03-01T00:00Z", {"window_from": "2013-03-01"}, None
    )  # fmt: skip
    DagSerialization.to_dict(dag)


def test_maintenance_looks_after_every_use_case_every_night(dags: dict[str, DAG]) -> None:
    dag = dags["platform.maintenance"]
    edges = [f"{task.task_id}>{after}" for task in dag.tasks for after in task.downstream_task_ids]
    follow = ("archive", "maintain")
    assert sorted(edges) == [f"{name}.reconcile>{name}.{task}" for name in USE_CASES for task in follow]
    for task in ("archive", "start_pending_retraining", "gaps"):
        assert {f"{name}.{task}" for name in USE_CASES} < set(dag.task_ids)
        assert f"| {task} |" in (dag.doc_md or "")
    assert {task.retries for task in dag.tasks} == {4}
    assert dag.timetable.can_be_scheduled
    assert dag.params.validate() == {"dry_run": False, "reconcile_all": False}
    assert not dag.catchup
    assert "Maintenance" in (dag.doc_md or "")
    DagSerialization.to_dict(dag)


def test_an_ended_use_case_keeps_its_dags_without_a_schedule_and_each_says_so(repository: Path, tmp_path: Path) -> None:
    changed(repository, tmp_path, alerts=[{"connection": "hook"}])
    write_ended(tmp_path / "flight_delays", datetime(2026, 5, 1, tzinfo=UTC), "ada", "the airport closed.")
    found = {dag.dag_id: dag for dag in build_dags(tmp_path)}
    assert sorted(found) == sorted([*(f"flight_delays.{kind}" for kind in KINDS), "platform.maintenance"])
    assert found["platform.maintenance"].task_ids == ["anchor_ledger"]
    assert list(build_dags(tmp_path, only="platform.alerts")) == []
    for kind in KINDS:
        (dag,) = build_dags(tmp_path, only=f"flight_delays.{kind}")
        assert not dag.timetable.can_be_scheduled
        assert "ended" in dag.tags
        assert "ended on 2026-05-01 by ada: the airport closed" in (dag.description or "")
        assert (dag.doc_md or "").startswith("**This use case was ended on 2026-05-01 by ada: the airport closed.**")
        DagSerialization.to_dict(dag)


def test_the_documentation_warns_of_what_can_never_be_decided(
    dags: dict[str, DAG], repository: Path, tmp_path: Path
) -> None:
    for dag in changed(repository, tmp_path, monitoring={"false_alarms": "1 per year"}).values():
        told = "- `monitoring.false_alarms`: 1 per year can't be told from chance" in (dag.doc_md or "")
        assert told == (dag.dag_id != "platform.maintenance"), dag.dag_id
    assert not any("can never be decided" in (dag.doc_md or "") for dag in dags.values())


def test_alerts_have_a_dag_only_where_a_spec_says_whom_to_tell(
    dags: dict[str, DAG], repository: Path, tmp_path: Path
) -> None:
    assert "platform.alerts" not in dags
    dag = changed(repository, tmp_path, alerts=[{"connection": "hook"}])["platform.alerts"]
    (task,) = dag.tasks
    assert f"| {task.task_id} |" in (dag.doc_md or "")
    assert task.doc_md
    assert task.retries == 2
    assert (dag.max_active_runs, dag.catchup, dag.is_paused_upon_creation) == (1, False, False)
    assert [each.dag_id for each in build_dags(tmp_path, only="platform.alerts")] == ["platform.alerts"]
    DagSerialization.to_dict(dag)


def test_a_wrong_spec_is_told_to_whom_it_names(repository: Path, tmp_path: Path) -> None:
    changed(repository, tmp_path, alerts=[{"connection": "hook"}])
    file = tmp_path / "flight_delays" / "use_case.yaml"
    file.write_text(file.read_text().replace("owner:", "onwer:"))
    assert sorted(dag.dag_id for dag in build_dags(tmp_path)) == ["flight_delays.invalid", "platform.alerts"]
    (dag,) = build_dags(tmp_path, only="platform.alerts")
    DagSerialization.to_dict(dag)
    file.write_text(file.read_text().replace("alerts:", "alrets:"))
    assert [dag.dag_id for dag in build_dags(tmp_path)] == ["flight_delays.invalid"]


def test_a_wrong_spec_keeps_no_other_use_case_from_telling(repository: Path, tmp_path: Path) -> None:
    changed(repository, tmp_path, alerts=[{"connection": "hook"}])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "use_case.yaml").write_text("name: broken\n")
    assert [each.dag_id for each in build_dags(tmp_path, only="platform.alerts")] == ["platform.alerts"]


RISK = {"purpose": "Spare crews.", "autonomy": "decides", "personal_data": False, "answer_within": "2d"}


@pytest.mark.parametrize(
    ("grade", "edges"),
    [
        ("low", ["judge>deploy"]),
        ("medium", ["judge>approve", "judge>deploy", "approve>deploy"]),
        ("high", ["judge>approve", "judge>deploy", "approve>approve_second", "approve_second>deploy"]),
    ],
)
def test_people_are_asked_between_judging_and_deploying_as_the_risk_says(
    repository: Path, tmp_path: Path, grade: str, edges: list[str]
) -> None:
    risk = RISK | {"impact": grade, "likelihood": grade}
    dag = changed(repository, tmp_path, risk=risk, rollout={"shadow": "14d"})["flight_delays.retrain"]
    found = [f"{task.task_id}>{after}" for task in dag.tasks for after in task.downstream_task_ids]
    assert sorted(each for each in found if each.endswith(">deploy") or ">approve" in each) == sorted(edges)
    assert {task.trigger_rule for task in dag.tasks} == {TriggerRule.ALL_SUCCESS}
    asking = [task for task in dag.tasks if task.task_id.startswith("approve")]
    for task in asking:
        assert isinstance(task, ApprovalOperator)
        assert (task.defaults, task.options, task.retries) == (["Reject"], ["Approve", "Reject"], 0)
        assert task.response_timeout == timedelta(days=2)
        assert task.params.get_param(REASON).schema["minLength"] == 1
        # Airflow checks the values before the task asks, and fills in those of the run.
        process_params(dag, task, {"reason": "drift"}, suppress_exception=False)
        assert task.serialized_params[REASON]["value"] is None
        assert f"| {task.task_id} |" in (dag.doc_md or "")
    with warnings.catch_warnings(action="error"):
        written = DagSerialization.to_dict(dag)
    assert set(DagSerialization.from_dict(written).task_ids) == set(dag.task_ids)


def test_a_backfill_waits_for_the_people_too(repository: Path, tmp_path: Path) -> None:
    risk = RISK | {"impact": "high", "likelihood": "high"}
    dags = changed(repository, tmp_path, risk=risk, rollout={"shadow": "14d"})
    task = dags["flight_delays.predict"].task_dict["trigger_retrain"]
    assert task.execution_timeout == timedelta(hours=12) + 2 * timedelta(days=2)
