"""A use case's `airflow` section reaches the tasks that it names, and no others."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from perennial.spec.airflow_options import TASKS_OF_DAGS
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial_airflow.approval_tasks import TASKS as ASKING
from perennial_airflow.dag_factory import BUILDERS
from perennial_airflow.dag_kind import DagKind
from perennial_airflow.placement import pools_of

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

ASKED = {
    "pool": "scoring",
    "queue": "small",
    "priority_weight": 7,
    "max_active_runs": 2,
    "tasks": {
        "score": {"retries": 0, "execution_timeout": "30m"},
        "train": {"queue": "large", "pool": "training", "priority_weight": 1, "retries": 1, "retry_delay": "1h"},
        "deploy": {"execution_timeout": "5m"},
    },
}


def changed(use_case: LoadedUseCase, **keys: Any) -> LoadedUseCase:
    content = use_case.spec.model_dump(mode="json", by_alias=True) | keys
    return replace(use_case, spec=type(use_case.spec).model_validate(content))


def built(use_case: LoadedUseCase, kind: DagKind) -> DAG:
    """As the scheduler has it: written down and read again."""
    stored: DAG = DagSerialization.from_dict(DagSerialization.to_dict(BUILDERS[kind](use_case)))
    return stored


def test_each_task_waits_where_the_spec_says(use_case: LoadedUseCase) -> None:
    asking = changed(use_case, airflow=ASKED)
    for kind in DagKind:
        for task in built(asking, kind).tasks:
            expected = ("training", "large", 1) if task.task_id == "train" else ("scoring", "small", 7)
            assert (task.pool, task.queue, task.priority_weight) == expected


def test_timeouts_and_retries_are_those_of_the_task(use_case: LoadedUseCase) -> None:
    asking = changed(use_case, airflow=ASKED)
    predict, retrain, rollback = (built(asking, kind) for kind in (DagKind.PREDICT, DagKind.RETRAIN, DagKind.ROLLBACK))
    score, validate, train = predict.get_task("score"), predict.get_task("validate"), retrain.get_task("train")
    assert (score.retries, score.execution_timeout) == (0, timedelta(minutes=30))
    assert (validate.retries, validate.execution_timeout) == (4, timedelta(hours=2))
    assert (train.retries, train.retry_delay, train.max_retry_delay) == (1, timedelta(hours=1), timedelta(hours=1))
    assert train.execution_timeout == timedelta(hours=6)
    assert {dag.get_task("deploy").execution_timeout for dag in (retrain, rollback)} == {timedelta(minutes=5)}


def test_runs_at_once_are_those_of_the_predict_dag_alone(use_case: LoadedUseCase) -> None:
    asking = changed(use_case, airflow=ASKED)
    assert {kind: built(asking, kind).max_active_runs for kind in DagKind} == {
        DagKind.PREDICT: 2, DagKind.EVALUATE: 1, DagKind.RETRAIN: 1, DagKind.ROLLBACK: 1,
    }  # fmt: skip


def test_the_names_of_tasks_are_those_that_the_dags_have(use_case: LoadedUseCase) -> None:
    everything = changed(
        use_case,
        late_data="2d",
        review={"random_share": 0.1},
        rollout={"shadow": "14d"},
        risk={"purpose": "p", "impact": "high", "likelihood": "high", "autonomy": "decides", "personal_data": True},
    )
    for kind in DagKind:
        there = {task.task_id for task in built(everything, kind).tasks} - set(ASKING)
        assert there == set(TASKS_OF_DAGS[kind])


def test_the_pools_that_must_be_there(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository / "include" / "use_cases", tmp_path, dirs_exist_ok=True)
    spec = tmp_path / "flight_delays" / "use_case.yaml"
    assert pools_of(tmp_path) == {}
    spec.write_text(spec.read_text() + "\nairflow: {pool: scoring, tasks: {train: {pool: training}}}\n")
    assert pools_of(tmp_path) == {"scoring": ["flight_delays"], "training": ["flight_delays"]}
    assert load_use_case(tmp_path / "flight_delays").spec.airflow.pool == "scoring"
