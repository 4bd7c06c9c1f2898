"""Whatever alarms is logged as a warning, by the job that finds it."""

import logging

import pyarrow as pa
import pytest
from tests.unit.jobs.test_learning_path import judged_now
from tests.unit.jobs.test_monitoring import live
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.test_truth_that_comes_late import evaluated, without_labels
from tests.unit.jobs.world import SHIFT, World


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


def test_drift_and_the_decision_to_retrain(world: World, warnings: pytest.LogCaptureFixture) -> None:
    first_model(world, SHIFT - 5)
    live(world, range(SHIFT - 2, SHIFT))
    assert "The window is unlike" not in warnings.text
    live(world, range(SHIFT, SHIFT + 3))
    assert f"parcels {world.day(SHIFT)}: The window is unlike the reference's own" in warnings.text
    assert "parcels as of " in warnings.text
    assert ": retrain: " in warnings.text


def test_rows_in_quarantine(world: World, warnings: pytest.LogCaptureFixture) -> None:
    ingest_and_validate(world, 30)
    assert "Set aside" not in warnings.text
    world.put("weight", dict.fromkeys(world.rows_of(31)[:2], -99.0))
    ingest_and_validate(world, 31)
    assert f"parcels {world.day(31)}: Set aside: 2 of 180 rows" in warnings.text


def test_labels_that_drift_and_labels_that_are_overdue(world: World, warnings: pytest.LogCaptureFixture) -> None:
    first_model(world, 30)
    late = world.outcomes.table.column("late")
    world.outcomes.table = world.outcomes.table.set_column(2, "late", [[True] * len(late)])
    live(world, range(31, 33))
    assert f"parcels {world.day(31)}: labels have drifted. The window is unlike the reference's own" in warnings.text
    predict(world, 33)
    without_labels(world, range(33, 34))
    evaluated(world, world.day(35).start)
    assert f"parcels {world.day(33)}: labels are overdue" in warnings.text


def test_a_feature_that_gives_the_outcome_away(world: World, warnings: pytest.LogCaptureFixture) -> None:
    late = world.outcomes.table.column("late").cast(pa.float64())
    world.parcels.table = world.parcels.table.set_column(2, "weight", late)
    judged_now(world, 30)
    assert "parcels: Warning: weight alone predicts the holdout nearly perfectly" in warnings.text
