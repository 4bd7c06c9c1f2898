"""A real local system for the end-to-end tests: the supervisor that users start, on ports and a home of its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2
import yaml
from tests.ports import free_port
from tests.servers import Run
from tests.waiting import LOG_END, PATIENCE, ended, wait_until

from perennial.ports import Ports
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.wiring import open_ports

ROOT = Path(__file__).parents[2]
DONE = {"success", "failed"}
LOOK_EVERY = 0.3  # seconds; each look costs the API server some work
NO_MORE: Mapping[str, Any] = {}
EXECUTOR = os.environ.get("TEST_EXECUTOR", "local")
# How each executor's system is started.
COMMANDS = {
    "local": ("perennial_local", "run", "--no-demo"),
    "celery": ("tests.executors", "celery"),
    "kubernetes": ("tests.executors", "kubernetes"),
}
# Where the one that does the tasks logs, and a line of it.
WITNESSES = {
    "local": ("scheduler", "Worker starting up pid="),
    "celery": ("worker", "Executing workload in Celery"),
    "kubernetes": ("kubelet", " has succeeded"),
}
STOPPING = 60.0  # seconds for the supervisor to stop everything, when the run of the tests was killed


@dataclass
class System:
    """A running system. Its flight_delays retrains sooner than the repository's, so that little data shows it."""

    home: Path
    url: str
    environment: Mapping[str, str]
    settings: Settings
    ports: Ports
    client: httpx.Client
    supervisor: "subprocess.Popen[bytes]"
    supervisor_log: Path

    def wait_until(
        self, condition: Callable[[], bool], what: str, hopeless: Callable[[], str | None] = lambda: None
    ) -> None:
        """Wait as long as the system runs and `hopeless` knows no reason to stop."""

        def lost() -> str | None:
            return ended(self.supervisor, self.supervisor_log) or hopeless()

        wait_until(condition, what, lost, LOOK_EVERY)

    def api(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = self.client.request(method, f"/api/v2/{path}", json=body or None)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:800]}"
        result: dict[str, Any] = answer.json() if answer.content else {}
        return result

    def trigger(self, dag_id: str, run_id: str, **conf: str | bool) -> None:
        self.api("POST", f"dags/{dag_id}/dagRuns", dag_run_id=run_id, logical_date=None, conf=conf)

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def succeed(self, dag_id: str, run_id: str) -> None:
        """Wait for the run to end well; else the error shows the logs of its failed tasks."""
        self.wait_until(lambda: self.run_state(dag_id, run_id) in DONE, f"{dag_id} {run_id} to end")
        assert self.run_state(dag_id, run_id) == "success", self.why(dag_id, run_id)

    def why(self, dag_id: str, run_id: str) -> str:
        """The ends of the logs of the run's failed tasks."""
        failed = [name for name, task in self.tasks(dag_id, run_id).items() if task["state"] == "failed"]
        logs = (f"{dag_id} {run_id} {name}:\n{self.log(dag_id, run_id, name)[-LOG_END:]}" for name in failed)
        return "\n".join(logs) or f"{dag_id} {run_id}: no task failed by itself"

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        found = self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api("GET", f"dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
        return found

    def note(self, dag_id: str, run_id: str) -> str:
        """The run's note, as the web interface shows it."""
        return str(self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")["note"])

    def find_dags(self, *wanted: str) -> None:
        """Wait until Airflow knows the DAGs of use cases that were written just now."""
        self._parse().raise_for_status()

        def known() -> bool:
            return set(wanted) <= {dag["dag_id"] for dag in self.api("GET", "dags?limit=100")["dags"]}

        self.wait_until(known, f"the DAGs {', '.join(wanted)}")

    def find_tasks(self, dag_id: str, *wanted: str) -> None:
        """Wait until Airflow has these tasks in a DAG that it knew before; it stores a DAG anew after half a minute."""

        def known() -> bool:
            if set(wanted) <= {task["task_id"] for task in self.api("GET", f"dags/{dag_id}/tasks")["tasks"]}:
                return True
            self._parse()
            return False

        self.wait_until(known, f"the tasks {', '.join(wanted)} of {dag_id}")

    def _parse(self) -> httpx.Response:
        token = self.api("GET", "dags/flight_delays.predict")["file_token"]
        return self.client.put(f"/api/v2/parseDagFile/{token}")

    def begin(self, dag_id: str, first: datetime, last: datetime, reprocess: str = "none") -> "Backfill":
        """Begin to backfill the windows that start from `first` to `last`."""
        self.wait_for_backfills(dag_id)
        made = self.api(
            "POST", "backfills", dag_id=dag_id, from_date=first.isoformat(), to_date=last.isoformat(),
            reprocess_behavior=reprocess, max_active_runs=2, run_on_latest_version=False,
        )  # fmt: skip
        return Backfill(made["id"], dag_id, first, last)

    def finish(self, backfill: "Backfill") -> list[dict[str, Any]]:
        """The backfill's runs, when all have ended."""

        def complete() -> bool:
            return self.api("GET", f"backfills/{backfill.id}")["completed_at"] is not None

        self.wait_until(complete, f"{backfill} to end")
        inside = [run for run in self.runs(backfill.dag_id) if run["run_type"] == "backfill" and run["logical_date"]]
        stamped = [(datetime.fromisoformat(run["logical_date"]), run) for run in inside]
        in_order = sorted(stamped, key=lambda pair: pair[0])
        return [run for at, run in in_order if backfill.first <= at <= backfill.last]

    def finish_well(self, backfill: "Backfill") -> list[dict[str, Any]]:
        """The backfill's runs, all of which ended well; else the error shows the logs of what failed."""
        runs = self.finish(backfill)
        failed = [run["dag_run_id"] for run in runs if run["state"] != "success"]
        assert not failed, "\n".join(self.why(backfill.dag_id, run_id) for run_id in failed)
        return runs

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        tries = self.tasks(dag_id, run_id)[task_id]["try_number"]
        return self.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{tries}").text

    def wait_for_backfills(self, dag_id: str) -> None:
        """Wait for the DAG's backfills to end; Airflow allows one at a time."""

        def none_is_active() -> bool:
            found = self.api("GET", f"backfills?dag_id={dag_id}")["backfills"]
            return all(backfill["completed_at"] is not None for backfill in found)

        self.wait_until(none_is_active, f"the backfills of {dag_id} to end")

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

    def python(self, script: str) -> str:
        """What a script prints that runs as a process of the system would."""
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **self.environment}, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-LOG_END:]
        return done.stdout

    def start_command(self, *arguments: str) -> "subprocess.Popen[str]":
        """Run `perennial` as a user would in a shell beside the system."""
        return subprocess.Popen(
            [sys.executable, "-m", "perennial.cli", *arguments],
            env={**os.environ, "PERENNIAL_HOME": str(self.home)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@dataclass(frozen=True)
class Backfill:
    """A backfill of Airflow that was begun."""

    id: int
    dag_id: str
    first: datetime
    last: datetime


def quick_use_cases(folder: Path, more: Mapping[str, Any]) -> Path:
    """The repository's use cases; flight_delays learns from 45 days and acts on two alarms in three windows.

    Of seven days' labels not even what spring changed is beyond chance, so that judging takes fourteen. `more` keys
    are added to its spec.
    """
    copied = shutil.copytree(ROOT / "include" / "use_cases", folder / "use_cases")
    path = copied / "flight_delays" / "use_case.yaml"
    spec = yaml.safe_load(path.read_text())
    spec["training"] |= {"history": "45d", "holdout": "14d"}
    spec["monitoring"] |= {
        "false_alarms": "1 per 15 windows",
        "persistence": {"alarms": 2, "of": 3},
        "trailing_windows": 3,
        "cooldown": "7d",
        "max_age": None,
    }
    spec["airflow"] = {"priority_weight": 5, "tasks": {"score": {"retries": 3}}}
    path.write_text(yaml.safe_dump(spec | dict(more), sort_keys=False))
    return copied


@contextmanager
def running_system(folder: Path, run: Run, more: Mapping[str, Any] = NO_MORE) -> Iterator[System]:
    """Start it with the command behind `make run`, without the demonstration, under the executor that was asked for.

    It is stopped with SIGTERM, and leaves no process behind.
    """
    home = folder / "home"
    environment = {
        **os.environ,
        "PERENNIAL_HOME": str(home),
        "PERENNIAL_USE_CASES": str(quick_use_cases(folder, more)),
    }
    log = folder / "supervisor.log"
    port = free_port()
    command = [sys.executable, "-m", *COMMANDS[EXECUTOR], "--port", str(port), "--mlflow-port", str(free_port())]
    with log.open("w") as output:
        supervisor = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=ROOT)
    run.watch("the local system", supervisor.pid, signal.SIGTERM, STOPPING)
    try:
        system = _connect(home, f"http://127.0.0.1:{port}", supervisor, log)
        yield system
        system.client.close()
    finally:
        started = _below(supervisor.pid)
        supervisor.send_signal(signal.SIGTERM)
        try:
            supervisor.wait(PATIENCE)
        finally:
            supervisor.kill()  # its watchdog ends the rest
            supervisor.wait()
        psutil.wait_procs(started, STOPPING)
        assert [process for process in started if _lives(process)] == []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _connect(home: Path, url: str, supervisor: "subprocess.Popen[bytes]", log: Path) -> System:
    wait_until(lambda: "Press Ctrl-C" in log.read_text(), "the system to start", lambda: ended(supervisor, log))
    settings = Settings.from_environment({"PERENNIAL_HOME": str(home)})
    client = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)
    passwords = yaml.safe_load((home / "airflow" / "passwords.json").read_text())
    ((user, password),) = passwords.items()
    token = client.post("/auth/token", json={"username": user, "password": password}).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    ports = open_ports(settings, EnvironmentConnections(settings.environment))
    system = System(home, url, settings.environment, settings, ports, client, supervisor, log)
    wanted = {f"flight_delays.{kind}" for kind in ("predict", "evaluate", "retrain", "rollback")}
    system.wait_until(
        lambda: wanted <= {dag["dag_id"] for dag in system.api("GET", "dags?limit=100")["dags"]}, "the DAGs"
    )
    for dag_id in wanted:
        system.api("PATCH", f"dags/{dag_id}", is_paused=False)
    return system
