"""Secrets of the team's stack that are changed while it runs: the old one is refused, and the new one holds.

Each test does what docs/operations.md tells people to do, with the code that runs in `init`, on the real thing.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from tests.ports import free_port
from tests.servers import Run, WatchedPostgres, start_server
from tests.waiting import LOG_END, PATIENCE

from perennial_stack import databases, init, keys, mlflow_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(run: Run) -> Iterator[WatchedPostgres]:
    """A server of its own: the stack's users are those of the whole server."""
    server = WatchedPostgres(run, run.new_folder("stack") / "postgres" / "data", free_port())
    server.data.parent.mkdir()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def env(tmp_path: Path) -> Path:
    file = tmp_path / ".env"
    keys.make(file)
    return file


def made_anew(env: Path, name: str) -> tuple[str, str]:
    """Take the secret out of the file, and let `make secrets` make another; the old one and the new one."""
    old = keys.read(env)[name]
    lines = [line for line in env.read_text().splitlines() if not line.startswith(f"{name}=")]
    env.write_text("\n".join(lines) + "\n")
    assert keys.make(env) == [name]
    new = keys.read(env)[name]
    assert new != old
    assert keys.file_problems(env) == []
    return old, new


@pytest.mark.parametrize(("user", "variable"), databases.PASSWORDS.items())
def test_the_password_of_a_database_user_follows_the_file(
    server: WatchedPostgres, env: Path, user: str, variable: str
) -> None:
    superuser = server.url("postgres")
    databases.prepare(superuser, keys.read(env))
    database = next(each.name for each in databases.DATABASES if user in (each.owner, *each.others))

    def connect(password: str) -> "psycopg2.extensions.connection":
        return psycopg2.connect(f"postgresql://{user}:{password}@127.0.0.1:{server.port}/{database}")

    with closing(connect(keys.read(env)[variable])) as open_before:
        old, new = made_anew(env, variable)
        databases.prepare(superuser, keys.read(env))
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            connect(old)
        connect(new).close()
        with open_before.cursor() as cursor:  # who works at that moment is not thrown out
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (user,)


def test_what_the_old_fernet_key_encrypted_stays_readable_until_it_is_rotated(env: Path, tmp_path: Path) -> None:
    old, new = made_anew(env, "AIRFLOW_FERNET_KEY")
    both = {**keys.read(env), "AIRFLOW_FERNET_KEY": f"{new},{old}"}
    assert keys.problems(both) == []
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": old,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "contract" / "fernet_in_airflow.py", old, new],
        env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-LOG_END:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "before": "opened",
        "new alone": None,
        "both": "opened",
        "rotated, new": "opened",
        "rotated, old": None,
    }


@pytest.mark.parametrize("second", ["", "short", "46BKJoQYlPPOexq0OhDZnIlNepKFf87WFwLbfzqDDho="])
def test_a_second_fernet_key_is_looked_at_like_the_first(env: Path, second: str) -> None:
    values = keys.read(env)
    values["AIRFLOW_FERNET_KEY"] += f",{second}"
    (told,) = keys.problems(values)
    assert told.startswith("AIRFLOW_FERNET_KEY ")
    values = keys.read(env)
    values["READER_PASSWORD"] += f",{'abcdefghij' * 3}"
    assert keys.problems(values) == [
        "READER_PASSWORD has characters that mean something in a URL; use letters and digits."
    ]


def test_passwords_of_mlflow_follow_the_file_or_its_own_api(server: WatchedPostgres, env: Path, run: Run) -> None:
    values = {**keys.read(env), "POSTGRES_HOST": f"127.0.0.1:{server.port}"}
    databases.prepare(server.url("postgres"), values)
    folder, port = run.new_folder("mlflow-logins"), free_port()
    address = init._sqlalchemy(init._url_of(values, databases.MLFLOW))
    settings = folder / "basic_auth.ini"
    settings.write_text(mlflow_server.auth_settings(address).replace("ttl_seconds = 60", "ttl_seconds = 0"))
    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_BACKEND_STORE_URI": address,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": values["MLFLOW_SECRET_KEY"],
    }

    def initialised() -> None:
        """What `init` does at each `make compose-up`, in a process of its own as there."""
        step = "import os; from perennial_stack import init; init._mlflow_users(os.environ)"
        changed = {**os.environ, **environment, **values, **keys.read(env)}
        run.finish("init", [sys.executable, "-c", step], changed)

    initialised()
    url = f"http://127.0.0.1:{port}"
    arguments = ["-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(port)]
    arguments += ["--workers", "1", "--artifacts-destination", str(folder / "artifacts")]
    start_server(run, "mlflow-logins", arguments, folder, environment, f"{url}/health")

    def answer(user: str, password: str, path: str, body: dict[str, object], method: str = "POST") -> int:
        token = b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as got:
                return int(got.status)
        except urllib.error.HTTPError as error:
            return error.code

    def may_enter(user: str, password: str) -> bool:
        return answer(user, password, "/api/2.0/mlflow/experiments/search", {"max_results": 1}) == 200

    old, new = made_anew(env, "MLFLOW_PERENNIAL_PASSWORD")
    assert may_enter(init.MLFLOW_USER, old)
    assert not may_enter(init.MLFLOW_USER, new)
    initialised()
    assert may_enter(init.MLFLOW_USER, new)
    assert not may_enter(init.MLFLOW_USER, old)
    first = {"experiment_id": init.FIRST_EXPERIMENT}
    assert answer(init.MLFLOW_USER, new, "/api/2.0/mlflow/runs/create", dict(first)) == 200, "the doctor tries it there"

    old, new = values["MLFLOW_ADMIN_PASSWORD"], made_anew(env, "MLFLOW_ADMIN_PASSWORD")[1]
    initialised()
    assert may_enter(init.ADMIN, old), "a person's password is the person's: the file says the first one only"
    body: dict[str, object] = {"username": init.ADMIN, "password": new, "current_password": old}
    assert answer(init.ADMIN, old, "/api/2.0/mlflow/users/update-password", body, "PATCH") == 200
    assert may_enter(init.ADMIN, new)
    assert not may_enter(init.ADMIN, old)
