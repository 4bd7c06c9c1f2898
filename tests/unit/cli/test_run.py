"""`perennial run`, and what `monitor` by hand leads to."""

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_predict_path import first_model
from tests.unit.jobs.test_unstarted import monitored
from tests.unit.jobs.world import ROWS, SHIFT, START, World

from perennial.errors import PredictionsNotFinite
from perennial.jobs.predict import score
from perennial.jobs.retrain import chain
from perennial.ledger.entries import COMMAND_LINE, DecisionKind, DeployedRole
from perennial.records.first_model import first_training
from perennial.records.retraining import gather
from perennial.verdict import RETRAIN
from perennial.window import Window

DRIFTING = range(SHIFT - 5, SHIFT + 6)


def date(day: int) -> str:
    return f"{START + timedelta(days=day):%Y-%m-%d}"


def command_in(out: str, word: str) -> list[str]:
    """The arguments of the command that the output tells to run."""
    line = next(line for line in out.splitlines() if line.startswith(f"  perennial {word} "))
    return shlex.split(line)[1:]


def test_a_window_goes_through_all_steps_and_each_says_one_line(world: World, perennial: Call) -> None:
    first_model(world, 30)
    code, out, _ = perennial("run", "parcels", "--window", date(30))
    lines = [line.split("\t") for line in out.splitlines() if "\t" in line]
    assert code == 0
    assert [line[:2] for line in lines] == [
        ["2024-01-31T00:00Z", step] for step in ("ingest", "validate", "score", "monitor")
    ]
    assert lines[0][2].startswith("180 rows, snapshot ")
    assert lines[1][2].startswith("pass: Nothing wrong")
    assert lines[2][2] == "180 rows, revision 1 by model 1"
    assert re.match(r"(pass|fail|warn|insufficient), decision (hold|wait|retrain): ", lines[3][2])
    assert "perennial evaluate parcels --as-of 2024-02-02T00:00Z" in out


def test_the_commands_of_the_steps_say_what_run_says(world: World, perennial: Call) -> None:
    first_model(world, 30)
    told = [perennial(step, "parcels", "--window", date(30)) for step in ("ingest", "validate", "score", "monitor")]
    assert [code for code, _, _ in told] == [0, 0, 0, 0]
    lines = [out.splitlines()[0] for _, out, _ in told]
    _, out, _ = perennial("run", "parcels", "--window", date(30))
    again = [line.removesuffix(", unchanged") for line in out.splitlines() if "\t" in line]
    assert lines == again
    (scored,) = perennial("score", "parcels", "--window", date(30), "--json")[1].splitlines()
    assert json.loads(scored)["model_version"] == "1"


def test_without_a_model_it_says_how_to_get_one_and_these_commands_score(world: World, perennial: Call) -> None:
    code, out, _ = perennial("run", "parcels", "--from", date(0), "--to", date(2))
    assert code == 3
    assert "2 windows could not be scored, because no model was in force" in out
    assert perennial(*command_in(out, "retrain"))[0] == 0
    code, out, _ = perennial(*command_in(out, "run"))
    assert code == 0
    assert "revision 1 by model 1" in out


