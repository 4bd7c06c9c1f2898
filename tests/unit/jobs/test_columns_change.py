"""A use case's columns change after its first model: what still works, what is refused, and how to go on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import World

from perennial.card.make import model_card
from perennial.errors import FeaturesChanged, NotEnoughData, SchemaMismatch
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.ledger.entries import DecisionKind, DeployedRole
from perennial.records.model_choice import ModelChoice
from perennial.review import drift as drift_overview
from perennial.review import preview
from perennial.spec.load import load_use_case
from perennial.verdict import Verdict

AS_WAS, AS_NOW = ModelChoice(), ModelChoice.parse("as_now")
SERVICE = "  service: {kind: categorical}\n"


def respecified(world: World, old: str, new: str) -> World:
    """The world after an edit of its use_case.yaml."""
    file = Path(world.use_case.folder) / "use_case.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return World(load_use_case(world.use_case.folder), world.ports, world.parcels, world.outcomes)


def without_service(world: World) -> World:
    """The column leaves the spec and the source."""
    world.parcels.table = world.parcels.table.drop_columns(["service"])
    return respecified(world, SERVICE, "")


def test_a_model_is_not_asked_for_rows_that_lack_its_features(world: World) -> None:
    first_model(world)
    world = without_service(world)
    ingest_and_validate(world, 31)
    with pytest.raises(
        FeaturesChanged,
        match=r"version 1 was trained on features.*service is not among the columns.*"
        r"perennial retrain parcels --as-of 2024-02-01T00:00Z.*perennial score parcels --window 2024-02-01T00:00Z",
    ):
        score.run(world.use_case, world.day(31), world.ports, "test", model=AS_WAS)
    assert world.ports.ledger.latest_batch("parcels", world.day(31)) is None


def test_a_preview_says_what_scoring_will_refuse(world: World) -> None:
    first_model(world)
    world = without_service(world)
    ingest_and_validate(world, 31)
    (seen,) = preview.run(world.use_case, [world.day(31)], world.ports, model=AS_WAS)
    assert seen.would_be == "nothing yet"
    assert seen.why_not is not None
    assert seen.why_not.startswith("FeaturesChanged: ")


def test_the_way_on_after_a_removed_column_is_a_retraining_and_history_is_not_read_again(world: World) -> None:
    first_model(world)
    ingest_and_validate(world, 29)  # its labels were not mature when the first model was trained
    predict(world, 30)
    world = without_service(world)
    for day in range(31, 36):
        ingest_and_validate(world, day)
    asked = len(world.parcels.asked)
    result = retrained(world, 34)
    assert len(world.parcels.asked) == asked
    assert result.deployed is not None
    reasons = " ".join(result.judged.reasons)
    assert "champion version 1 can't score new windows" in reasons
    assert "service is not among the columns" in reasons
    # Of the holdout's seven days only three were stored while the column was there.
    assert "holdout rows of stored snapshots that still have these columns, logistic has ROC AUC" in reasons
    scored = score.run(world.use_case, world.day(34), world.ports, "test", model=AS_WAS)
    assert scored.model_version == "2"
    card = model_card(world.use_case.spec, "2", world.day(40).start, world.ports)
    on_holdout, on_stored = card.section("metrics").tables
    assert set(on_holdout.columns) == {"Metric", "guess", "logistic", "without skill"}
    assert on_stored.name.startswith("The champion of the time, on the ")
    assert [name.startswith("champion version 1") for name in on_stored.columns] == [False, True, False, False]
    (of_the_run,) = world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)[-1:]
    assert on_stored.name.endswith(f"{of_the_run.numbers['stored_rows']:,} rows that still have its columns")


def test_a_recipe_without_stored_rows_to_compare_on_must_beat_no_skill_and_says_so(world: World) -> None:
    first_model(world, 24)
    world = without_service(world)
    for day in range(24, 34):
        ingest_and_validate(world, day)
    result = retrained(world, 34)
    assert result.deployed is not None
    reasons = " ".join(result.judged.reasons)
    assert "and a prediction without skill 0.5" in reasons
    assert result.judged.verdict == "better"
    assert "too few to compare the two" in reasons


def test_a_window_that_was_stored_with_the_column_is_still_scored_by_its_model(world: World) -> None:
    first_model(world)
    before = predict(world, 31)
    world = without_service(world)
    validate.run(world.use_case, world.day(31), world.ports, "test")
    again = score.run(world.use_case, world.day(31), world.ports, "test", model=AS_WAS)
    assert (again.revision, again.digest) == (2, before.digest)


def with_price(world: World) -> World:
    """A column comes into the source and the spec."""
    price = np.random.default_rng(1).normal(size=world.parcels.table.num_rows)
    world.parcels.table = world.parcels.table.append_column("price", pa.array(price))
    return respecified(world, SERVICE, SERVICE + "  price: {kind: numeric}\n")


def test_a_model_goes_on_scoring_when_a_column_is_added(world: World) -> None:
    first_model(world)
    world = with_price(world)
    assert predict(world, 31).model_version == "1"


def test_an_added_column_needs_history_read_again_and_the_error_says_with_which_command(world: World) -> None:
    first_model(world)
    world = with_price(world)
    with pytest.raises(
        NotEnoughData, match=r"perennial ingest parcels --from 2024-01-09T00:00Z --to 2024-01-30T00:00Z"
    ):
        retrained(world, 30)
    for day in range(8, 34):
        ingest.run(world.use_case, world.day(day), world.ports, "test")
    judged = retrained(world, 34).judged
    assert "and champion version 1 as it was judged" in judged.reasons[0]
    assert judged.winner is None  # a column of noise makes nothing better


def test_old_windows_are_measured_after_columns_came_and_went(world: World) -> None:
    first_model(world)
    predict(world, 30)
    world = without_service_kept(with_price(world))
    collect_labels.run(world.use_case, world.day(33).start, world.ports, "test")
    measured = measure.run(world.use_case, world.day(33).start, world.ports, "test")
    assert measured.final == 1


def without_service_kept(world: World) -> World:
    """The column leaves the spec; another one takes its line."""
    return respecified(world, SERVICE, SERVICE.replace("categorical}", "categorical, role: carry}"))


def test_a_kind_that_neither_source_nor_lake_has_is_refused_with_both(world: World) -> None:
    ingest_and_validate(world, 0)
    world = respecified(world, SERVICE, SERVICE.replace("categorical", "numeric"))
    told = r"(?s)service.*cast it to a number at the source.*raw/parcels in the lake: .*give the column a new name"
    with pytest.raises(SchemaMismatch, match=told):
        ingest.run(world.use_case, world.day(1), world.ports, "test")


def test_a_column_that_changed_its_kind_is_refused_with_what_to_do(world: World) -> None:
    first_model(world)
    rule = "expectations: [{type: expect_column_values_to_not_be_null, kwargs: {column: weight}}]\n"
    (world.use_case.folder / "expectations.yaml").write_text(rule)
    world = respecified(world, "weight: {kind: numeric}", "weight: {kind: categorical}")
    told = "weight is double in the table and arrives as string.*give the column a new name"
    weights = world.parcels.table.column("weight").cast(pa.string())
    world.parcels.table = world.parcels.table.set_column(2, "weight", weights)
    with pytest.raises(SchemaMismatch, match=told):
        ingest.run(world.use_case, world.day(31), world.ports, "test")
    with pytest.raises(NotEnoughData, match="weight is declared categorical and holds double"):
        retrained(world, 30)


def test_the_champion_is_judged_as_before_where_a_feature_became_a_column_that_is_carried(world: World) -> None:
    first_model(world)
    world = without_service_kept(world)
    result = retrained(world, 58)
    assert "and champion version 1 0." in result.judged.reasons[0]
    assert result.judged.reasons[0].endswith("better beyond chance.")
    assert world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION) is not None


def with_watched(world: World, role: str = "monitor") -> World:
    """A column that is only watched."""
    humidity = np.random.default_rng(2).normal(size=world.parcels.table.num_rows)
    world.parcels.table = world.parcels.table.append_column("humidity", pa.array(humidity))
    return respecified(world, SERVICE, SERVICE + f"  humidity: {{kind: numeric, role: {role}}}\n")


def test_a_column_that_is_no_longer_watched_is_left_out_and_named(world: World) -> None:
    watching = with_watched(world)
    first_model(watching)
    predict(watching, 31)
    before = monitor.run(watching.use_case, watching.day(31), watching.ports, "test")
    watching.parcels.table = watching.parcels.table.drop_columns(["humidity"])
    world = respecified(watching, "  humidity: {kind: numeric, role: monitor}\n", "")
    predict(world, 32)
    after = monitor.run(world.use_case, world.day(32), world.ports, "test")
    assert before.verdict is after.verdict is Verdict.PASS
    assert after.reasons[-1] == "Not measured, because use_case.yaml no longer monitors them: humidity."
    report = world.ports.ledger.drift_of("parcels", world.day(32))[-1]
    assert "humidity" not in report.columns
    assert report.columns.keys() >= {"weight", "service", "(prediction)", "(correlation)"}
    together = drift_overview.run(world.use_case, [world.day(31), world.day(32)], world.ports)
    assert together.assessment.left_out == ("humidity",)
    assert "humidity" in together.assessment.reasons[-1]


def test_a_column_that_came_after_the_model_is_named_as_not_watched(world: World) -> None:
    first_model(world)
    world = with_watched(world)
    predict(world, 31)
    monitored = monitor.run(world.use_case, world.day(31), world.ports, "test")
    told = "Not watched until the next model, whose reference will have them: humidity."
    assert monitored.reasons[-1] == told
    assert drift_overview.run(world.use_case, [world.day(31)], world.ports).assessment.reasons[-1] == told


def test_a_feature_that_became_a_column_to_carry_is_no_longer_measured(world: World) -> None:
    first_model(world)
    world = without_service_kept(world)
    predict(world, 31)
    assert "service" in monitor.run(world.use_case, world.day(31), world.ports, "test").reasons[-1]
