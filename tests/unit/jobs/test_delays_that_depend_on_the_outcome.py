"""Labels whose delay depends on the outcome: every metric that is stored agrees with the whole truth.

Bad outcomes may be known early and good ones late (a loan that fails, a loan that is paid back), or the other way
round. Whatever is made of the labels that happen to be there is biased then.
"""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import SHIFT, World

from perennial.features.build import feature_frame
from perennial.jobs.evaluate import collect_labels, measure
from perennial.ledger.entries import DeployedRole, Deployment
from perennial.modeling.artifact import load
from perennial.modeling.predict import predict as predicted
from perennial.modeling.reference import ModelReference
from perennial.performance.interval import intervals
from perennial.performance.maturity import Maturity

MATURE_AFTER, TRAINED = timedelta(days=10), 39
METRICS = ("roc_auc", "pr_auc", "log_loss", "brier")


@pytest.fixture(params=[True, False], ids=["bad known early", "bad known late"])
def skewed(world: World, request: pytest.FixtureRequest) -> World:
    """One outcome is known within a day, the other after two to nine."""
    random = np.random.default_rng(3)
    late = world.outcomes.table.column("late").to_numpy()
    days = np.where(late == request.param, random.uniform(0, 1, len(late)), random.uniform(2, 9, len(late)))
    sent = world.outcomes.table.column("sent_at").to_pylist()
    known = pa.array(
        [at + timedelta(days=float(d)) for at, d in zip(sent, days, strict=True)], pa.timestamp("us", "UTC")
    )
    world.outcomes.table = world.outcomes.table.set_column(3, "delivered_at", known)
    spec = world.use_case.spec
    changed = spec.model_copy(
        update={
            "labels": spec.labels.model_copy(update={"mature_after": MATURE_AFTER}),
            "training": spec.training.model_copy(update={"history": timedelta(days=36)}),
        }
    )
    return replace(world, use_case=replace(world.use_case, spec=changed))


def champion(world: World) -> Deployment:
    found = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert found is not None
    return found


def whole_truth(world: World, days: range) -> tuple[pa.Table, "np.ndarray[tuple[int], np.dtype[np.float64]]"]:
    """All rows of these days, and their outcomes."""
    at = np.array([position for day in days for position in world.rows_of(day)])
    return world.parcels.table.take(at), world.outcomes.table.column("late").to_numpy()[at].astype(float)


def test_the_metrics_at_deployment_are_those_of_the_whole_truth(skewed: World) -> None:
    first_model(skewed, TRAINED)
    deployed = champion(skewed)
    judged = deployed.training.get("judged_digest", deployed.model_digest)
    pipeline = load(skewed.ports.artifacts.get(judged), judged)
    rows, truth = whole_truth(skewed, range(22, SHIFT))  # the model has not seen them, and the world is as it was
    spec = skewed.use_case.spec
    values = predicted(pipeline, spec.task, feature_frame(spec, rows))
    # A stored metric is of a holdout of seven days, so its own interval is that much wider.
    wider = math.sqrt(len(range(22, SHIFT)) / (spec.training.holdout / timedelta(days=1)))
    for name, found in intervals(spec.task, truth, values).items():
        reach = 1.96 * found.standard_error * wider
        assert abs(deployed.metrics[name] - found.value) < reach, name


def test_what_labels_count_as_normal_is_the_whole_truth(skewed: World) -> None:
    first_model(skewed, TRAINED)
    deployed = champion(skewed)
    stored = skewed.ports.registry.load("parcels", deployed.model_version, deployed.model_digest).reference
    labels = ModelReference.from_json(stored).labels
    assert labels is not None
    (column,) = labels.columns
    assert column.bins is not None
    positive = column.shapes[:, list(column.bins.categories).index("true")]
    days = [day for day in range(SHIFT) if skewed.day(day).key in labels.windows]
    _, truth = whole_truth(skewed, range(days[0], days[-1] + 1))
    said, true = np.average(positive, weights=labels.rows), truth.mean()
    assert abs(said - true) < 1.96 * math.sqrt(true * (1 - true) / len(truth))


def test_final_performance_is_that_of_the_whole_truth_after_an_outage_of_the_labels(skewed: World) -> None:
    """From day 40 to day 55 no label can be read; evaluations go on every day meanwhile."""
    first_model(skewed, 30)
    for day in range(30, 39):
        predict(skewed, day)
    everything = skewed.outcomes.table
    known = everything.column("delivered_at").to_pylist()
    skewed.outcomes.table = everything.filter(pa.array([at < skewed.day(40).start for at in known]))
    for day in range(38, 56):
        as_of = skewed.day(day).start
        collect_labels.run(skewed.use_case, as_of, skewed.ports, "test")
        measure.run(skewed.use_case, as_of, skewed.ports, "test")
    assert skewed.ports.ledger.status("parcels").windows_overdue > 0
    skewed.outcomes.table = everything
    collect_labels.run(skewed.use_case, skewed.day(56).start, skewed.ports, "test")
    measure.run(skewed.use_case, skewed.day(56).start, skewed.ports, "test")
    found = skewed.ports.ledger.performance_between("parcels", skewed.day(30).start, skewed.day(39).start)
    assert [entry.maturity for entry in found] == [Maturity.FINAL] * 9
    spec, deployed = skewed.use_case.spec, champion(skewed)
    model = skewed.ports.registry.load("parcels", deployed.model_version, deployed.model_digest)
    for day, entry in zip(range(30, 39), found, strict=True):
        rows, truth = whole_truth(skewed, range(day, day + 1))
        true = intervals(spec.task, truth, predicted(model.pipeline, spec.task, feature_frame(spec, rows)))
        for name in METRICS:
            assert true[name].low <= entry.metrics[name] <= true[name].high, (day, name)
