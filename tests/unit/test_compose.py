"""docker-compose.yaml, as far as it can be checked without Docker: structure, pins, ports, secrets, and the image."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def compose(repository: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((repository / "docker-compose.yaml").read_text())
    return content


def test_the_parts_of_the_system_are_services(compose: dict[str, Any]) -> None:
    parts = {"postgres", "mlflow", "airflow-init", "api-server", "scheduler", "dag-processor", "triggerer"}
    assert set(compose["services"]) == parts


def test_images_are_built_here_or_pinned(compose: dict[str, Any], repository: Path) -> None:
    for service in compose["services"].values():
        assert service.get("build") == "." or re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", service["image"])
    [base] = re.findall(r"^FROM (\S+)$", (repository / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)


def test_ports_are_bound_to_loopback(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_is_written_down(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD$|SECRET|FERNET", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name
            for password in re.findall(r"://\w+:([^@]+)@", value):
                assert password.startswith(("${POSTGRES_PASSWORD:?", "${PAGES_POSTGRES_PASSWORD:?")), name


def test_dependencies_and_volumes_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert volumes <= set(compose["volumes"])
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in compose["services"][name]


def test_the_image_holds_what_it_copies(repository: Path) -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (repository / "Dockerfile").read_text(), re.MULTILINE)
    for names in copied:
        for name in names.split():
            assert (repository / name).exists(), name
