"""Airflow's own API server with the pages in it, as `airflow api-server` starts it, on a database of its own."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from tests.pages.prepare_airflow import OWN_ROLES, ROLES, USE_CASES
from tests.ports import free_port
from tests.servers import Run, WatchedPostgres
from tests.waiting import ended, wait_until

REPOSITORY = Path(__file__).parents[2]
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
USERS = {SIMPLE: ("viewer", "user", "op", "admin"), FAB: (*ROLES, *OWN_ROLES)}
# A developer's own Airflow, and pytest's, must not leak in.
FOREIGN = ("AIRFLOW_", "PERENNIAL_", "PYTEST_", "_AIRFLOW")
_kept: "list[subprocess.Popen[bytes]]" = []  # the watchdog ends them; what Python no longer knew, it would warn of


@dataclass
class PagesServer:
    """A running API server: `ask` sends an address as it stands, as a user or as nobody."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    users: tuple[str, ...]
    environment: dict[str, str]
    _tokens: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        address: str,
        user: str | None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> httpx.Response:
        """The answer to an address, of which nothing is tidied up on the way; `address` begins with a slash."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
        try:
            sent = {**({"Authorization": f"Bearer {self.token(user)}"} if user else {}), **(headers or {})}
            connection.request(method, address, body, sent)
            answer = connection.getresponse()
            return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
        finally:
            connection.close()

    def token(self, user: str) -> str:
        """What the login gives to the user, whose password is the name."""
        if user not in self._tokens:
            answer = httpx.post(
                f"{self.url}/auth/token", json={"username": user, "password": user}, timeout=120, trust_env=False
            )
            assert answer.is_success, f"{user}: {answer.status_code} {answer.text[:500]}"
            self._tokens[user] = answer.json()["access_token"]
        return self._tokens[user]

    def is_healthy(self) -> bool:
        """Airflow itself works: its health names its database as healthy."""
        answer = self.ask("/api/v2/monitor/health", None)
        return answer.status_code == 200 and answer.json()["metadatabase"]["status"] == "healthy"


def airflow_database(run: Run, postgres: WatchedPostgres) -> str:
    """The name of a database with Airflow's tables and the rows of `prepare_airflow`, to copy."""

    def make() -> str:
        name, folder = postgres.new_database("airflow"), run.new_folder("airflow-tables")
        environment = airflow_environment(folder, postgres.url(name), FAB, free_port())
        run.finish("airflow's tables", [sys.executable, Path(__file__).with_name("prepare_airflow.py")], environment)
        return name

    return run.once("airflow-tables", make)


def start(run: Run, postgres: WatchedPostgres, auth_manager: str, ledger: str, apps: str = "core") -> PagesServer:
    """An API server whose pages read the ledger at that address; with `apps` "all" tasks can report to it, too."""
    folder, port = run.new_folder("pages"), free_port()
    database = postgres.url(postgres.new_database("airflow", airflow_database(run, postgres)))
    environment = airflow_environment(folder, database, auth_manager, port) | {
        "PERENNIAL_HOME": str(folder / "home"),
        "PERENNIAL_USE_CASES": str(use_cases(folder / "use_cases")),
        "PERENNIAL_MLFLOW_URL": "http://127.0.0.1:1",
        "AIRFLOW_CONN_PERENNIAL_LEDGER": ledger,
        "AIRFLOW_CONN_PERENNIAL_PUBLISHED": ledger,
    }
    log = folder / "api-server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server", "--apps", apps], env=environment,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, start_new_session=True,
        )  # fmt: skip
    _kept.append(process)
    run.watch("api-server", process.pid)
    server = PagesServer(f"http://127.0.0.1:{port}", process, log, USERS[auth_manager], environment)

    def answers() -> bool:
        try:
            return server.is_healthy()
        except OSError:
            return False

    wait_until(answers, "Airflow's API server", lambda: ended(process, log))
    return server


def use_cases(folder: Path) -> Path:
    """The use cases that the DAGs are of, like flight_delays."""
    for name in USE_CASES:
        spec = shutil.copytree(REPOSITORY / "include" / "use_cases" / "flight_delays", folder / name) / "use_case.yaml"
        spec.write_text(re.sub(r"^name: .*$", f"name: {name}", spec.read_text(), flags=re.MULTILINE))
    return folder


def airflow_environment(folder: Path, database: str, auth_manager: str, port: int) -> dict[str, str]:
    """The settings of an Airflow whose files lie in the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    passwords, dags = folder / "passwords.json", folder / "dags"
    passwords.write_text(json.dumps({user: user for user in USERS[SIMPLE]}))
    dags.mkdir(exist_ok=True)
    options = {
        "CORE__AUTH_MANAGER": auth_manager,
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__FERNET_KEY": "",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{user}" for user in USERS[SIMPLE]),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "DATABASE__SQL_ALCHEMY_CONN": database.replace("postgresql://", "postgresql+psycopg2://"),
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": f"http://127.0.0.1:{port}",
        "API__WORKERS": "1",
        "API__SECRET_KEY": "for tests only, long enough to sign with",
        "API_AUTH__JWT_SECRET": "for tests only, long enough to sign with, and then a little longer still",
        "LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
    }
    return {**kept, "AIRFLOW_HOME": str(folder), **{f"AIRFLOW__{name}": value for name, value in options.items()}}
