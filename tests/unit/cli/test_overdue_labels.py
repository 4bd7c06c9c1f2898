"""What `performance` and `status` say of windows whose labels are overdue, and of both kinds of drift."""

from types import SimpleNamespace

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.test_monitoring import live
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.test_truth_that_comes_late import evaluated, with_an_unreadable_label, without_labels
from tests.unit.jobs.world import World
from typer.testing import CliRunner

from perennial.cli import inspect, review
from perennial.cli.main import app


def test_evaluate_shows_what_it_measured_and_then_fails_for_labels_that_can_not_be_used(
    world: World, perennial: Call
) -> None:
    first_model(world, 30)
    predict(world, 31)
    predict(world, 32)
    with_an_unreadable_label(world, 32)
    code, out, err = perennial("evaluate", "parcels", "--as-of", "2024-02-05")
    assert code == 3
    assert "2 windows measured, 1 of them final" in out
    assert "the labels of 1 window can't be used" in err


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
