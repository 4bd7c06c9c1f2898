"""`python -m tests.executors.cluster PORT LOGS cold|warm`: a cluster whose image is this process's own environment."""

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.executors.cluster.api import make_server
from tests.executors.cluster.containers import STARTS, heat
from tests.executors.cluster.kubelet import Kubelet, Node
from tests.executors.cluster.pods import Pods

ROOT = Path(__file__).parents[3]
# As docs/kubernetes.md has them: what tasks may know, and what no task may.
CONFIGURATION, SECRET = "perennial", "perennial-task"
SECRETS = ("AIRFLOW_CONN_", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PERENNIAL_MLFLOW_URL")
NOT_FOR_TASKS = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API__SECRET_KEY",
}
OF_THE_IMAGE = {"AIRFLOW_HOME", "PERENNIAL_HOME"}
GIVEN = ("AIRFLOW_", "PERENNIAL_", "AWS_", "MLFLOW_BACKEND_")


def node(environment: Mapping[str, str], logs: Path) -> Node:
    """A node on which the image and the two objects hold what the environment has."""
    given = {name: value for name, value in environment.items() if name.startswith(GIVEN) and name not in OF_THE_IMAGE}
    secret = {name: value for name, value in given.items() if name.startswith(SECRETS)}
    configuration = {
        name: value
        for name, value in given.items()
        if name not in secret and name not in NOT_FOR_TASKS and not name.startswith("MLFLOW_")
    }
    image = {name: value for name, value in environment.items() if name not in given}
    image["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), image.get("PATH", os.defpath)))
    objects = {("ConfigMap", CONFIGURATION): configuration, ("Secret", SECRET): secret}
    return Node(image, ROOT, logs, objects)


def main() -> None:
    """Serve until the process is ended."""
    port, logs = int(sys.argv[1]), Path(sys.argv[2])
    logs.mkdir(parents=True, exist_ok=True)
    if sys.argv[3] == "warm":
        heat()
    pods = Pods()
    kubelet = Kubelet(pods, node(os.environ, logs), STARTS[sys.argv[3]])
    threading.Thread(target=kubelet.run, daemon=True).start()
    make_server(port, pods, kubelet).serve_forever()


if __name__ == "__main__":
    main()
