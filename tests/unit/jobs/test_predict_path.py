"""Ingest, validate, score, monitor: each alone, again, and in the wrong order."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.remembered import remembered
from tests.unit.jobs.world import ROWS, START, World

from perennial.digest import table_digest
from perennial.errors import (
    EmptyWindow,
    NoModel,
    NotIngested,
    NotScored,
    NotValidated,
    SchemaMismatch,
    SourceUnavailable,
    ValidationFailed,
)
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.jobs.retrain import chain as retrain
from perennial.ledger.entries import DeployedRole
from perennial.records.model_choice import ModelChoice, Resolution
from perennial.spec.load import load_use_case
from perennial.verdict import Verdict

AS_WAS = ModelChoice()


def ingest_and_validate(world: World, day: int) -> None:
    ingest.run(world.use_case, world.day(day), world.ports, "test")
    validate.run(world.use_case, world.day(day), world.ports, "test")


def first_model(world: World, day: int = 30) -> None:
    """A model that was trained on what was known at the beginning of a day, which other tests are about."""

    def train(world: World) -> None:
        retrain.run(world.use_case, world.day(day).start, world.ports, "test", actor="test", reason="first")

    remembered(world, f"first model of day {day}", train)


def predict(world: World, day: int, choice: ModelChoice = AS_WAS, run_id: str = "test") -> score.Scored:
    ingest_and_validate(world, day)
    return score.run(world.use_case, world.day(day), world.ports, run_id, model=choice)


def test_i1_the_same_window_of_the_same_source_is_the_same_snapshot(world: World) -> None:
    first = ingest.run(world.use_case, world.day(0), world.ports, "one")
    second = ingest.run(world.use_case, world.day(0), world.ports, "two")
    assert (first.changed, second.changed) == (True, False)
    assert (second.digest, second.version, second.rows) == (first.digest, first.version, ROWS)


def test_a_changed_source_makes_a_second_snapshot_and_the_first_stays_readable(world: World) -> None:
    first = ingest.run(world.use_case, world.day(0), world.ports, "one")
    world.change(0, "weight", 11.0)
    second = ingest.run(world.use_case, world.day(0), world.ports, "two")
    assert second.changed
    assert second.digest != first.digest
    old = world.ports.lake.read("raw/parcels", world.day(0).key, version=first.version)
    assert table_digest(old) == first.digest


def test_i9_an_empty_window_says_so_and_leaves_nothing(world: World) -> None:
    world.parcels.table = world.parcels.table.slice(0, 0)
    with pytest.raises(EmptyWindow, match=r"no rows for 2024-01-01.*allow_empty"):
        ingest.run(world.use_case, world.day(0), world.ports, "test")
    assert world.ports.ledger.latest_snapshot("parcels", world.day(0)) is None


def test_a_refused_window_leaves_the_last_snapshot_in_place(world: World) -> None:
    kept = ingest.run(world.use_case, world.day(0), world.ports, "test")
    world.parcels.table = world.parcels.table.drop_columns(["weight"])
    with pytest.raises(SchemaMismatch, match="weight"):
        ingest.run(world.use_case, world.day(0), world.ports, "test")
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(0))
    assert snapshot is not None
    assert snapshot.digest == kept.digest


def test_a_source_that_is_down_is_a_disturbance(world: World) -> None:
    world.parcels.down = True
    with pytest.raises(SourceUnavailable):
        ingest.run(world.use_case, world.day(0), world.ports, "test")


def test_each_step_names_the_one_that_is_missing(world: World) -> None:
    with pytest.raises(NotIngested, match="perennial ingest parcels"):
        validate.run(world.use_case, world.day(0), world.ports, "test")
    ingest.run(world.use_case, world.day(0), world.ports, "test")
    with pytest.raises(NotValidated, match="perennial validate parcels"):
        score.run(world.use_case, world.day(0), world.ports, "test", model=AS_WAS)
    validate.run(world.use_case, world.day(0), world.ports, "test")
    with pytest.raises(NoModel, match=r"no model yet.*parcels\.retrain"):
        score.run(world.use_case, world.day(0), world.ports, "test", model=AS_WAS)
    with pytest.raises(NotScored, match="perennial score parcels"):
        monitor.run(world.use_case, world.day(0), world.ports, "test")


def test_i2_a_failed_verdict_blocks_scoring(world: World) -> None:
    first_model(world)
    world.change(31, "weight", 500.0)
    ingest.run(world.use_case, world.day(31), world.ports, "test")
    with pytest.raises(ValidationFailed, match="weight"):
        validate.run(world.use_case, world.day(31), world.ports, "test")
    with pytest.raises(ValidationFailed, match="nothing is scored"):
        score.run(world.use_case, world.day(31), world.ports, "test", model=AS_WAS)
    assert world.ports.ledger.latest_batch("parcels", world.day(31)) is None


def test_i2_a_verdict_on_older_rows_does_not_open_the_gate(world: World) -> None:
    first_model(world)
    predict(world, 31)
    world.change(31, "service", "road")
    ingest.run(world.use_case, world.day(31), world.ports, "test")
    with pytest.raises(NotValidated):
        score.run(world.use_case, world.day(31), world.ports, "test", model=AS_WAS)


def test_quarantined_rows_are_kept_with_their_rule_and_not_scored(world: World) -> None:
    first_model(world)
    ids = world.parcels.table.column("parcel")
    bad = pa.array([31 * ROWS, 31 * ROWS + 1])
    weight = pc.if_else(pc.is_in(ids, value_set=bad), -99.0, world.parcels.table.column("weight"))
    world.parcels.table = world.parcels.table.set_column(2, "weight", weight)
    scored = predict(world, 31)
    quarantine = world.ports.lake.read("quarantine/parcels", world.day(31).key)
    assert sorted(quarantine.column("parcel").to_pylist()) == bad.to_pylist()
    assert "weight" in quarantine.column("rule")[0].as_py()
    assert scored.rows == ROWS - 2


def test_i3_lake_and_published_table_hold_the_same_rows_of_one_model(world: World) -> None:
    first_model(world)
    scored = predict(world, 31)
    lake = world.ports.lake.read("predictions/parcels", world.day(31).key)
    assert table_digest(lake) == world.ports.published.digest("parcels", world.day(31))
    assert lake.num_rows == scored.rows == ROWS
    assert lake.column("model_digest").unique().to_pylist() == [scored.model_digest]


def test_i4_scoring_again_makes_no_new_revision(world: World) -> None:
    first_model(world)
    first, second = predict(world, 31, run_id="one"), predict(world, 31, run_id="two")
    assert (first.revision, second.revision) == (1, 1)
    assert not second.changed
    assert len(world.ports.ledger.batches("parcels", world.day(31))) == 1


def test_i4_a_published_table_changed_by_hand_is_mended(world: World) -> None:
    first_model(world)
    predict(world, 31)
    rows = world.ports.published.read("parcels", world.day(31))
    world.ports.published.publish("parcels", world.day(31), rows.slice(0, 3))
    predict(world, 31)
    assert world.ports.published.read("parcels", world.day(31)).num_rows == ROWS


def test_changed_rows_make_a_second_revision_and_the_first_stays_on_record(world: World) -> None:
    first_model(world)
    predict(world, 31)
    world.change(31, "service", "road")
    second = predict(world, 31)
    assert second.revision == 2
    digests = [batch.digest for batch in world.ports.ledger.batches("parcels", world.day(31))]
    assert len(set(digests)) == 2


def test_i7_as_was_takes_the_model_of_the_windows_time_and_the_others_what_they_say(world: World) -> None:
    first_model(world, 20)
    predict(world, 20)
    retrain.run(world.use_case, world.day(58).start, world.ports, "test", actor="test", reason="second")
    entries = world.ports.ledger.deployments("parcels")
    assert [entry.model_version for entry in entries] == ["1", "2"]
    again = predict(world, 20)
    assert not again.changed
    now = predict(world, 20, ModelChoice(Resolution.AS_NOW))
    assert (now.revision, now.model_version) == (2, "2")
    pinned = predict(world, 20, ModelChoice.parse("pinned:1"))
    assert (pinned.revision, pinned.model_version) == (3, "1")
    first, _, third = world.ports.ledger.batches("parcels", world.day(20))
    assert first.digest == third.digest


def test_without_a_model_it_names_an_as_of_that_has_history_enough_and_that_works(world: World) -> None:
    for day, expected in ((30, "2024-01-31T00:00Z"), (3, "2024-01-16T00:00Z")):
        with pytest.raises(NoModel) as none:
            predict(world, day)
        assert f"`perennial retrain parcels --as-of {expected}`" in str(none.value)
        assert ("too little history before this window" in str(none.value)) == (day == 3)
    as_of = datetime(2024, 1, 16, tzinfo=UTC)
    retrain.run(world.use_case, as_of, world.ports, "test", actor="test", reason="first")
    assert predict(world, 15).model_version == "1"


def test_without_a_model_a_history_that_is_always_too_short_is_said(world: World) -> None:
    file = world.use_case.folder / "use_case.yaml"
    file.write_text(file.read_text().replace("min_rows: 500", "min_rows: 5_000"))
    world.use_case = load_use_case(file.parent)
    with pytest.raises(
        NoModel, match=r"can't have one: training.history holds 22 windows, about 3,960 rows, and .* asks for 5,000"
    ):
        predict(world, 30)


def test_a_window_before_the_first_model_says_what_there_is(world: World) -> None:
    first_model(world, 30)
    with pytest.raises(NoModel, match=r"version 1 from 2024-01-31T00:00Z.*as_now"):
        predict(world, 5)
    with pytest.raises(NoModel, match="pinned:9"):
        predict(world, 5, ModelChoice.parse("pinned:9"))


@pytest.mark.parametrize("text", ["latest", "pinned", "pinned:", "as_now:3", ""])
def test_a_choice_of_model_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NoModel, match="as_was, as_known, as_now or pinned:<version>"):
        ModelChoice.parse(text)


def test_drift_that_persists_calls_for_retraining_once_per_window(world: World) -> None:
    first_model(world, 30)
    decisions = []
    for day in range(38, 43):
        predict(world, day)
        monitored = monitor.run(world.use_case, world.day(day), world.ports, "test")
        decisions.append((day, monitored.verdict, monitored.decision.action))
    assert [verdict for _, verdict, _ in decisions[2:]] == [Verdict.FAIL] * 3
    assert [action for _, _, action in decisions] == ["wait", "hold", "hold", "retrain", "wait"]
    again = monitor.run(world.use_case, world.day(41), world.ports, "other")
    assert again.decision.action == "retrain"
    assert again.decision.run_id == "test"


def test_monitoring_names_the_column_that_moved(world: World) -> None:
    first_model(world, 30)
    predict(world, 45)
    monitored = monitor.run(world.use_case, world.day(45), world.ports, "test")
    assert any("weight" in reason for reason in monitored.reasons)


def test_monitoring_refuses_rows_that_were_not_the_ones_scored(world: World) -> None:
    first_model(world, 30)
    predict(world, 31)
    world.change(31, "service", "road")
    ingest_and_validate(world, 31)
    with pytest.raises(NotScored, match="ingested again"):
        monitor.run(world.use_case, world.day(31), world.ports, "test")


def test_i5_the_alias_follows_the_ledger(world: World) -> None:
    first_model(world)
    champion = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert champion is not None
    assert champion.effective_from == world.day(30).start > START
    assert world.ports.registry.alias("parcels", "champion") == champion.model_version
