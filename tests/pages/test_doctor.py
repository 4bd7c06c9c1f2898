"""`perennial doctor` beside a real Airflow: its API server, its database, its DAG files."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.pages.server import REPOSITORY, SIMPLE, PagesServer, start
from tests.servers import Run, WatchedPostgres
from tests.waiting import PATIENCE

CHECKS = ("airflow database", "jwt key", "fernet key", "dag parsing", "pools")
KEY, OTHER_KEY = (base64.urlsafe_b64encode(letter * 32).decode() for letter in (b"a", b"b"))
JWT, FERNET, DAGS = "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__CORE__DAGS_FOLDER"
SLOW = "# airflow DAG\nimport time\ntime.sleep({})\n"


@pytest.fixture(scope="module")
def airflow(run: Run, postgres: WatchedPostgres, shared_ledger_url: str) -> PagesServer:
    """The whole API server, and a variable in its database that was encrypted with `KEY`."""
    server = start(run, postgres, SIMPLE, shared_ledger_url, apps="all")
    command = [sys.executable, "-m", "airflow", "variables", "set", "greeting", "hello"]
    run.finish("a variable", command, server.environment | {FERNET: KEY})
    return server


def doctor(airflow: PagesServer, **changed: str) -> dict[str, dict[str, str]]:
    """What the checks in Airflow found, by their names."""
    chosen = [part for name in CHECKS for part in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "perennial.cli", "doctor", "--json", *chosen],
        env=airflow.environment | {FERNET: KEY} | changed, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert list(found) == list(CHECKS), done.stdout
    return found


def test_an_airflow_that_is_well(airflow: PagesServer) -> None:
    found = doctor(airflow, **{DAGS: str(REPOSITORY / "dags")})
    assert [each["found"] for each in found.values() if each["status"] != "ok"] == []
    assert "takes tokens that this host signs" in found["jwt key"]["found"]
    assert "reads 1 encrypted values" in found["fernet key"]["found"]
    assert "Only this host was checked" in found["fernet key"]["found"]
    assert found["dag parsing"]["found"].endswith(" of 30 s")


def test_keys_of_another_airflow_and_a_slow_dag_file(airflow: PagesServer, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(5.1))
    other_jwt = "another key, which is long enough to sign with, but is not that of the API server"
    found = doctor(
        airflow,
        **{JWT: other_jwt, FERNET: OTHER_KEY, DAGS: str(tmp_path), "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "10"},
    )
    assert {name: each["status"] for name, each in found.items()} == {
        "airflow database": "ok", "jwt key": "fail", "fernet key": "fail", "dag parsing": "warn",
        "pools": "ok",
    }  # fmt: skip
    assert "refuses a token that this host signed" in found["jwt key"]["found"]
    assert "the same [api_auth] jwt_secret" in found["jwt key"]["todo"]
    assert "1 of 1 values" in found["fernet key"]["found"]
    assert "variable greeting" in found["fernet key"]["found"]
    assert "dag_file_processor_timeout" in found["dag parsing"]["todo"]
    assert other_jwt not in str(found)
    assert OTHER_KEY not in str(found)


def test_an_airflow_of_which_nothing_is_there(airflow: PagesServer, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(60))
    found = doctor(
        airflow,
        **{
            DAGS: str(tmp_path),
            FERNET: "",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:1/execution/",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url.replace("postgresql://", "postgresql+psycopg2://"),
        },
    )
    assert [each["status"] for each in found.values()] == ["fail"] * 5
    assert found["airflow database"]["todo"] == "Run `airflow db migrate`."
    assert "http://127.0.0.1:1/execution did not answer" in found["jwt key"]["found"]
    assert "fernet_key is empty" in found["fernet key"]["found"]
    assert "slow.py" in found["dag parsing"]["found"]
    assert "imeout" in found["dag parsing"]["found"]


def test_pools_that_are_not_there_and_one_without_slots(airflow: PagesServer, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "include" / "use_cases", tmp_path, dirs_exist_ok=True)
    spec = tmp_path / "flight_delays" / "use_case.yaml"
    spec.write_text(f"{spec.read_text()}\nairflow: {{pool: scoring, tasks: {{train: {{pool: closed}}}}}}\n")
    command = [sys.executable, "-m", "airflow", "pools", "set", "closed", "0", "none now"]
    subprocess.run(command, env=airflow.environment, check=True, timeout=PATIENCE, capture_output=True)
    found = doctor(airflow, **{DAGS: str(tmp_path), "PERENNIAL_USE_CASES": str(tmp_path)})["pools"]
    assert found["status"] == "fail"
    assert "there is no pool scoring (flight_delays); without slots are closed (flight_delays)" in found["found"]
    assert "airflow pools set" in found["todo"]
