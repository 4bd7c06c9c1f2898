"""What `performance` and `status` say of windows whose labels are overdue, and of both kinds of drift."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.jobs.test_monitoring import live
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.test_truth_that_comes_late import evaluated, without_labels
from tests.unit.jobs.world import World, make_world
from typer.testing import CliRunner

from perennial.cli import inspect, review
from perennial.cli.main import app


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def test_overdue_windows_are_told_beside_both_kinds_of_drift(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first_model(world, 30)
    live(world, range(31, 33))
    predict(world, 33)
    without_labels(world, range(33, 34))
    evaluated(world, world.day(35).start)
    session = SimpleNamespace(
        use_case=lambda _: world.use_case,
        ports=world.ports,
        ledger=world.ports.ledger,
        settings=SimpleNamespace(use_cases=world.use_case.folder.parent),
    )
    monkeypatch.setattr(review, "Session", lambda: session)
    monkeypatch.setattr(inspect, "Session", lambda: session)
    shown = CliRunner().invoke(app, ["performance", "parcels", "--from", "2024-02-01", "--to", "2024-02-05"]).output
    heading, first = (line.split("\t") for line in shown.splitlines()[:2])
    assert heading[-2:] == ["data drift", "label drift"]
    assert first[-2:] == ["pass", "pass"]
    assert "overdue, 0%" in shown
    assert "Labels of 1 window are overdue: 0 of 180 rows have one" in shown
    status = CliRunner().invoke(app, ["status"]).output
    assert "parcels: labels of 1 window are overdue" in status
