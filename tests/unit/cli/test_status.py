"""What `status` says of windows that are missing."""

import json
from datetime import timedelta

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import World

from perennial import clock
from perennial.wording import counted


@pytest.fixture
def down(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The first two windows were scored; then nothing ran for eight months."""
    first_model(world)
    for day in (30, 31):
        predict(world, day)
    now = world.day(271).start + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: now)
    return world


def test_months_that_are_missing_are_named_as_one_range(down: World, perennial: Call) -> None:
    code, out, _ = perennial("status")
    assert code == 0
    assert "parcels: 239 of 241 windows are missing: 2024-02-02 to 2024-09-27 (239 windows)" in out.replace("\n", " ")


def test_a_script_gets_the_ranges_as_run_takes_them(down: World, perennial: Call) -> None:
    (line,) = perennial("status", "--json")[1].splitlines()
    told = json.loads(line)
    assert told["windows_missing"] == 239
    (missing,) = told["missing"]
    assert (missing["start"], missing["end"]) == ("2024-02-02T00:00:00Z", "2024-09-28T00:00:00Z")
    assert counted(missing["windows"], "window") == "239 windows"
    code, _, err = perennial("run", "parcels", "--from", "2024-02-02", "--to", "2024-02-03")
    assert code == 0, err
    (after,) = json.loads(perennial("status", "--json")[1])["missing"]
    assert after["start"] == "2024-02-03T00:00:00Z"


def test_the_last_window_is_named_by_its_local_date(world: World, perennial: Call) -> None:
    spec = world.use_case.folder / "use_case.yaml"
    spec.write_text(spec.read_text().replace("{every: day,", "{every: day, timezone: Europe/Berlin,"))
    code, _, err = perennial("ingest", "parcels", "--window", "2024-01-05")
    assert code == 0, err
    assert "\t2024-01-05\tnone" in perennial("status")[1]
    spec.write_text(spec.read_text().replace("owner: logistics", "owner: [1]"))
    assert "\t2024-01-04T23:00Z\tnone" in perennial("status")[1]  # a spec that is wrong tells no dates
