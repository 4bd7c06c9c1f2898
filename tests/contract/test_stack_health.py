"""Health checks of the stack: a heartbeat in Airflow's table of jobs, an answer over HTTP, and MLflow's settings."""

import socket
import threading
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from tests.contract.test_reading_only import sql

from perennial_stack import health, mlflow_server

JOB = "CREATE TABLE job (job_type text, hostname text, state text, latest_heartbeat timestamptz)"


@pytest.fixture
def jobs(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with a table as Airflow has it, as far as the check looks at it."""
    sql(database_url, JOB)
    address = database_url.replace("postgresql://", "postgresql+psycopg2://", 1)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", address)
    return database_url


@pytest.mark.parametrize(
    ("job", "host", "state", "age", "well"),
    [
        ("TriggererJob", socket.gethostname(), "running", 5, True),
        ("TriggererJob", socket.gethostname(), "running", 3600, False),
        ("TriggererJob", socket.gethostname(), "success", 5, False),
        ("TriggererJob", "elsewhere", "running", 5, False),
        ("SchedulerJob", socket.gethostname(), "running", 5, False),
    ],
)
def test_a_service_is_well_that_wrote_a_heartbeat_lately(
    jobs: str, job: str, host: str, state: str, age: int, well: bool
) -> None:
    sql(jobs, f"INSERT INTO job VALUES ('{job}', '{host}', '{state}', now() - interval '{age} s')")
    assert health.triggerer() is well


def test_each_job_has_its_own_heartbeat(jobs: str) -> None:
    for job, check in (("SchedulerJob", health.scheduler), ("DagProcessorJob", health.dag_processor)):
        assert not check()
        sql(jobs, f"INSERT INTO job VALUES ('{job}', '{socket.gethostname()}', 'running', now())")
        assert check()


@contextmanager
def answering(content: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "well"), [("healthy", True), ("unhealthy", False)])
def test_the_api_server_is_well_when_it_reaches_its_database(
    monkeypatch: pytest.MonkeyPatch, status: str, well: bool
) -> None:
    with answering(f'{{"metadatabase": {{"status": "{status}"}}}}'.encode()) as url:
        asked = health._get
        monkeypatch.setattr(health, "_get", lambda _: asked(url))
        assert health.api_server() is well


def test_every_part_of_the_stack_has_its_check(repository: Path) -> None:
    services = yaml.safe_load((repository / "docker-compose.yaml").read_text())["services"]
    tests = [service.get("healthcheck", {}).get("test", []) for service in services.values()]
    asked = {test[-1] for test in tests if "perennial_stack.health" in test}
    assert asked == set(health.CHECKS)


def test_mlflow_reads_its_settings_as_they_are_written() -> None:
    """MLflow reads them with this parser, which takes a percent sign for a reference."""
    address = "postgresql+psycopg2://mlflow:a%2Fb@postgres/mlflow"
    parser = ConfigParser()
    parser.read_string(mlflow_server.auth_settings(address))
    found = parser["mlflow"]
    assert (found["database_uri"], found["default_permission"]) == (address, "READ")
    assert "admin_password" not in found
