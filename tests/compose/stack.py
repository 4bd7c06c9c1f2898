"""The stack as `make compose-test` has it: started by Compose, asked by its API, looked into by SQL."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
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
STAYING = ("api-server", "scheduler", "dag-processor", "triggerer", "mlflow", "worker", "prometheus")
STAND_INS = ("init", "postgres", "valkey", "s3", "prometheus")  # what is built; the first is our own image
IMAGE = "perennial:0.1.0"
WORKERS = 2
PATIENCE = 600.0  # seconds; only what hangs takes so long
ANSWERS = 300.0  # seconds; a backfill of 200 runs is answered when all are made
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

    def build(self) -> None:
        """Build what is to be built, once: our image, and the stand-ins."""
        self.compose("build", *STAND_INS)

    def up(self, workers: int = WORKERS) -> None:
        """Start everything that does not run as it should, and wait until all that stays is healthy."""
        self.compose("up", "--no-build", "--detach", "--wait", f"--scale=worker={workers}", *STAYING)
        self.tokens.clear()

    def build_next(self) -> None:
        """Make an image with changed code, under the name that the services start from."""
        context = "tests/compose/images/next"
        made = self.run(
            "docker", "build", "--quiet", "--network=host", f"--build-arg=CURRENT={IMAGE}", f"--tag={IMAGE}", context
        )
        assert made.returncode == 0, made.stdout

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def running_since(self, service: str) -> str:
        """Which container of a service runs, and since when."""
        (container,) = self.containers(service)
        said = self.run("docker", "inspect", "--format={{.Id}} {{.State.Running}} {{.State.StartedAt}}", container)
        assert said.returncode == 0, said.stdout
        return said.stdout.strip()

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
        headers = {"Authorization": f"Bearer {self.token(user)}", "Accept": "application/json"}
        with httpx.Client(base_url=self.url, timeout=ANSWERS, trust_env=False, headers=headers) as client:
            return client.request(method, path, json=body or None)

    def token(self, user: str) -> str:
        """What somebody who has logged in shows to Airflow."""
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

    def memory(self) -> dict[str, float]:
        """What each service has in memory now, in MiB; of several containers, the one that has most."""
        lines = self.run("docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").stdout
        found: dict[str, float] = {}
        for name, used, *_ in (line.split() for line in lines.splitlines() if line.startswith(PROJECT)):
            service = name.removeprefix(f"{PROJECT}-").rpartition("-")[0]
            if not used[0].isdigit():  # it ends just now
                continue
            found[service] = max(found.get(service, 0.0), _mebibytes(used))
        return found


def _mebibytes(text: str) -> float:
    """
    >>> _mebibytes("1.5GiB"), _mebibytes("512KiB")
    (1536.0, 0.5)
    """
    number = text.rstrip("KMGiB")
    return float(number) * {"K": 1 / 1024, "M": 1.0, "G": 1024.0}.get(text[len(number) :][:1], 1 / 1024**2)


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
        "COMPOSE_PROFILES": "observe",  # what belongs to it is stopped with the rest; Grafana is not started
        "BASE_IMAGE": "perennial-test/base",
        "AIRFLOW_PORT": airflow,
        "AIRFLOW_URL": f"http://127.0.0.1:{airflow}",
        "MLFLOW_PORT": str(port()),
        "HEARTBEAT_TIMEOUT": "60",
        "TEST_POSTGRES_PORT": str(port()),
        "TEST_FLIGHTS_PASSWORD": PASSWORD,
        "TEST_USE_CASES": str(use_cases),
    }
