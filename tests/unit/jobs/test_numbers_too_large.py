"""One cell of 1.7e308: nothing infinite is published, and what was published by 0.1.0 stops nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.test_predict_path import AS_WAS, first_model, ingest_and_validate, predict
from tests.unit.jobs.world import ROWS, START, World, make_world
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from perennial.errors import PredictionsNotFinite, SchemaMismatch
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import score
from perennial.quality import labels as quality_labels
from perennial.records.batch import content_digest
from perennial.records.labels import collect
from perennial.records.leases import data_lease
from perennial.records.training_set import read_manifest, read_rows
from perennial.spec.load import load_use_case

HUGE = 1.7e308


@pytest.fixture
def prices(tmp_path: Path) -> World:
    """See `priced`."""
    return priced(tmp_path)


def priced(folder: Path) -> World:
    """The parcels as a regression on a feature that hardly varies."""
    world = make_world(folder)
    file = world.use_case.folder / "use_case.yaml"
    text = file.read_text().replace("binary_classification", "regression").replace("metric: roc_auc", "metric: mae")
    file.write_text(text)
    weight = pc.multiply(world.parcels.table.column("weight"), 0.05)
    world.parcels.table = world.parcels.table.set_column(2, "weight", weight)
    noise = np.random.default_rng(1).normal(size=len(weight)) / 10
    world.outcomes.table = world.outcomes.table.set_column(2, "late", pc.add(weight, pa.array(noise)))
    rules = world.use_case.folder / "expectations.yaml"
    rules.write_text(rules.read_text().partition("  - type: expect_column_mean")[0])  # it would catch the cell first
    return World(load_use_case(world.use_case.folder), world.ports, world.parcels, world.outcomes)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other make tiny fits slow on a busy machine."""
    with threadpool_limits(1, "openmp"):
        yield


def spoil(world: World, day: int, value: float) -> None:
    """Overwrite one cell of the day."""
    spoilt = pc.equal(world.parcels.table.column("parcel"), day * ROWS)
    weight = pc.if_else(spoilt, value, world.parcels.table.column("weight"))
    world.parcels.table = world.parcels.table.set_column(2, "weight", weight)


def test_an_infinite_prediction_is_refused_by_its_row_before_anything_is_committed(prices: World) -> None:
    first_model(prices)
    spoil(prices, 31, HUGE)
    ingest_and_validate(prices, 31)
    with pytest.raises(
        PredictionsNotFinite, match=r"1 prediction of 180.*parcel 5580 with weight 1\.7e\+308(.|\n)*column: weight"
    ):
        score.run(prices.use_case, prices.day(31), prices.ports, "test", model=AS_WAS)
    assert prices.ports.ledger.latest_batch("parcels", prices.day(31)) is None
    assert prices.ports.published.read("parcels", prices.day(31)).num_rows == 0
    assert prices.ports.lake.version("predictions/parcels") is None


def test_of_personal_columns_neither_the_key_nor_the_number_is_told(prices: World) -> None:
    first_model(prices)
    spoil(prices, 31, HUGE)
    file = prices.use_case.folder / "use_case.yaml"
    text = file.read_text().replace("role: key}", "role: key, personal: true}")
    file.write_text(text.replace("weight: {kind: numeric}", "weight: {kind: numeric, personal: true}"))
    personal = World(load_use_case(prices.use_case.folder), prices.ports, prices.parcels, prices.outcomes)
    ingest_and_validate(personal, 31)
    with pytest.raises(PredictionsNotFinite, match=r"1 prediction of 180.*parcel withheld with weight withheld\)"):
        score.run(personal.use_case, personal.day(31), personal.ports, "test", model=AS_WAS)


def test_the_rule_that_the_error_proposes_sets_the_row_aside(prices: World) -> None:
    first_model(prices)
    spoil(prices, 31, HUGE)
    file = prices.use_case.folder / "expectations.yaml"
    file.write_text(file.read_text().replace("min_value: -50", "min_value: -50, max_value: 1000"))
    bounded = World(load_use_case(prices.use_case.folder), prices.ports, prices.parcels, prices.outcomes)
    assert predict(bounded, 31).rows == ROWS - 1


