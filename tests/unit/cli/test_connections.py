"""The command line's connections: the environment's first, then those of the Airflow beside it."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from perennial.cli.connections import CommandLineConnections, no_airflow_here
from perennial.errors import InvalidSettings, SourceUnavailable

DATABASE = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://there"}


class Airflow:
    """Stands for `airflow connections get`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, output: str = "", error: str = "", code: int = 0) -> None:
        self.calls: list[list[str]] = []
        self.environments: list[dict[str, str]] = []

        def run(command: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
            self.calls.append(command)
            self.environments.append(env)
            return subprocess.CompletedProcess(command, code, output, error)

        monkeypatch.setattr("perennial.cli.connections.subprocess.run", run)


def printed(uri: str) -> str:
    return "a line of a log [info]\n" + json.dumps([{"conn_id": "shop", "get_uri": uri}]) + "\n"


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow(monkeypatch, printed("postgres://there"))
    found = CommandLineConnections({**DATABASE, "AIRFLOW_CONN_SHOP": "postgresql://here"})
    assert found.url("shop") == "postgresql://here"
    assert airflow.calls == []


def test_then_airflow_is_asked_once_with_the_environment_that_sets_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow(monkeypatch, printed("postgres://ann:p%40ss@db:5432/shop?sslmode=require"))
    found = CommandLineConnections(DATABASE)
    assert found.url("shop") == "postgresql://ann:p%40ss@db:5432/shop?sslmode=require"
    assert found.url("shop").startswith("postgresql://")
    assert airflow.calls == [[sys.executable, "-m", "airflow", "connections", "get", "shop", "--output", "json"]]
    assert airflow.environments == [DATABASE]


def test_threads_that_ask_at_once_ask_airflow_once_also_when_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow(monkeypatch, error="Connection not found.", code=1)
    found = CommandLineConnections(DATABASE)

    def ask(_: int) -> str:
        with pytest.raises(InvalidSettings) as raised:
            found.url("shop")
        return str(raised.value)

    with ThreadPoolExecutor(8) as threads:
        (said,) = set(threads.map(ask, range(8)))
    assert "has no such connection" in said
    assert len(airflow.calls) == 1


def test_an_airflow_cfg_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("[database]\n")
    Airflow(monkeypatch, printed("aws://key:secret@/"))
    assert CommandLineConnections({"AIRFLOW_HOME": str(tmp_path)}).url("lake") == "aws://key:secret@/"


def test_the_configuration_that_airflow_writes_by_itself_is_no_airflow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It names a SQLite file, in which a worker on a queue never makes a table."""
    airflow, file = Airflow(monkeypatch, printed("aws://key:secret@/")), tmp_path / "airflow.db"
    (tmp_path / "airflow.cfg").write_text(f"[database]\nsql_alchemy_conn = sqlite:///{file}\n[core]\nfree = 100%\n")
    here = {"AIRFLOW_HOME": str(tmp_path)}
    assert "airflow.db of" in no_airflow_here(here)
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        assert f"{file} of {tmp_path}/airflow.cfg has no tables" in no_airflow_here(here)
        with pytest.raises(InvalidSettings, match="has no tables"):
            CommandLineConnections(here).url("lake")
        assert airflow.calls == []
        database.execute("CREATE TABLE connection (conn_id TEXT)")
    assert no_airflow_here(here) == ""
    assert CommandLineConnections(here).url("lake") == "aws://key:secret@/"


def test_a_file_with_tables_counts_whatever_follows_its_name(tmp_path: Path) -> None:
    here, file = {"AIRFLOW_HOME": str(tmp_path)}, tmp_path / "airflow.db"
    address = f"sqlite:///{file}?timeout=30"
    (tmp_path / "airflow.cfg").write_text(f"[database]\nsql_alchemy_conn = {address}\n")
    assert "has no tables" in no_airflow_here(here)
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE connection (conn_id TEXT)")
    assert no_airflow_here(here) == ""


def test_of_a_file_that_is_no_database_airflow_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "airflow.db").write_text("This is no database, and long enough for that to be seen." * 20)
    (tmp_path / "airflow.cfg").write_text(f"[database]\nsql_alchemy_conn = sqlite:///{tmp_path}/airflow.db\n")
    assert no_airflow_here({"AIRFLOW_HOME": str(tmp_path)}) == ""


def test_a_database_that_a_command_tells_is_an_airflow(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text(f"[database]\nsql_alchemy_conn = sqlite:///{tmp_path}/airflow.db\n")
    told = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "cat /run/secrets/database"}
    assert no_airflow_here(told) == ""


def test_without_an_airflow_all_places_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    airflow = Airflow(monkeypatch)
    found = CommandLineConnections({"AIRFLOW_HOME": str(tmp_path), "AIRFLOW_CONN_OTHER": "postgresql://u:secret@h"})
    with pytest.raises(InvalidSettings) as raised:
        found.url("shop")
    for place in ("AIRFLOW_CONN_SHOP", "AIRFLOW_CONN_OTHER", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow.cfg"):
        assert place in str(raised.value)
    assert "secret" not in str(raised.value)
    assert airflow.calls == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("Connection not found.", "`airflow connections get shop` has no such connection"),
        ("Traceback\ncould not connect to server", "failed: could not connect to server"),
    ],
)
def test_what_airflow_answers_is_told(monkeypatch: pytest.MonkeyPatch, error: str, said: str) -> None:
    Airflow(monkeypatch, error=error, code=1)
    with pytest.raises(InvalidSettings, match="AIRFLOW_CONN_SHOP") as raised:
        CommandLineConnections(DATABASE).url("shop")
    assert said in str(raised.value)


def test_an_answer_that_is_no_json_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Airflow(monkeypatch, "id | conn_id\n")
    with pytest.raises(InvalidSettings, match="did not print the connection as JSON"):
        CommandLineConnections(DATABASE).url("shop")


def test_an_airflow_that_does_not_answer_may_do_so_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, 120)

    monkeypatch.setattr("perennial.cli.connections.subprocess.run", run)
    with pytest.raises(SourceUnavailable, match="did not answer within 120 s"):
        CommandLineConnections(DATABASE).url("shop")


def test_an_airflow_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial.cli.connections.find_spec", lambda name: None)
    with pytest.raises(InvalidSettings, match="an Airflow is set up here, but `airflow` is not installed"):
        CommandLineConnections({**DATABASE, "PATH": ""}).url("shop")


def test_a_real_airflow_answers(tmp_path: Path) -> None:
    """Its own store is not touched: the connection comes from a secrets backend, as only Airflow can read it."""
    secrets = tmp_path / "connections.json"
    secrets.write_text(json.dumps({"shop": "postgres://ann:p%40ss@db:5432/shop"}))
    backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
    environment = {
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__SECRETS__BACKEND": backend,
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(secrets)}),
    }
    assert CommandLineConnections(environment).url("shop") == "postgresql://ann:p%40ss@db:5432/shop"
