"""A use case's `executor_config` as Airflow's KubernetesExecutor takes it: what its pods have beyond the template's."""

from typing import TYPE_CHECKING, Any

from perennial.spec.executor_config import ExecutorConfig
from perennial.spec.models import UseCase
from perennial_airflow.configuration import tasks_are_pods

if TYPE_CHECKING:
    from kubernetes.client import models

CONTAINER = "base"  # the name that Airflow looks for
# A pod's resources are replaced as a whole; this part is as in deploy/kubernetes/pod_template.yaml.
DISK_REQUEST, DISK_LIMIT = "256Mi", "2Gi"


def executor_config(spec: UseCase) -> dict[str, Any]:
    """The `executor_config` of each of the use case's tasks; empty where tasks are no pods, or it asks for nothing."""
    if spec.executor_config is None or not tasks_are_pods():
        return {}
    return {"pod_override": _pod(spec.executor_config)}


def _pod(asked: ExecutorConfig) -> "models.V1Pod":
    from kubernetes.client import models

    container = models.V1Container(name=CONTAINER, image=asked.image)
    if asked.cpu is not None and asked.memory is not None:
        given = {"cpu": f"{round(asked.cpu * 1000)}m", "memory": asked.memory}
        container.resources = models.V1ResourceRequirements(
            requests={**given, "ephemeral-storage": DISK_REQUEST}, limits={**given, "ephemeral-storage": DISK_LIMIT}
        )
        # Of two variables of one name the last one counts: as many threads as there are processors.
        container.env = [models.V1EnvVar(name="OMP_NUM_THREADS", value=str(max(1, int(asked.cpu))))]
    tolerations = [models.V1Toleration(**each.model_dump(exclude_none=True)) for each in asked.tolerations]
    return models.V1Pod(
        spec=models.V1PodSpec(
            containers=[container], node_selector=asked.node_selector or None, tolerations=tolerations or None
        )
    )
