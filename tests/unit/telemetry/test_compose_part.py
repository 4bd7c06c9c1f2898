"""Prometheus and Grafana in the stack: only when asked for, pinned, without rights, and with no known password."""

import re
from typing import Any

import pytest
import yaml
from tests.unit.telemetry.test_dashboard import DEPLOY

FILE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = FILE["services"]


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_services_are_pinned_and_may_nothing(service: dict[str, Any]) -> None:
    assert service["profiles"] == ["observe"]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "logging", "healthcheck"} <= set(service)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_what_is_mounted_is_there_and_read_only() -> None:
    for service in SERVICES.values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), source
                assert volume.endswith(":ro")
            else:
                assert source in FILE["volumes"]


def test_secrets_are_files() -> None:
    assert set(FILE["secrets"]) == {name for service in SERVICES.values() for name in service["secrets"]}
    text = (DEPLOY / "compose.yaml").read_text()
    assert not re.search(r"PASSWORD: |_TOKEN: ", text)


def test_the_scraper_sends_the_token_of_the_secret() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert job["authorization"] == {"type": "Bearer", "credentials_file": "/run/secrets/metrics_token"}
    assert job["metrics_path"] == "/perennial/metrics"