def with_an_infinite_prediction(world: World, day: int) -> None:
    """What 0.1.0 recorded of such a window."""
    predict(world, day)
    batch = world.ports.ledger.latest_batch("parcels", world.day(day))
    assert batch is not None
    rows = world.ports.lake.read(batch.table, world.day(day).key, version=batch.version)
    values = rows.column("prediction").to_numpy().copy()
    values[0] = np.inf
    at = rows.column_names.index("prediction")
    spoilt = rows.set_column(at, "prediction", pa.array(values)).set_column(
        rows.column_names.index("revision"), "revision", pa.array([2] * len(values), pa.int64())
    )
    with data_lease("parcels", world.day(day), world.ports, "old") as lease:
        commit = world.ports.lake.replace(batch.table, world.day(day).key, spoilt, lease)
        old = replace(
            batch,
            id=None,
            revision=2,
            version=commit.version,
            digest=content_digest(spoilt),
            fencing_token=lease.fencing_token,
            suite_digest="1" * 64,
        )
        world.ports.ledger.record_batch(old, lease, expected=None)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_evaluating_an_old_batch_with_an_infinite_prediction_counts_it_and_measures_the_rest(
    task: str, prices: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = prices if task == "regression" else make_world(tmp_path_factory.mktemp("other"))
    first_model(world)
    with_an_infinite_prediction(world, 31)
    predict(world, 32)
    as_of = world.day(34).start
    collect_labels.run(world.use_case, as_of, world.ports, "test")
    measured = measure.run(world.use_case, as_of, world.ports, "test")
    assert measured.outcome == (
        "2 windows measured, 2 of them final; 1 prediction was infinite or NaN and was left out"
    )
    old, new = world.ports.ledger.performance_between("parcels", START, as_of)
    assert (old.labelled, old.rows) == (ROWS, ROWS)
    metric = "mae" if task == "regression" else "roc_auc"
    assert all(np.isfinite(entry.metrics[metric]) for entry in (old, new))
    assert np.isfinite(old.estimates[metric]["value"])


def with_an_outcome_of(world: World, day: int, value: float) -> pa.Table:
    """Overwrite one outcome of the day; what there was before."""
    before = world.outcomes.table
    first = pc.equal(before.column("parcel"), day * ROWS)
    world.outcomes.table = before.set_column(2, "late", pc.if_else(first, value, before.column("late")))
    return before


@pytest.mark.parametrize("value", [HUGE, -1e39, np.inf])
def test_an_outcome_that_no_model_can_be_judged_by_is_refused_before_it_is_kept(value: float, prices: World) -> None:
    before = with_an_outcome_of(prices, 31, value)
    ingest_and_validate(prices, 31)
    as_of = prices.day(34).start
    with pytest.raises(SchemaMismatch, match=r"column late is .*, beyond 3\.4e\+38, in 1 of 180 rows; no model can"):
        collect(prices.use_case, prices.day(31), as_of, prices.ports, "test")
    assert prices.ports.lake.version("labels/parcels") is None
    prices.outcomes.table = before
    assert collect(prices.use_case, prices.day(31), as_of, prices.ports, "test").new == ROWS


def test_such_an_outcome_in_an_old_lake_stops_nothing_and_is_told(
    prices: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first_model(prices)
    predict(prices, 31)
    as_of = prices.day(34).start
    before = with_an_outcome_of(prices, 31, HUGE)
    with monkeypatch.context() as patch:
        patch.setattr(quality_labels, "LARGEST_FEATURE", np.inf)  # what 0.1.0 let in
        collect(prices.use_case, prices.day(31), as_of, prices.ports, "test")
    prices.outcomes.table = before.filter(pc.not_equal(before.column("parcel"), 31 * ROWS))
    measure.run(prices.use_case, as_of, prices.ports, "test")
    (entry,) = prices.ports.ledger.performance_between("parcels", START, as_of)
    assert (entry.labelled, entry.rows) == (ROWS - 1, ROWS)
    assert all(np.isfinite(value) for value in entry.metrics.values())
    assert "1 label is too large to judge a model by and left out" in caplog.text


def test_outcomes_as_large_as_they_may_be_are_measured(prices: World) -> None:
    largest = pc.multiply(prices.outcomes.table.column("late"), 1e37)
    prices.outcomes.table = prices.outcomes.table.set_column(2, "late", largest)
    first_model(prices)
    predict(prices, 31)
    as_of = prices.day(34).start
    collect_labels.run(prices.use_case, as_of, prices.ports, "test")
    measure.run(prices.use_case, as_of, prices.ports, "test")
    (entry,) = prices.ports.ledger.performance_between("parcels", START, as_of)
    assert set(entry.metrics) == {"mae", "rmse", "r2"}
    assert all(np.isfinite([each["low"], each["high"]]).all() for each in entry.intervals.values())


def test_a_retraining_over_such_a_row_leaves_it_out_and_says_so(prices: World) -> None:
    spoil(prices, 12, HUGE)
    spoil(prices, 25, 1e200)
    result = retrained(prices, 30)
    assert result.deployed is not None
    assert "2 rows were left out of training, because weight is beyond 3.4e+38 there" in " ".join(result.judged.reasons)
    manifest = read_manifest(result.assembled.training_id, prices.ports)
    assert manifest.too_large == {"weight": 2}
    assert max(map(abs, read_rows(manifest, prices.ports).column("weight").to_pylist())) < 10