def test_a_window_that_the_model_can_not_compute_with_does_not_stop_the_others(
    world: World, perennial: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(world, 30)
    scored = score.run

    def overflowing(use_case: Any, window: Window, *given: Any, **named: Any) -> Any:
        if window == world.day(30):
            raise PredictionsNotFinite("1 prediction of 180 would be infinite:\n  - type: …\n    kwargs: …")
        return scored(use_case, window, *given, **named)

    monkeypatch.setattr(score, "run", overflowing)
    code, out, _ = perennial("run", "parcels", "--from", date(30), "--to", date(32))
    assert code == 3
    assert (
        "2024-01-31T00:00Z\tscore\tstopped: 1 prediction of 180 would be infinite:\n  - type: …\n    kwargs: …\n" in out
    )
    assert "2024-02-01T00:00Z\tscore\t180 rows, revision 1 by model 1" in out


def test_a_window_that_fails_does_not_stop_the_others(world: World, perennial: Call) -> None:
    first_model(world, 30)
    world.change(30, "weight", 500.0)
    code, out, _ = perennial("run", "parcels", "--from", date(30), "--to", date(32))
    assert code == 3
    assert "2024-01-31T00:00Z\tvalidate\tstopped: " in out
    assert "2024-02-01T00:00Z\tscore\t180 rows, revision 1" in out
    assert "  perennial validation parcels --window 2024-01-31T00:00Z" in out


def test_an_empty_window_leads_to_the_sample(world: World, perennial: Call) -> None:
    world.parcels.table = world.parcels.table.slice(0, 0)
    code, out, _ = perennial("run", "parcels", "--window", date(3))
    assert code == 3
    assert "ingest\tstopped: parcels: the source has no rows" in out
    assert "  perennial check parcels --sample 2024-01-04T00:00Z" in out


def test_a_source_that_is_down_ends_the_run_with_4(world: World, perennial: Call) -> None:
    world.parcels.down = True
    code, _, err = perennial("run", "parcels", "--window", date(3))
    assert code == 4
    assert "does not answer" in err


def test_json_is_one_object_a_window_and_what_to_do_stands_beside_it(world: World, perennial: Call) -> None:
    code, out, err = perennial("run", "parcels", "--from", date(0), "--to", date(2), "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 3
    assert [each["stopped"]["error"] for each in found] == ["NoModel", "NoModel"]
    assert [each["validated"]["rows"] for each in found] == [ROWS, ROWS]
    assert "perennial retrain parcels" in err


def asked_for(world: World, as_of: datetime) -> tuple[datetime, ...]:
    """The retrainings that count when a decision is taken as of that moment."""
    ledger = world.ports.ledger
    champion = ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    return gather(world.use_case.spec, as_of, ledger, champion).retrains


def test_a_decision_by_hand_blocks_nothing_until_its_retraining_came_to_a_judgement(world: World) -> None:
    first, second, *_ = [m for m in monitored(world, f"{COMMAND_LINE}now", DRIFTING) if m.decision.action == RETRAIN]
    assert second.window.start == first.window.end
    decided = second.decision.as_of
    assert not {first.decision.as_of, decided} & set(asked_for(world, decided))
    chain.run(world.use_case, decided, world.ports, f"{COMMAND_LINE}x", actor="test", reason="drift")
    assert decided in asked_for(world, decided)
    assert decided in asked_for(world, first.decision.as_of)


def test_a_decision_in_airflow_blocks_the_next_windows_as_ever(world: World) -> None:
    first, second = [m for m in monitored(world, "parcels.predict/scheduled", DRIFTING) if m.decision.action == RETRAIN]
    assert second.window.end >= first.window.end + world.use_case.spec.monitoring.cooldown
    assert first.decision.as_of in asked_for(world, first.decision.as_of)


def test_evaluate_says_what_it_measured_and_decided_in_sentences(world: World, perennial: Call) -> None:
    first_model(world, 30)
    perennial("run", "parcels", "--window", date(30))
    code, out, _ = perennial("evaluate", "parcels", "--as-of", date(33))
    assert code == 0
    measured, newest, decision = out.splitlines()
    assert measured == "As of 2024-02-03T00:00Z: 1 window measured, 1 of them final."
    assert re.fullmatch(
        r"Newest window 2024-01-31T00:00Z: \w+ 0\.\d{4} \(95% interval 0\.\d{4} to 0\.\d{4}\), final labels\.", newest
    )
    assert re.fullmatch(r"Decision on retraining: wait\. 1 final window .*\.", decision)
    _, out, _ = perennial("evaluate", "parcels", "--as-of", date(33), "--json")
    assert json.loads(out)["decision"]["run_id"].startswith(COMMAND_LINE)


def test_monitor_by_hand_says_how_to_start_the_retraining(world: World, perennial: Call) -> None:
    decided = next(m for m in monitored(world, "parcels.predict/x", DRIFTING) if m.decision.action == RETRAIN)
    code, out, _ = perennial("monitor", "parcels", "--window", f"{decided.window.start:%Y-%m-%d}")
    assert code == 0
    command = command_in(out, "retrain")
    assert command[:4] == ["retrain", "parcels", "--as-of", f"{decided.window.end:%Y-%m-%dT%H:%MZ}"]
    assert perennial(*command)[0] == 0
    kept = world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)
    assert kept[-1].as_of == decided.window.end
    _, again, _ = perennial("monitor", "parcels", "--window", f"{decided.window.start:%Y-%m-%d}")
    assert "That has been done: cli__" in again
    assert "perennial retrain" not in again


@pytest.mark.parametrize(
    ("wanted", "rows", "as_of"),
    [
        (30, 180.0, 30),  # history enough behind it
        (0, 180.0, 15),  # twice the holdout of 7 days, and a day until labels are complete
        (0, 25.0, 21),  # 20 windows for min_rows = 500
        (0, 0.0, 15),
    ],
)
def test_a_first_model_is_trained_as_of_when_there_is_history_enough(
    world: World, wanted: int, rows: float, as_of: int
) -> None:
    found = first_training(world.use_case.spec, world.day(wanted).start, rows)
    assert found == datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=as_of)
