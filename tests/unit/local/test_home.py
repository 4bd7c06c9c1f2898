"""The home, its keys, ports, lock and environment: what is kept, and what is said when something fails."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from perennial.errors import InvalidSettings, PermanentError
from perennial.settings import Settings
from perennial_local.addresses import Addresses, choose_addresses, is_free
from perennial_local.environment import local_environment, write_local_environment
from perennial_local.home import Home
from perennial_local.keys import load_keys
from perennial_local.lock import Lock, is_held, read_holder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    return made


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_home_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidSettings, match=r"can't be written \(Not a directory\).*PERENNIAL_HOME"):
        Home(tmp_path / "file" / "home").prepare()


def test_a_full_disk_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        total: int
        used: int
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**10, 10**10 - 10**8, 10**8))
    with pytest.raises(InvalidSettings, match=r"has 0\.1 GB left, and the local system needs 1\.5 GB"):
        Home(tmp_path).prepare()


def test_keys_are_made_once_and_are_private(home: Home) -> None:
    keys = load_keys(home)
    assert load_keys(home) == keys
    assert home.keys.stat().st_mode & 0o777 == 0o600
    assert len({keys.fernet, keys.jwt, keys.api, keys.admin_password, keys.reader_password}) == 5


def test_a_home_of_an_earlier_version_keeps_its_keys_and_gets_what_is_new(home: Home) -> None:
    keys = load_keys(home)
    kept = {name: value for name, value in json.loads(home.keys.read_text()).items() if name != "reader_password"}
    home.keys.write_text(json.dumps(kept))
    again = load_keys(home)
    assert replace(again, reader_password=keys.reader_password) == keys
    assert again.reader_password not in ("", keys.reader_password)
    assert load_keys(home) == again


def test_ports_that_were_asked_for_are_taken_or_refused(home: Home, listener: int) -> None:
    assert not is_free(listener)
    with pytest.raises(InvalidSettings, match=rf"Port {listener} is taken.*--port"):
        choose_addresses(home, listener, None)
    with pytest.raises(InvalidSettings, match=rf"Port {listener} is taken.*--mlflow-port"):
        choose_addresses(home, None, listener)


def test_postgres_keeps_its_port_while_it_is_free(home: Home) -> None:
    first = choose_addresses(home, None, None)
    assert choose_addresses(home, None, None).postgres_port == first.postgres_port
    with socket.socket() as server:
        server.bind(("127.0.0.1", first.postgres_port))
        server.listen()
        assert choose_addresses(home, None, None).postgres_port != first.postgres_port


def test_usual_ports_give_way_to_the_next_free_ones(home: Home, listener: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial_local.addresses.AIRFLOW_PORT", listener)
    assert choose_addresses(home, None, None).airflow_port > listener


HOLD = """
import sys
from pathlib import Path
from perennial_local.home import Home
from perennial_local.lock import Lock
lock = Lock(Home(Path(sys.argv[1])))
lock.acquire()
lock.announce("http://127.0.0.1:8080", "http://127.0.0.1:5000")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_run_says_where_the_first_one_is(home: Home) -> None:
    command = [sys.executable, "-c", HOLD, str(home.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert is_held(home)
        with pytest.raises(
            PermanentError, match=rf"already runs.*process {other.pid}.*http://127\.0\.0\.1:8080.*make stop"
        ):
            Lock(home).acquire()
        other.kill()
    assert not is_held(home)
    mine = Lock(home)
    mine.acquire()
    holder = read_holder(home)
    assert holder is not None
    assert holder.pid == os.getpid()
    assert holder.lives
    mine.release()


def environment(home: Home, inherited: dict[str, str]) -> dict[str, str]:
    addresses = Addresses(airflow_port=8080, mlflow_port=5000, postgres_port=15432)
    return local_environment(home, addresses, load_keys(home), lambda name: f"postgresql://u:p@h:1/{name}", inherited)


def test_the_users_own_airflow_does_not_leak_in_but_their_connections_do(home: Home) -> None:
    made = environment(
        home,
        {
            "PATH": "/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__SMTP__SMTP_HOST": "mail",
            "AIRFLOW_CONN_SALES": "postgresql://sales",
            "PERENNIAL_LAKE_URL": "s3://lake",
            "NO_PROXY": "intranet",
        },
    )
    assert made["PATH"] == "/bin"
    assert "PYTHONDONTWRITEBYTECODE" not in made
    assert made["AIRFLOW__CORE__EXECUTOR"] == "perennial_airflow.executor.PreloadedLocalExecutor"
    assert "AIRFLOW__SMTP__SMTP_HOST" not in made
    assert made["AIRFLOW_CONN_SALES"] == "postgresql://sales"
    assert made["PERENNIAL_LAKE_URL"] == "s3://lake"
    assert made["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_everything_listens_on_loopback_and_nothing_is_sent_home(home: Home) -> None:
    made = environment(home, {})
    assert made["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert made["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert made["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"


def test_a_shell_beside_it_finds_the_system(home: Home) -> None:
    made = environment(home, {"SECRET_OF_THE_USER": "x"})
    write_local_environment(home, made)
    file = home.path / "local.env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "SECRET_OF_THE_USER" not in file.read_text()
    settings = Settings.from_environment({"PERENNIAL_HOME": str(home.path)})
    assert settings.mlflow_url == "http://127.0.0.1:5000"
    assert settings.environment["AIRFLOW_CONN_PERENNIAL_LEDGER"] == "postgresql://u:p@h:1/perennial"
    assert json.loads(home.keys.read_text())["fernet"] == made["AIRFLOW__CORE__FERNET_KEY"]


def test_the_review_pages_read_as_a_user_of_their_own(home: Home) -> None:
    made, password = environment(home, {}), load_keys(home).reader_password
    for store in ("LEDGER", "PUBLISHED"):
        reader = made[f"AIRFLOW_CONN_PERENNIAL_{store}_READER"]
        assert reader == f"postgresql://perennial_reader:{password}@h:1/perennial"
