"""What a use case may ask of the machine of its tasks."""

from typing import Any

import pytest
from pydantic import ValidationError

from perennial.spec.executor_config import ExecutorConfig


def problem(asked: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        ExecutorConfig.model_validate(asked)
    return str(refused.value)


@pytest.mark.parametrize("memory", ["512Mi", "1536Mi", "8Gi", "1Ti", "524288Ki"])
def test_memory_is_a_whole_number_of_a_unit(memory: str) -> None:
    assert ExecutorConfig.model_validate({"cpu": 1, "memory": memory}).memory == memory


@pytest.mark.parametrize("memory", ["8", "8G", "8 Gi", "1.5Gi", "0Gi", "-8Gi", ""])
def test_any_other_amount_is_refused(memory: str) -> None:
    assert "write a whole number and a unit: 1536Mi, 8Gi" in problem({"cpu": 1, "memory": memory})


@pytest.mark.parametrize("memory", ["1Mi", "511Mi"])
def test_so_little_that_no_task_could_start_is_refused(memory: str) -> None:
    assert "a task takes at least 512Mi" in problem({"cpu": 1, "memory": memory})


@pytest.mark.parametrize(
    ("asked", "missing"), [({"cpu": 1}, "memory is missing: cpu"), ({"memory": "1Gi"}, "cpu is missing: memory")]
)
def test_cpu_and_memory_go_together(asked: dict[str, Any], missing: str) -> None:
    key, _, text = missing.partition(" ")
    assert text in problem(asked)
    assert key in problem(asked)


@pytest.mark.parametrize("selector", [{"disk": "fast"}, {"node.kubernetes.io/instance-type": "m5.large"}, {"gpu": ""}])
def test_labels_of_nodes(selector: dict[str, str]) -> None:
    assert ExecutorConfig.model_validate({"node_selector": selector}).node_selector == selector


@pytest.mark.parametrize("selector", [{"": "x"}, {"-disk": "x"}, {"a/b/c": "x"}, {"disk": "very fast"}, {"disk": "-"}])
def test_what_is_no_label_is_refused(selector: dict[str, str]) -> None:
    assert "label" in problem({"node_selector": selector})


@pytest.mark.parametrize(
    "toleration", [{"key": "a", "value": "b"}, {"key": "a", "operator": "Exists", "effect": "NoSchedule"}]
)
def test_tolerations(toleration: dict[str, str]) -> None:
    (found,) = ExecutorConfig.model_validate({"tolerations": [toleration]}).tolerations
    assert found.key == "a"


@pytest.mark.parametrize("toleration", [{"key": "a"}, {"key": "a", "operator": "Exists", "value": "b"}])
def test_a_toleration_has_a_value_or_bears_any(toleration: dict[str, str]) -> None:
    assert "Exists" in problem({"tolerations": [toleration]})


@pytest.mark.parametrize("image", ["perennial:0.1.0", "r.example.org:5000/a/b:c", f"a@sha256:{'0' * 64}"])
def test_images(image: str) -> None:
    assert ExecutorConfig.model_validate({"image": image}).image == image


@pytest.mark.parametrize("image", ["", "Perennial", "a b", "a@sha256:0"])
def test_what_is_no_image_is_refused(image: str) -> None:
    assert "not the name of an image" in problem({"image": image})


def test_who_asks_for_nothing_is_told() -> None:
    assert "asks for nothing" in problem({})
