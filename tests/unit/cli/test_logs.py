"""The log of the command line: text for people, or JSON whose every line says what it is about."""

import json
from typing import Any

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_predict_path import first_model
from tests.unit.jobs.world import World

from perennial.log_context import known


def lines(err: str) -> list[dict[str, Any]]:
    """The lines of a JSON log. Errors: `ValueError` when one is something else."""
    return [json.loads(line) for line in err.splitlines()]


def scored(perennial: Call, *options: str) -> tuple[int, str, str]:
    return perennial(*options, "run", "parcels", "--window", "2024-01-31")


@pytest.fixture(autouse=True)
def model(world: World) -> None:
    first_model(world)


def test_every_line_says_use_case_window_run_and_model(perennial: Call) -> None:
    code, _, err = scored(perennial, "--log-format", "json")
    assert code == 0
    told = lines(err)
    assert {"perennial.jobs.predict.score", "perennial.jobs.predict.monitor"} <= {each["logger"] for each in told}
    for each in told:
        assert list(each)[:4] == ["timestamp", "level", "event", "logger"]
        assert each["timestamp"].endswith("Z")
        assert each["use_case"] == "parcels"
        assert each["window"] == "2024-01-31T00:00Z--2024-02-01T00:00Z"
        assert each["run"].startswith("cli__")
    by_a_model = [each for each in told if each["logger"].endswith((".score", ".monitor"))]
    assert {each["model"] for each in by_a_model} == {"1"}
    assert any("rows by model version 1" in each["event"] for each in told)


def test_windows_are_told_apart(perennial: Call) -> None:
    code, _, err = perennial("--log-format", "json", "ingest", "parcels", "--from", "2024-01-31", "--to", "2024-02-02")
    assert code == 0
    told = [each for each in lines(err) if each["logger"] == "perennial.jobs.predict.ingest"]
    assert {each["window"][:10] for each in told} == {"2024-01-31", "2024-02-01"}
    assert not [each for each in told if "model" in each]


def test_text_is_the_default_and_says_only_what_is_worth_a_warning(perennial: Call) -> None:
    code, _, err = scored(perennial)
    assert code == 0
    assert "rows by model version" not in err
    assert not err.startswith("{")


def test_the_environment_chooses_and_the_option_stands_above_it(
    perennial: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_LOG_FORMAT", "json")
    assert lines(scored(perennial)[2])
    assert "timestamp" not in scored(perennial, "--log-format", "text")[2]
    monkeypatch.setenv("PERENNIAL_LOG_FORMAT", "xml")
    code, _, err = perennial("--log-format", "text", "status")
    assert code == 0
    code, _, err = perennial("status")
    assert code == 3
    assert (
        "PERENNIAL_LOG_FORMAT is 'xml' from the environment, which is not allowed. It must be text or json"
        in " ".join(err.split())
    )


def test_what_ends_a_command_is_json_too(perennial: Call) -> None:
    code, _, err = perennial("--log-format", "json", "score", "parcels", "--window", "2024-02-20")
    assert code == 3
    last = lines(err)[-1]
    assert (last["level"], last["use_case"]) == ("error", "parcels")
    assert last["event"].startswith("NotIngested: ")


def test_nothing_is_left_for_what_follows(perennial: Call) -> None:
    scored(perennial)
    assert known() == {}
