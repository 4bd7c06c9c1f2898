"""A real local system for the end-to-end tests: the supervisor that users start, on ports and a home of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import yaml
from tests.conftest import free_port

from perennial.ports import Ports
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.wiring import open_ports

ROOT = Path(__file__).parents[2]
START_PATIENCE = 240.0
DONE = {"success", "failed"}


@dataclass
class System:
    """A running system. Its flight_delays retrains sooner than the repository's, so that little data shows it."""

    home: Path
    url: str
    environment: Mapping[str, str]
    settings: Settings
    ports: Ports
    client: httpx.Client

    def api(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.request(method, f"/api/v2/{path}", json=body or None)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:800]}"
        result: dict[str, Any] = answer.json() if answer.content else {}
        return result

    def trigger(self, dag_id: str, run_id: str, **conf: str | bool) -> None:
        self.api("POST", f"dags/{dag_id}/dagRuns", dag_run_id=run_id, logical_date=None, conf=conf)

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 180.0) -> str:
        wait_until(lambda: self.run_state(dag_id, run_id) in DONE, seconds, f"{dag_id} {run_id} to end")
        return self.run_state(dag_id, run_id)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        found = self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api("GET", f"dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
        return found

    def backfill(self, dag_id: str, first: datetime, last: datetime, reprocess: str = "none") -> list[dict[str, Any]]:
        """Backfill the windows that start from `first` to `last`, and return their runs when all have ended."""
        made = self.api(
            "POST", "backfills", dag_id=dag_id, from_date=first.isoformat(), to_date=last.isoformat(),
            reprocess_behavior=reprocess, max_active_runs=2, run_on_latest_version=False,
        )  # fmt: skip

        def ended() -> bool:
            return self.api("GET", f"backfills/{made['id']}")["completed_at"] is not None

        wait_until(ended, 300.0, f"the backfill of {dag_id}")
        inside = [run for run in self.runs(dag_id) if run["run_type"] == "backfill" and run["logical_date"]]
        stamped = [(datetime.fromisoformat(run["logical_date"]), run) for run in inside]
        return [run for at, run in sorted(stamped, key=lambda pair: pair[0]) if first <= at <= last]

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        answer = self.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1")
        return answer.text

    def sql(self, database: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement in one of the system's databases and commit it."""
        url = self.environment["AIRFLOW_CONN_FLIGHTS_DB"].rsplit("/", 1)[0] + f"/{database}"
        connection = psycopg2.connect(url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `perennial` as a user would in a shell beside the system."""
        return subprocess.run(
            [sys.executable, "-m", "perennial.cli", *arguments],
            env={**os.environ, "PERENNIAL_HOME": str(self.home)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.3)


def quick_use_cases(folder: Path) -> Path:
    """The repository's use cases; flight_delays learns from 40 days and acts on two alarms in three windows."""
    copied = shutil.copytree(ROOT / "include" / "use_cases", folder / "use_cases")
    path = copied / "flight_delays" / "use_case.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["training"] |= {"history": "40d", "holdout": "7d"}
    spec["monitoring"] |= {
        "false_alarms": "1 per 20 windows",
        "persistence": {"alarms": 2, "of": 3},
        "trailing_windows": 3,
        "cooldown": "7d",
    }
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    return copied


@contextmanager
def running_system(folder: Path) -> Iterator[System]:
    """Start it with the command behind `make run`, without the demonstration; stop it with SIGTERM."""
    home = folder / "home"
    environment = {
        **os.environ,
        "PERENNIAL_HOME": str(home),
        "PERENNIAL_USE_CASES": str(quick_use_cases(folder)),
    }
    log = folder / "supervisor.log"
    port = free_port()
    command = [sys.executable, "-m", "perennial_local", "run", "--no-demo", "--port", str(port)]
    with log.open("w") as output:
        supervisor = subprocess.Popen(
            [*command, "--mlflow-port", str(free_port())], env=environment, stdout=output, stderr=output
        )
    try:
        system = _connect(home, f"http://127.0.0.1:{port}", supervisor, log)
        yield system
        system.client.close()
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(90)


def _connect(home: Path, url: str, supervisor: "subprocess.Popen[bytes]", log: Path) -> System:
    def up() -> bool:
        assert supervisor.poll() is None, f"the supervisor ended:\n{log.read_text()}"
        return "Press Ctrl-C" in log.read_text()

    wait_until(up, START_PATIENCE, f"the system to start; it said:\n{log.read_text()}")
    settings = Settings.from_environment({"PERENNIAL_HOME": str(home)})
    client = httpx.Client(base_url=url, timeout=60, trust_env=False)
    passwords = yaml.safe_load((home / "airflow" / "passwords.json").read_text())
    ((user, password),) = passwords.items()
    token = client.post("/auth/token", json={"username": user, "password": password}).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    ports = open_ports(settings, EnvironmentConnections(settings.environment))
    system = System(home, url, settings.environment, settings, ports, client)
    wanted = {f"flight_delays.{kind}" for kind in ("predict", "evaluate", "retrain", "rollback")}
    wait_until(
        lambda: wanted <= {dag["dag_id"] for dag in system.api("GET", "dags?limit=100")["dags"]}, 120, "the DAGs"
    )
    for dag_id in wanted:
        system.api("PATCH", f"dags/{dag_id}", is_paused=False)
    return system
