"""The stand-in for a cluster does what a real one does, asked by the client that Airflow uses."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from tests.executors.cluster.__main__ import node
from tests.executors.cluster.api import make_server
from tests.executors.cluster.containers import warm
from tests.executors.cluster.kubelet import Kubelet, Node
from tests.executors.cluster.pods import Pods
from tests.executors.cluster.selectors import selecting
from tests.ports import free_port
from tests.waiting import wait_until

HERE = "perennial"
FOR_EVER = "import time; time.sleep(3600)"


@dataclass(frozen=True)
class Cluster:
    url: str
    api: Any
    kubelet: Kubelet

    def create(self, name: str, script: str, labels: dict[str, str] | None = None, **spec: Any) -> None:
        container = {"name": "base", "image": "python", "args": [sys.executable, "-c", script], **spec.pop("base", {})}
        metadata = {"name": name, "labels": labels or {}}
        self.api.create_namespaced_pod(HERE, {"metadata": metadata, "spec": {"containers": [container], **spec}})

    def phase(self, name: str) -> str:
        return str(self.api.read_namespaced_pod(name, HERE).status.phase)

    def wait_for(self, name: str, phase: str) -> None:
        wait_until(lambda: self.phase(name) == phase, f"{name} to be {phase}")

    def names(self, **asked: str) -> list[str]:
        return [pod.metadata.name for pod in self.api.list_namespaced_pod(HERE, **asked).items]

    def log(self, name: str) -> str:
        return str(self.api.read_namespaced_pod_log(name, HERE, _preload_content=False).data.decode())


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    objects = {("ConfigMap", "ours"): {"GREETING": "hello"}, ("Secret", "ours"): {"PASSWORD": "let me in"}}
    pods = Pods()
    kubelet = Kubelet(pods, Node({"PATH": "/bin"}, tmp_path, tmp_path, objects))
    server = make_server(free_port(), pods, kubelet)
    for work in (kubelet.run, server.serve_forever):
        threading.Thread(target=work, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with client.ApiClient(client.Configuration(host=url)) as connection:
        api = client.CoreV1Api(connection)
        yield Cluster(url, api, kubelet)
        for pod in api.list_namespaced_pod(HERE).items:
            api.delete_namespaced_pod(pod.metadata.name, HERE)
        wait_until(lambda: not api.list_namespaced_pod(HERE).items, "the pods to end")
    server.shutdown()
    server.server_close()


def test_a_pod_runs_its_command_with_the_variables_that_it_asks_for_and_no_others(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_PROCESS", "x")
    sources = {
        "envFrom": [{"configMapRef": {"name": "ours"}}],
        "env": [
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "ours", "key": "PASSWORD"}}},
            {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "PLAIN", "value": "1"},
        ],
    }
    cluster.create("one", "import os; print(sorted(os.environ.items()))", base=sources)
    cluster.wait_for("one", "Succeeded")
    given = {"GREETING": "hello", "KEY": "let me in", "ME": "one", "PATH": "/bin", "PLAIN": "1"}
    assert all(f"{pair!r}" in cluster.log("one") for pair in given.items())
    assert "OF_THIS_PROCESS" not in cluster.log("one")


def test_a_fork_that_has_the_libraries_has_no_more_of_its_parent(tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(
        "import os, sys\n"
        "print(sorted(os.environ), sys.argv[1:], 'sklearn' in sys.modules, 'airflow' in sys.modules)\n"
        "sys.exit(3)\n"
    )
    log = tmp_path / "log"
    running = warm(["python", "-m", "told", "x"], {"ONE": "1"}, tmp_path, log)
    wait_until(lambda: running.poll() is not None, "the fork to end")
    assert running.poll() == 3
    assert log.read_text() == "['ONE'] ['x'] True False\n"


def test_a_command_that_fails_fails_its_pod(cluster: Cluster) -> None:
    cluster.create("bad", "raise SystemExit(7)")
    cluster.wait_for("bad", "Failed")
    (container,) = cluster.api.read_namespaced_pod("bad", HERE).status.container_statuses
    assert (container.state.terminated.exit_code, container.state.terminated.reason) == (7, "Error")


def test_an_evicted_pod_is_killed_and_says_why(cluster: Cluster) -> None:
    cluster.create("long", FOR_EVER)
    cluster.wait_for("long", "Running")
    assert httpx.post(f"{cluster.url}/evict/long", trust_env=False).is_success
    cluster.wait_for("long", "Failed")
    status = cluster.api.read_namespaced_pod("long", HERE).status
    assert (status.reason, status.container_statuses[0].state.terminated.exit_code) == ("Evicted", 137)
    assert httpx.post(f"{cluster.url}/evict/nobody", trust_env=False).status_code == 404


def test_a_pod_that_no_node_fits_waits_and_says_why(cluster: Cluster) -> None:
    cluster.create("picky", "pass", nodeSelector={"disk": "fast"})
    cluster.create("content", "pass", nodeSelector={"kubernetes.io/os": "linux"})
    cluster.wait_for("content", "Succeeded")
    status = cluster.api.read_namespaced_pod("picky", HERE).status
    assert (status.phase, status.conditions[0].reason) == ("Pending", "Unschedulable")


@pytest.mark.parametrize(
    "source",
    [
        {"envFrom": [{"secretRef": {"name": "not there"}}]},
        {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "ours", "key": "not there"}}}]},
    ],
)
def test_a_pod_that_asks_for_what_is_not_there_never_starts(cluster: Cluster, source: dict[str, Any]) -> None:
    def waiting() -> Any:
        told = cluster.api.read_namespaced_pod("lost", HERE).status.container_statuses
        return told and told[0].state.waiting

    cluster.create("lost", "pass", base=source)
    wait_until(lambda: bool(waiting()), "the pod to be refused")
    assert waiting().reason == "CreateContainerConfigError"
    assert "not there" in waiting().message
    assert cluster.phase("lost") == "Pending"


def test_pods_are_listed_by_labels_and_phase(cluster: Cluster) -> None:
    for name, labels in (("a", {"team": "x"}), ("b", {"team": "y", "done": "True"})):
        cluster.create(name, "pass", labels)
        cluster.wait_for(name, "Succeeded")
    cluster.create("c", FOR_EVER, {"team": "x"})
    cluster.wait_for("c", "Running")
    assert cluster.names(label_selector="team=x,done!=True") == ["a", "c"]
    assert cluster.names(label_selector="team notin (x,z)", field_selector="status.phase=Succeeded") == ["b"]
    with pytest.raises(ApiException, match="400"):
        cluster.names(field_selector="spec.nodeName=here")


def test_what_is_not_needed_of_pods_is_left_out_of_a_list_of_metadata(cluster: Cluster) -> None:
    cluster.create("a", "pass")
    dynamic = DynamicClient(cluster.api.api_client)
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
    (pod,) = dynamic.get(
        dynamic.resources.get(api_version="v1", kind="Pod"), namespace=HERE, header_params=accept
    ).items
    assert (pod.metadata.name, pod.spec) == ("a", None)


def test_a_watch_goes_on_where_the_last_one_ended(cluster: Cluster) -> None:
    def seen(since: str) -> Iterator[tuple[str, str, str]]:
        asked = {"label_selector": "team=x", "resource_version": since, "timeout_seconds": 1}
        for event in watch.Watch().stream(cluster.api.list_namespaced_pod, HERE, **asked):
            pod = event["object"]
            yield event["type"], pod.status.phase, pod.metadata.resource_version

    cluster.create("a", "pass", {"team": "x"})
    cluster.wait_for("a", "Succeeded")
    ((kind, phase, version),) = seen("0")
    assert (kind, phase) == ("ADDED", "Succeeded")
    cluster.create("other", "pass", {"team": "y"})
    cluster.api.patch_namespaced_pod("a", HERE, {"metadata": {"labels": {"more": "1"}}})
    cluster.api.patch_namespaced_pod("a", HERE, {"metadata": {"labels": {"team": "y"}}})
    assert [event[:2] for event in seen(version)] == [("MODIFIED", "Succeeded"), ("DELETED", "Succeeded")]


def test_a_pod_that_is_deleted_is_ended_and_gone(cluster: Cluster) -> None:
    cluster.create("long", FOR_EVER)
    cluster.wait_for("long", "Running")
    deleted = cluster.api.delete_namespaced_pod("long", HERE)
    assert deleted.metadata.deletion_timestamp
    wait_until(lambda: cluster.names() == [], "the pod to be gone")
    for ask in (cluster.api.read_namespaced_pod, cluster.api.delete_namespaced_pod):
        with pytest.raises(ApiException, match="not found"):
            ask("long", HERE)


def test_a_pod_that_ignores_the_request_is_killed_after_its_grace(cluster: Cluster) -> None:
    deaf = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', os.getpid(), flush=True)"
    )
    cluster.create("deaf", f"{deaf}; time.sleep(3600)", terminationGracePeriodSeconds=1)
    wait_until(lambda: "deaf" in cluster.log("deaf"), "the pod to be deaf")
    process = psutil.Process(int(cluster.log("deaf").split()[-1]))
    cluster.api.delete_namespaced_pod("deaf", HERE)
    wait_until(lambda: cluster.names() == [], "the pod to be gone")
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("spec", "status"), [({"restartPolicy": 3}, 422), ({"nodeSelectors": {}}, 422)])
def test_a_pod_that_the_schema_does_not_allow_is_refused(cluster: Cluster, spec: dict[str, Any], status: int) -> None:
    with pytest.raises(ApiException) as refused:
        cluster.create("a", "pass", **spec)
    assert refused.value.status == status


def test_a_name_is_given_once(cluster: Cluster) -> None:
    cluster.create("a", "pass")
    with pytest.raises(ApiException, match="already exists"):
        cluster.create("a", "pass")


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ("", {}, True),
        ("a=1,b==2", {"a": "1", "b": "2"}, True),
        ("a=1,b==2", {"a": "1"}, False),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a in (1, 2),b=3", {"a": "2", "b": "3"}, True),
        ("a notin (1, 2)", {"a": "2"}, False),
        ("a notin (1, 2)", {}, True),
    ],
)
def test_selectors(selector: str, labels: dict[str, str], expected: bool) -> None:
    assert selecting(selector, "")({"metadata": {"labels": labels}}) is expected


def test_what_no_task_may_know_is_in_none_of_its_objects(tmp_path: Path) -> None:
    secret = {"AIRFLOW_CONN_PERENNIAL_LEDGER": "1", "PERENNIAL_MLFLOW_URL": "2"}
    plain = {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "3", "PERENNIAL_LAKE_URL": "4"}
    keys = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "5", "AIRFLOW__API_AUTH__JWT_SECRET": "6"}
    made = node({**secret, **plain, **keys, "AIRFLOW_HOME": "/a", "PATH": "/bin"}, tmp_path)
    assert made.objects == {("ConfigMap", "perennial"): plain, ("Secret", "perennial-task"): secret}
    assert made.image == {"AIRFLOW_HOME": "/a", "PATH": f"{Path(sys.executable).parent}:/bin"}
