"""The command line without any store: what it says, and how it ends."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from perennial.cli.main import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(repository / "include" / "use_cases", tmp_path / "use_cases")
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(tmp_path / "use_cases"))
    monkeypatch.setenv("PERENNIAL_MLFLOW_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("LEDGER", "PUBLISHED"):
        monkeypatch.delenv(f"AIRFLOW_CONN_PERENNIAL_{name}", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["perennial", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return call


def test_help_lists_every_command_and_the_exit_codes(run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in (
        "new",
        "run",
        "validation",
        "ingest",
        "validate",
        "score",
        "monitor",
        "evaluate",
        "retrain",
        "rollback",
        "status",
        "check",
        "db",
    ):
        assert command in out
    assert "5 check found errors" in " ".join(out.replace("`", "").split())


def test_check_finds_nothing_wrong_with_the_use_cases_of_the_repository(run) -> None:
    code, out, _ = run("check")
    assert (code, "2 use cases" in out, "0 errors" in out) == (0, True, True)


def test_check_ends_with_5_and_names_file_line_and_nearest_name(run, tmp_path: Path) -> None:
    spec = tmp_path / "use_cases" / "air_time" / "use_case.yaml"
    spec.write_text(spec.read_text().replace("metric: mae", "metric: mea"))
    code, out, _ = run("check")
    line = next(number for number, text in enumerate(spec.read_text().splitlines(), 1) if "metric: mea" in text)
    assert code == 5
    assert f"use_case.yaml:{line}: training.metric 'mea'" in out
    assert "Did you mean 'mae'?" in out
    code, out, _ = run("check", "--json")
    assert (json.loads(out)["level"], json.loads(out)["suggestion"]) == ("error", "mae")


def test_check_warns_of_what_can_never_be_decided_as_json_too_and_only_for_the_use_case_asked_for(
    run, tmp_path: Path
) -> None:
    spec = tmp_path / "use_cases" / "air_time" / "use_case.yaml"
    spec.write_text(spec.read_text().replace("  min_rows: 5000\n", "  min_rows: 500000000\n"))
    code, out, _ = run("check", "air_time")
    assert (code, "warning: " in out, "training.min_rows" in out) == (0, True, True)
    code, out, _ = run("check", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert (code, {each["level"] for each in found}) == (0, {"warning"})
    assert all(each["file"] == str(spec) and each["line"] > 0 for each in found)
    assert "training.min_rows" in {each["key"] for each in found}
    code, out, _ = run("check", "flight_delays")
    assert (code, "warning" in out) == (0, False)


def test_an_unknown_use_case_is_answered_with_the_nearest(run) -> None:
    code, _, err = run("ingest", "flight_delay", "--window", "2013-03-01")
    assert code == 3
    assert "did you mean 'flight_delays'?" in err


def test_no_window_is_wrong_usage(run) -> None:
    code, _, err = run("ingest", "flight_delays")
    assert code == 2
    assert "--window START, or --from START --to END" in err.replace("\n", " ").replace("│ ", "")


@pytest.mark.parametrize("end", ["2013-03-05", "2013-03-01"])
@pytest.mark.parametrize("command", ["performance", "drift", "run"])
def test_a_range_that_holds_no_window_says_what_to_is(run, command: str, end: str) -> None:
    code, _, err = run(command, "flight_delays", "--from", "2013-03-05", "--to", end)
    assert code == 3
    assert f"No window lies between --from 2013-03-05 and --to {end}" in err
    assert "say --window 2013-03-05" in err


def test_a_missing_connection_is_named(run) -> None:
    code, _, err = run("status")
    assert code == 3
    assert "AIRFLOW_CONN_PERENNIAL_LEDGER" in err


def test_a_store_that_is_down_ends_with_4(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PERENNIAL_LEDGER", "postgresql://somebody:secret@127.0.0.1:1/nowhere")
    code, _, err = run("status")
    assert code == 4
    assert "127.0.0.1" in err
    assert "secret" not in err


def test_the_schema_for_editors_is_the_one_in_the_repository(run, repository: Path) -> None:
    code, out, _ = run("schema")
    assert code == 0
    assert json.loads(out) == json.loads((repository / "docs" / "use_case.schema.json").read_text())


def test_use_cases_are_listed(run) -> None:
    code, out, _ = run("use-cases", "--json")
    assert code == 0
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["air_time", "flight_delays"]
