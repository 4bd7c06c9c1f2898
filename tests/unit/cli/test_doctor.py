"""`perennial doctor` at the command line: lines, JSON and exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from perennial.cli.main import app


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name in (
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "AIRFLOW_CONFIG",
        "PERENNIAL_LAKE_URL",
        "AIRFLOW_CONN_PERENNIAL_LEDGER",
    ):
        monkeypatch.delenv(name, raising=False)
    return {
        "PERENNIAL_HOME": str(tmp_path / "home"),
        "AIRFLOW_HOME": str(tmp_path / "nowhere"),
        "PERENNIAL_LEAST_FREE_DISK": "0",
    }


def doctor(environment: dict[str, str], *arguments: str, code: int) -> str:
    result = CliRunner().invoke(app, ["doctor", *arguments], env=environment, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_each_check_has_a_line_and_all_well_ends_with_0(environment: dict[str, str]) -> None:
    lines = doctor(environment, "--only", "disk", "--only", "specs", code=0).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["ok    specs", "ok    disk"]


def test_a_failure_ends_with_1_and_says_what_to_do(environment: dict[str, str]) -> None:
    said = doctor({**environment, "PERENNIAL_LEAST_FREE_DISK": "1e9"}, "--only", "disk", code=1)
    assert said.startswith("fail  disk: ")
    assert "→ Free some" in said


def test_a_warning_ends_with_1_only_when_that_is_asked_for(environment: dict[str, str]) -> None:
    assert doctor(environment, "--only", "airflow", code=0).startswith("warn  airflow: not checked")
    doctor(environment, "--only", "airflow", "--strict", code=1)


def test_scripts_read_json(environment: dict[str, str]) -> None:
    told = json.loads(doctor(environment, "--json", code=1))
    assert (told["format"], told["healthy"]) == (1, False)
    by_name = {each["check"]: each for each in told["findings"]}
    assert by_name["lake"]["status"] == "ok"
    assert by_name["ledger"]["status"] == "fail"
    assert "AIRFLOW_CONN_PERENNIAL_LEDGER" in by_name["ledger"]["found"]
    assert by_name["clock"]["found"] == "could not be checked while `ledger` fails"


def test_a_check_that_is_not_there_is_wrong_usage(environment: dict[str, str]) -> None:
    assert "no check is called" in doctor(environment, "--only", "liver", code=2)


def test_settings_are_shown_with_where_they_are_from_and_without_secrets(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "mlflow").write_text("http://ann:geheim@mlflow:5000")
    given = {**environment, "PERENNIAL_MLFLOW_URL_FILE": str(tmp_path / "mlflow"), "PERENNIAL_LAKE_URL": "s3://lake"}
    result = CliRunner().invoke(app, ["settings"], env=given, catch_exceptions=False)
    rows = {line.split("\t")[0]: line.split("\t")[1:3] for line in result.stdout.splitlines()}
    assert rows["PERENNIAL_LAKE_URL"] == ["s3://lake", "the environment"]
    assert rows["PERENNIAL_MLFLOW_URL"][0] == "(secret)"
    assert str(tmp_path / "mlflow") in rows["PERENNIAL_MLFLOW_URL"][1]
    assert "geheim" not in result.stdout
