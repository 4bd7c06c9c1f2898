"""deploy/kubernetes, as far as it can be checked without a cluster: schemas, hardening, names and secrets."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from airflow.providers.cncf.kubernetes.get_provider_info import get_provider_info as of_kubernetes
from airflow.providers.fab.get_provider_info import get_provider_info as of_fab

from perennial.settings.table import SETTINGS
from perennial_airflow.pods import DISK_LIMIT, DISK_REQUEST

MANIFESTS = ("pod_template.yaml", "configuration.yaml", "init.yaml")
RELEASES = ("1.30", "1.37")  # of Kubernetes
LOGS = "AIRFLOW_CONN_PERENNIAL_LOGS"  # where Airflow keeps its logs; keys come from elsewhere
# Where a cluster differs from one host: its addresses, its executor, and where logs are kept.
DIFFERENT = {
    "AIRFLOW__CORE__EXECUTOR",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__CORE__PARALLELISM",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT",
    "AWS_ENDPOINT_URL",
}


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(__file__).parents[2] / "deploy" / "kubernetes"


@pytest.fixture(scope="module")
def values(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((folder / "values.yaml").read_text())
    return content


@pytest.fixture(scope="module")
def configuration(folder: Path) -> dict[str, str]:
    (found,) = (each for each in documents(folder, "configuration.yaml") if each["kind"] == "ConfigMap")
    data: dict[str, str] = found["data"]
    return data


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yaml").read_text())
    return content


def documents(folder: Path, name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((folder / name).read_text()))


def pods(folder: Path) -> dict[str, dict[str, Any]]:
    (template,) = documents(folder, "pod_template.yaml")
    (job,) = documents(folder, "init.yaml")
    return {"task": template["spec"], "init": job["spec"]["template"]["spec"]}


def leaves(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        for each in content.values():
            yield from leaves(each)
    elif isinstance(content, list):
        for each in content:
            yield from leaves(each)
    else:
        yield str(content)


def options_of_airflow() -> set[str]:
    """The variables of all options that Airflow and the two providers have."""
    core = yaml.safe_load(files("airflow").joinpath("config_templates", "config.yml").read_text())
    sections = [core, of_kubernetes()["config"], of_fab()["config"]]
    return {
        f"AIRFLOW__{name.upper()}__{option.upper()}"
        for each in sections
        for name, section in each.items()
        for option in section["options"]
    }


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_fit_the_schema_of_kubernetes(folder: Path, name: str, release: str) -> None:
    for document in documents(folder, name):
        assert kubernetes_validate.validate(document, release, strict=True) == release


def test_what_does_not_fit_is_noticed(folder: Path) -> None:
    (pod,) = documents(folder, "pod_template.yaml")
    pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True  # the real one has a small s
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, RELEASES[-1], strict=True)


@pytest.mark.parametrize("name", ["task", "init"])
def test_pods_may_do_no_more_than_they_must(folder: Path, name: str) -> None:
    pod = pods(folder)[name]
    assert pod["automountServiceAccountToken"] is False
    of_pod = pod["securityContext"]
    assert (of_pod["runAsNonRoot"], of_pod["runAsUser"]) == (True, 50000), "the user of the Dockerfile"
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert {each["name"] for each in pod["volumes"]} == set(mounted)
    assert mounted["tmp"] == "/tmp"
    assert all("sizeLimit" in each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each)
    assert not any("hostPath" in each for each in pod["volumes"])


def test_the_chart_gives_airflow_the_same_hardening_as_tasks_have(folder: Path, values: dict[str, Any]) -> None:
    task = pods(folder)["task"]
    assert values["securityContexts"]["pod"] == task["securityContext"]
    assert values["securityContexts"]["containers"] == task["containers"][0]["securityContext"]
    for part in ("apiServer", "scheduler", "dagProcessor", "triggerer"):
        assert {"requests", "limits"} == set(values[part]["resources"])
    assert {each["name"] for each in values["volumes"]} == {each["name"] for each in values["volumeMounts"]}
    assert values["workers"]["kubernetes"]["serviceAccount"]["name"] == task["serviceAccountName"]


def test_no_secret_stands_in_a_file(folder: Path, configuration: dict[str, str], values: dict[str, Any]) -> None:
    kept = {name for name in configuration if name in SETTINGS and SETTINGS[name].is_secret}
    assert kept == set()
    with_password = re.compile(r"://[^/\s]*@")
    for name in (*MANIFESTS, "values.yaml"):
        assert not [
            text for document in documents(folder, name) for text in leaves(document) if with_password.search(text)
        ]
    for each in values["apiServer"]["env"]:
        assert "value" not in each, each["name"]


def test_every_variable_is_a_setting_of_ours_or_an_option_of_airflow(
    configuration: dict[str, str], values: dict[str, Any]
) -> None:
    known = {*SETTINGS, *options_of_airflow(), "TZ", LOGS}
    assert set(configuration) - known == set()
    assert {each["name"] for each in values["apiServer"]["env"]} - known == set()


def test_what_the_stack_on_one_host_says_too_is_the_same(
    configuration: dict[str, str], compose: dict[str, Any]
) -> None:
    there = {**compose["x-airflow"], **compose["x-stores"]}
    shared = set(there) & set(configuration)
    assert len(shared) > 15
    assert {name for name in shared if there[name] != configuration[name]} == DIFFERENT


def test_the_api_server_has_the_secrets_that_it_has_on_one_host(
    values: dict[str, Any], compose: dict[str, Any]
) -> None:
    there = {**compose["x-stores"], **compose["services"]["api-server"]["environment"]}
    secret = {name for name in there if name in SETTINGS and SETTINGS[name].is_secret}
    of_the_chart = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
    assert {each["name"] for each in values["apiServer"]["env"]} == {*secret, "AWS_ACCESS_KEY_ID"} - of_the_chart


def test_each_secret_and_its_keys_are_told_of(folder: Path, values: dict[str, Any]) -> None:
    told = (folder.parents[1] / "docs" / "kubernetes.md").read_text()
    needed = {"airflow-metadata": {"connection"}, "airflow-keys": {"fernet-key", "api-secret-key", "jwt-secret"}}
    for each in values["apiServer"]["env"]:
        reference = each["valueFrom"]["secretKeyRef"]
        needed.setdefault(reference["name"], set()).add(reference["key"])
    for pod in pods(folder).values():
        for source in pod["containers"][0]["envFrom"]:
            for reference in source.values():
                needed.setdefault(reference["name"], set())
    for name, keys in needed.items():
        assert f"`{name}`" in told, name
        assert {key for key in keys if f"`{key}`" not in told} == set(), name


def test_a_pod_with_more_memory_keeps_the_disk_of_the_template(folder: Path) -> None:
    resources = pods(folder)["task"]["containers"][0]["resources"]
    assert resources["requests"]["ephemeral-storage"] == DISK_REQUEST
    assert resources["limits"]["ephemeral-storage"] == DISK_LIMIT
