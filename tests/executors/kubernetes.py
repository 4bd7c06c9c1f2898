"""KubernetesExecutor: the real one, with the pod template of deploy/kubernetes, on the stand-in for a cluster."""

import json
import os
import sys
from pathlib import Path

from tests.ports import free_port

from perennial_local.airflow_api import answers
from perennial_local.environment import PARALLEL_TASKS
from perennial_local.execution import Execution
from perennial_local.home import Home, write_private
from perennial_local.supervisor import Service

TEMPLATE = Path(__file__).parents[2] / "deploy" / "kubernetes" / "pod_template.yaml"
NAMESPACE = "perennial"
PODS = os.environ.get("TEST_PODS", "warm")  # how they start: see tests.executors.cluster.containers
ADDRESS = "cluster"  # the file in the home that says where the cluster is
# A pod needs far longer to start its task on a busy machine than one that waits for a node would show.
NEVER_STARTED_AFTER = 180  # seconds


def execution(home: Home) -> Execution:
    """Airflow finds the cluster by a kubeconfig, as it would from outside of a real one."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    kubeconfig = home.path / "kubeconfig.json"
    write_private(home.path / ADDRESS, url)
    write_private(
        kubeconfig,
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "cluster", "cluster": {"server": url}}],
                "users": [{"name": "airflow", "user": {}}],
                "contexts": [{"name": "here", "context": {"cluster": "cluster", "user": "airflow"}}],
                "current-context": "here",
            }
        ),
    )
    command = (sys.executable, "-m", "tests.executors.cluster", str(port), str(home.logs / "pods"), PODS)
    return Execution(
        options={
            "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor",
            "AIRFLOW__KUBERNETES_EXECUTOR__IN_CLUSTER": "False",
            "AIRFLOW__KUBERNETES_EXECUTOR__CONFIG_FILE": str(kubeconfig),
            "AIRFLOW__KUBERNETES_EXECUTOR__NAMESPACE": NAMESPACE,
            "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE": str(TEMPLATE),
            "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_REPOSITORY": "perennial",
            "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER_TAG": "0.1.0",
            "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE": str(PARALLEL_TASKS),
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(NEVER_STARTED_AFTER),
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "0",
        },
        servers=(Service("kubelet", command, lambda: answers(f"{url}/version")),),
    )
