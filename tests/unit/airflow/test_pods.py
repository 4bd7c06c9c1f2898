"""A use case's `executor_config` reaches Airflow's executor as a part of its pods, and no other executor at all."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.serialization.serialized_objects import DagSerialization

from perennial.spec.load import LoadedUseCase, load_use_case
from perennial_airflow import pods
from perennial_airflow.dag_factory import BUILDERS
from perennial_airflow.dag_kind import DagKind

ASKED = {
    "cpu": 2.5,
    "memory": "4Gi",
    "image": "perennial:more",
    "node_selector": {"disk": "fast"},
    "tolerations": [{"key": "batch", "operator": "Exists", "effect": "NoSchedule"}],
}
KUBERNETES = "KubernetesExecutor"


def use_case(repository: Path, asked: dict[str, Any] | None) -> LoadedUseCase:
    loaded = load_use_case(repository / "include" / "use_cases" / "flight_delays")
    content = loaded.spec.model_dump(mode="json") | {"executor_config": asked}
    return replace(loaded, spec=type(loaded.spec).model_validate(content))


@pytest.fixture
def under(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda executor: monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)


@pytest.mark.parametrize("executor", [KUBERNETES, f"LocalExecutor,{KUBERNETES}"])
def test_a_pod_is_the_template_with_what_was_asked_for(repository: Path, under: Any, executor: str) -> None:
    under(executor)
    template = PodGenerator.deserialize_model_file(str(repository / "deploy" / "kubernetes" / "pod_template.yaml"))
    override = pods.executor_config(use_case(repository, ASKED).spec)["pod_override"]
    pod = PodGenerator.reconcile_pods(template, override)
    (container,) = pod.spec.containers
    given = {"cpu": "2500m", "memory": "4Gi"}
    assert container.resources.requests == {**given, "ephemeral-storage": "256Mi"}
    assert container.resources.limits == {**given, "ephemeral-storage": "2Gi"}
    assert container.env[-1].to_dict() == {"name": "OMP_NUM_THREADS", "value": "2", "value_from": None}
    assert container.image == "perennial:more"
    assert pod.spec.node_selector == {"disk": "fast"}
    assert [(each.key, each.operator, each.effect) for each in pod.spec.tolerations] == [
        ("batch", "Exists", "NoSchedule")
    ]
    assert container.security_context.read_only_root_filesystem is True
    assert pod.spec.security_context.run_as_non_root is True
    assert [each.name for each in container.volume_mounts] == ["tmp", "airflow", "cache", "logs"]


def test_what_was_not_asked_for_stays_the_templates(repository: Path, under: Any) -> None:
    under(KUBERNETES)
    template = PodGenerator.deserialize_model_file(str(repository / "deploy" / "kubernetes" / "pod_template.yaml"))
    override = pods.executor_config(use_case(repository, {"node_selector": {"disk": "fast"}}).spec)["pod_override"]
    pod = PodGenerator.reconcile_pods(template, override)
    assert pod.spec.containers[0].to_dict() == template.spec.containers[0].to_dict()


@pytest.mark.parametrize(
    ("executor", "asked"),
    [("LocalExecutor", ASKED), ("CeleryExecutor", ASKED), ("perennial_airflow.executor.PreloadedLocalExecutor", ASKED),
     (KUBERNETES, None)],
)  # fmt: skip
def test_otherwise_there_is_nothing(repository: Path, under: Any, executor: str, asked: dict[str, Any] | None) -> None:
    under(executor)
    assert pods.executor_config(use_case(repository, asked).spec) == {}
    assert {task.executor_config is None or task.executor_config == {} for task in _tasks(repository, asked)} == {True}


@pytest.mark.parametrize("kind", list(DagKind))
def test_each_task_of_each_dag_has_it_and_airflow_can_store_it(repository: Path, under: Any, kind: DagKind) -> None:
    under(KUBERNETES)
    dag = BUILDERS[kind](use_case(repository, ASKED))
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    memory = {
        task.executor_config["pod_override"].spec.containers[0].resources.requests["memory"] for task in stored.tasks
    }
    assert memory == {"4Gi"}


def _tasks(repository: Path, asked: dict[str, Any] | None) -> list[Any]:
    return list(BUILDERS[DagKind.PREDICT](use_case(repository, asked)).tasks)
