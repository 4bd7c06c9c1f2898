"""The report on an evaluation: how mature the windows are, and whether the truth lay where it was expected."""

from pathlib import Path

import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import page

from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import monitor
from perennial.performance.maturity import Maturity
from perennial.review import evaluation_report

RUN = "parcels.evaluate/one"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(tmp_path_factory.mktemp("world"))
    first_model(world)
    for day in (30, 31, 32):
        predict(world, day)
        monitor.run(world.use_case, world.day(day), world.ports, "test")
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(33).start, world.ports, RUN)
    return world


def test_windows_are_counted_by_maturity_and_estimates_checked_against_final_ones(world: World) -> None:
    found = evaluation_report.run(world.use_case, RUN, world.day(33).start, world.ports)
    assert found.by_maturity == {Maturity.PARTIAL: 1, Maturity.FINAL: 2}
    final = [each for each in found.measured if each.maturity is Maturity.FINAL]
    held = [
        each
        for each in final
        if each.estimates["roc_auc"]["low"] <= each.metrics["roc_auc"] <= each.estimates["roc_auc"]["high"]
    ]
    assert (found.estimates.windows, found.estimates.held) == (2, len(held))


def test_the_page_draws_estimate_and_truth_and_says_both_with_intervals(world: World) -> None:
    said = page(world, "evaluation", use_case="parcels", run_id=RUN, as_of=world.day(33).start.isoformat())
    assert '<svg class="estimates"' in said
    assert (said.count('<circle class="final"'), said.count('<circle class="partial"')) == (2, 1)
    assert "1 partial</span>" in said
    assert "2 final</span>" in said
    assert "Of 2 final windows with an estimate" in said
    assert '<a href="/base/dags/parcels.evaluate/runs/one/tasks/measure" data-airflow>' in said


def test_an_evaluation_that_measured_nothing_draws_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    found = evaluation_report.run(world.use_case, RUN, world.day(33).start, world.ports)
    assert (found.by_maturity, found.estimates.windows) == ({}, 0)
    said = page(world, "evaluation", use_case="parcels", run_id=RUN, as_of=world.day(33).start.isoformat())
    assert "<svg" not in said
