"""Values from variables, from files that variables name, and from what `make run` left."""

from pathlib import Path

import pytest

from perennial.errors import InvalidSettings
from perennial.settings import Environment, Settings, child_environment
from perennial.settings.environment import MOST_BYTES
from perennial.sources.connections import EnvironmentConnections

NAME = "PERENNIAL_MLFLOW_URL"


def test_a_value_comes_from_the_file_that_the_variable_names(tmp_path: Path) -> None:
    secret = tmp_path / "mlflow_url"
    secret.write_text("http://ann:p@ss@mlflow:5000\r\n\n")
    settings = Settings.from_environment({"PERENNIAL_HOME": str(tmp_path), f"{NAME}_FILE": str(secret)})
    assert settings.require_mlflow() == "http://ann:p@ss@mlflow:5000"
    assert settings.environment.origin(NAME) == f"the file {secret}, which {NAME}_FILE names"


def test_the_file_is_read_when_the_value_is_asked_for(tmp_path: Path) -> None:
    """A process that parses DAGs has no business with MLflow's password, and its file is not mounted there."""
    settings = Settings.from_environment({"PERENNIAL_HOME": str(tmp_path), f"{NAME}_FILE": "/run/secrets/nowhere"})
    assert settings.lake_url == str(tmp_path / "lake")
    with pytest.raises(InvalidSettings, match=rf"{NAME}_FILE names the file /run/secrets/nowhere, which can't be read"):
        settings.require_mlflow()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "is not UTF-8"), (b"a" * (MOST_BYTES + 1), "more than")],
)
def test_a_file_that_can_not_be_used_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(InvalidSettings, match=rf"X_FILE names the file .*{said}"):
        Environment({"X_FILE": str(tmp_path / "secret")})["X"]


def test_a_folder_in_place_of_a_file_is_what_docker_makes_of_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"which is a folder\. Docker makes one"):
        Environment({"X_FILE": str(tmp_path)})["X"]


def test_a_variable_and_its_file_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="X and X_FILE are both set"):
        Environment({"X": "a", "X_FILE": str(tmp_path / "x")})["X"]


def test_the_process_has_the_last_word_also_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    environment = Environment({"X_FILE": str(tmp_path / "x"), "Y": ""}, below={"X": "theirs", "Y": "theirs", "Z": "z"})
    assert (environment["X"], environment.get("Y"), environment["Z"]) == ("mine", "", "z")
    assert dict(environment) == {"X": "mine", "X_FILE": str(tmp_path / "x"), "Y": "", "Z": "z"}
    assert len(environment) == 4
    assert (environment.origin("Z"), environment.origin("Y"), environment.origin("W")) == ("local.env", "", "")


def test_an_empty_variable_beside_a_file_counts_as_not_set(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    assert Environment({"X": "", "X_FILE": str(tmp_path / "x")})["X"] == "mine"


def test_a_connection_whose_name_ends_in_file_is_a_connection() -> None:
    environment = Environment(
        {"AIRFLOW_CONN_SHOP_FILE": "s3://bucket", "AIRFLOW_CONN_LAKE_FILE": '{"conn_type": "aws"}'}
    )
    assert (environment.get("AIRFLOW_CONN_SHOP"), environment.get("AIRFLOW_CONN_LAKE")) == (None, None)
    assert EnvironmentConnections(environment).url("shop_file") == "s3://bucket"


def test_connections_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text('{"conn_type": "postgres", "host": "db", "login": "ann", "password": "s/"}\n')
    environment = Environment({"AIRFLOW_CONN_PERENNIAL_LEDGER_FILE": str(tmp_path / "ledger")})
    assert EnvironmentConnections(environment).url("perennial_ledger") == "postgres://ann:s%2F@db/"


def test_a_child_gets_the_connections_that_it_is_given_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgresql://shop")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER_FILE", "/run/secrets/ledger")
    monkeypatch.setenv("PERENNIAL_LAKE_URL", "s3://lake")
    child = child_environment({"ledger": "postgresql://writer"})
    assert {name: value for name, value in child.items() if name.startswith("AIRFLOW_CONN_")} == {
        "AIRFLOW_CONN_LEDGER": "postgresql://writer"
    }
    assert child["PERENNIAL_LAKE_URL"] == "s3://lake"
