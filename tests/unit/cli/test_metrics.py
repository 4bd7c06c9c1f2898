"""`perennial metrics`: the gauges without Airflow, on the screen or in a file that nobody reads half of."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import World
from tests.unit.telemetry.read import Read, parsed, value

from perennial import clock


@pytest.fixture
def scored(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """One window was scored, and the one after it is missing."""
    first_model(world)
    predict(world, 30)
    now = world.day(32).start + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: now)
    return world


def check(told: Read) -> None:
    assert value(told, "windows_missing") == 1
    assert value(told, "last_scored_rows") == 180
    assert not [name for name, _ in told if name.startswith("perennial_airflow")]


def test_they_are_printed(scored: World, perennial: Call) -> None:
    code, out, err = perennial("metrics")
    assert (code, err) == (0, "")
    check(parsed(out.encode()))


def test_a_file_is_replaced_in_one_step(scored: World, perennial: Call, tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    file = folder / "perennial.prom"
    file.write_text("old")
    assert perennial("metrics", "--output", str(file)) == (0, "", "")
    check(parsed(file.read_bytes()))
    assert [each.name for each in folder.iterdir()] == ["perennial.prom"]


def test_a_file_that_node_exporter_would_not_read_is_refused(scored: World, perennial: Call, tmp_path: Path) -> None:
    code, _, err = perennial("metrics", "--output", str(tmp_path / "perennial.txt"))
    assert code == 2
    assert ".prom" in err
    assert not (tmp_path / "perennial.txt").exists()


def test_what_cannot_be_written_leaves_the_file_as_it_was(scored: World, perennial: Call, tmp_path: Path) -> None:
    code, _, err = perennial("metrics", "--output", str(tmp_path / "nowhere" / "perennial.prom"))
    assert code == 3
    assert "nowhere" in err


def test_a_spec_that_is_wrong_is_counted(scored: World, perennial: Call) -> None:
    broken = scored.use_case.folder.parent / "broken"
    broken.mkdir()
    (broken / "use_case.yaml").write_text("name: broken\n")
    told = parsed(perennial("metrics")[1].encode())
    assert told["perennial_specs_broken", frozenset()] == 1
    check(told)
