"""A window that pods do, with the real KubernetesExecutor: end to end, one pod evicted, and one that never starts.

The cluster is the stand-in of `tests.executors.cluster`. What it does not make real stands in docs/kubernetes.md.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg2
import pytest
from tests.compose.checks import broken
from tests.e2e.orders import ROWS, Orders, write_orders
from tests.e2e.system import System, running_system
from tests.executors.kubernetes import ADDRESS, NAMESPACE
from tests.servers import Run
from tests.waiting import PATIENCE

from perennial.window import Window

DATABASES = {"ledger": "perennial", "published": "perennial", "mlflow": "mlflow"}  # where the local system keeps them
TASKS = ["ingest", "monitor", "score", "validate"]
MEMORY = "1536Mi"
MORE = f"\nexecutor_config: {{cpu: 2, memory: {MEMORY}, node_selector: {{kubernetes.io/os: linux}}}}\n"
NOWHERE = "\nexecutor_config: {node_selector: {disk: fast}}\n"


@dataclass(frozen=True)
class Cluster:
    """The stand-in, as kubectl would see it."""

    url: str

    def pods(self, use_case: str, task: str) -> list[dict[str, Any]]:
        asked = {"labelSelector": f"dag_id={use_case}.predict,task_id={task}"}
        answer = httpx.get(f"{self.url}/api/v1/namespaces/{NAMESPACE}/pods", params=asked, trust_env=False)
        found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return found

    def evict(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        httpx.post(f"{self.url}/evict/{name}", trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def system(run: Run) -> Iterator[System]:
    with running_system(run.new_folder("pods"), run) as running:
        running.api("PATCH", "dags/platform.maintenance", is_paused=True)  # its pods would take the places of ours
        yield running


@pytest.fixture(scope="module")
def cluster(system: System) -> Cluster:
    return Cluster((system.home / ADDRESS).read_text())


@pytest.fixture(scope="module")
def orders(system: System) -> Orders:
    """A use case that has a model, beside one whose pods fit no node. Nothing of them is scheduled any more."""
    folder, today = system.home.parent / "use_cases", datetime.now(UTC).date()
    written = write_orders(folder, "orders", "report", today)
    write_orders(folder, "nowhere", "report", today)
    for name, text in (("orders", MORE), ("nowhere", NOWHERE)):
        spec = folder / name / "use_case.yaml"
        ended = spec.read_text().replace("gaps: report", f"gaps: report, end: {today - timedelta(days=2)}")
        spec.write_text(ended + text)
    system.find_dags("orders.predict", "nowhere.predict")
    command = system.start_command("retrain", "orders", "--as-of", written.down_since.isoformat())
    _, err = command.communicate(timeout=PATIENCE)
    assert command.returncode == 0, err
    for dag_id in ("orders.predict", "nowhere.predict"):
        system.api("PATCH", f"dags/{dag_id}", is_paused=False)
    return written


def score(system: System, use_case: str, run_id: str, window: Window) -> None:
    system.trigger(
        f"{use_case}.predict", run_id, window_from=window.start.isoformat(), window_to=window.end.isoformat()
    )


def scored_once(system: System, window: Window) -> None:
    """By SQL: one revision, all rows, published as the ledger has them, and every invariant of docs/invariants.md."""
    found = system.sql(
        "perennial",
        "SELECT revision, rows FROM ledger.batches WHERE use_case = 'orders' AND window_start = %s",
        window.start,
    )
    assert found == [(1, ROWS)]
    published = system.sql(
        "perennial",
        'SELECT count(*), count(DISTINCT "order") FROM perennial.predictions_orders WHERE window_start = %s',
        window.start,
    )
    assert published == [(ROWS, ROWS)]
    assert broken(lambda name, query: system.sql(DATABASES[name], query), "orders", '"order"', [window.start]) == []


def test_a_window_is_scored_by_a_pod_for_each_task(system: System, cluster: Cluster, orders: Orders) -> None:
    score(system, "orders", "in_pods", orders.missing[0])
    system.succeed("orders.predict", "in_pods")
    scored_once(system, orders.missing[0])
    said = (system.home / "logs" / "kubelet.log").read_text()
    for task in TASKS:
        assert f"orders-predict-{task}-" in said
        assert cluster.pods("orders", task) == [], "Airflow takes its pods away"


def test_a_pod_that_is_evicted_in_mid_task_is_followed_by_another_and_the_window_is_scored_once(
    system: System, cluster: Cluster, orders: Orders
) -> None:
    """The pod has written the predictions to the lake, and waits to record them in the ledger."""
    window = orders.missing[1]
    url = system.environment["AIRFLOW_CONN_PERENNIAL_LEDGER"]
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE relation = 'ledger.batches'::regclass AND NOT granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        cursor.execute("LOCK TABLE ledger.batches IN EXCLUSIVE MODE")
        score(system, "orders", "evicted", window)
        system.wait_until(lambda: system.sql("perennial", waiting) != [(0,)], "the pod to be in the middle of its task")
        (pod,) = cluster.pods("orders", "score")
        as_the_template_and_the_spec_say(pod)
        cluster.evict(pod)
        system.wait_until(
            lambda: system.tasks("orders.predict", "evicted")["score"]["state"] == "up_for_retry", "the task's retry"
        )
        session.rollback()
    system.succeed("orders.predict", "evicted")
    assert system.tasks("orders.predict", "evicted")["score"]["try_number"] > 1
    scored_once(system, window)
    told = system.sql(
        "airflow",
        "SELECT extra FROM log WHERE dag_id = 'orders.predict' AND run_id = 'evicted' AND event = 'state mismatch'",
    )
    assert len(told) == 1
    assert "Pod failed because of Evicted" in told[0][0]


def as_the_template_and_the_spec_say(pod: dict[str, Any]) -> None:
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "2000m", "memory": MEMORY, "ephemeral-storage": "256Mi"}
    assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    given = json.dumps(container["env"])
    assert "postgresql" not in given, "secrets come from the Secret, not with the pod"
    assert container["env"][-1] == {"name": "OMP_NUM_THREADS", "value": "2"}


def test_a_pod_that_never_starts_fails_its_task_and_says_so(system: System, cluster: Cluster, orders: Orders) -> None:
    score(system, "nowhere", "never", orders.missing[0])
    system.wait_until(lambda: len(cluster.pods("nowhere", "ingest")) == 1, "the pod")
    system.wait_until(lambda: system.run_state("nowhere.predict", "never") == "failed", "Airflow to give it up")
    tasks = system.tasks("nowhere.predict", "never")
    assert (tasks["ingest"]["state"], tasks["ingest"]["pid"]) == ("failed", None), "no process had it"
    assert {tasks[name]["state"] for name in ("validate", "score", "monitor")} == {"upstream_failed"}
    assert cluster.pods("nowhere", "ingest") == []
    assert system.note("nowhere.predict", "never").startswith(
        "FAILED ingest: it never started: no worker or pod took it in time"
    )
