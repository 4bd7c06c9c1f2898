"""The stack as `make compose-test` has it: started by Compose, asked by its API, looked into by SQL."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from tests.compose import checks

from perennial_stack import keys

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yaml", "tests/compose/docker-compose.yaml")
PROJECT = "perennial-test"
STAYING = ("api-server", "scheduler", "dag-processor", "triggerer", "mlflow", "worker")
WORKERS = 2
PATIENCE = 600.0  # seconds; only what hangs takes so long
PASSWORD = "a-password-for-tests-0123456789"


@dataclass
class Stack:
    """Compose's project, with what it was told."""

    variables: Mapping[str, str]
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.variables['AIRFLOW_PORT']}"

    @property
    def mlflow(self) -> str:
        return f"http://127.0.0.1:{self.variables['MLFLOW_PORT']}"

    def compose(self, *arguments: str, check: bool = True) -> str:
        """What the command printed."""
        done = self.run("docker", "compose", *arguments)
        assert done.returncode == 0 or not check, f"docker compose {' '.join(arguments)}: {done.stdout[-3000:]}"
        return done.stdout

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **self.variables}, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def up(self) -> None:
        """Build what is to be built, start everything, and wait until all that stays is healthy."""
        self.compose("up", "--build", "--detach", "--wait", f"--scale=worker={WORKERS}", *STAYING)
        self.tokens.clear()

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def sql(self, database: str, statement: str) -> checks.Rows:
        with closing(psycopg2.connect(self.database(database), connect_timeout=10)) as session:
            session.autocommit = True
            with session.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def database(self, name: str) -> str:
        password, port = self.variables["POSTGRES_PASSWORD"], self.variables["TEST_POSTGRES_PORT"]
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/{name}"

    def ask(self, user: str, method: str, path: str, **body: Any) -> httpx.Response:
        """An answer of Airflow to somebody who has logged in."""
        headers = {"Authorization": f"Bearer {self._token(user)}", "Accept": "application/json"}
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False, headers=headers) as client:
            return client.request(method, path, json=body or None)

    def _token(self, user: str) -> str:
        if user not in self.tokens:
            password = self.variables["AIRFLOW_ADMIN_PASSWORD"] if user == "admin" else PASSWORD
            with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
                answer = client.post("/auth/token", json={"username": user, "password": password})
            assert answer.is_success, f"{user} can't log in: {answer.text}"
            self.tokens[user] = answer.json()["access_token"]
        return self.tokens[user]

    def wait(self, condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Until the condition holds; services that are restarted meanwhile may refuse to answer."""
        deadline = time.monotonic() + patience
        last: Exception | None = None
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
                last = None
            except (httpx.TransportError, psycopg2.OperationalError, AssertionError, KeyError, ValueError) as error:
                last = error
            time.sleep(1)
        raise AssertionError(f"waited in vain for {what}; last: {last!r}")

    def memory(self) -> dict[str, str]:
        """What each container has in memory now."""
        lines = self.run("docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").stdout
        parts = (line.split() for line in lines.splitlines() if line.startswith(PROJECT))
        return {name.removeprefix(f"{PROJECT}-"): used for name, used, *_ in parts}


def variables(folder: Path, use_cases: Path, port: Callable[[], int]) -> dict[str, str]:
    """What Compose is told: new secrets, and the places of this run."""
    file = folder / "env"
    keys.make(file)
    airflow = str(port())
    return {
        **keys.read(file),
        "COMPOSE_PROJECT_NAME": PROJECT,
        "COMPOSE_FILE": os.pathsep.join(FILES),
        "COMPOSE_DISABLE_ENV_FILE": "1",
        "BASE_IMAGE": "perennial-test/base",
        "AIRFLOW_PORT": airflow,
        "AIRFLOW_URL": f"http://127.0.0.1:{airflow}",
        "MLFLOW_PORT": str(port()),
        "HEARTBEAT_TIMEOUT": "60",
        "TEST_POSTGRES_PORT": str(port()),
        "TEST_FLIGHTS_PASSWORD": PASSWORD,
        "TEST_USE_CASES": str(use_cases),
    }


def states(stack: Stack, dag_id: str, run_ids: Sequence[str] = ()) -> dict[str, str]:
    """The state of each run of the DAG, as the administrator sees them."""
    found = stack.ask("admin", "GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=100&order_by=-id").json()["dag_runs"]
    return {run["dag_run_id"]: run["state"] for run in found if not run_ids or run["dag_run_id"] in run_ids}
