"""Assemble, train, judge, deploy, evaluate, roll back."""

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.remembered import remembered
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import ROWS, START, World

from perennial.encoding import as_json, bytes_digest, from_json
from perennial.errors import DeploymentConflict, InvalidSpec, NoModel, NotEnoughData
from perennial.features.build import feature_frame
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import monitor
from perennial.jobs.retrain import assemble, deploy, judge, rollback, train
from perennial.jobs.retrain import chain as retrain
from perennial.ledger.entries import DeployedRole
from perennial.modeling.artifact import dump, load
from perennial.modeling.holdout import split
from perennial.modeling.predict import predict as predicted
from perennial.modeling.train import fit
from perennial.performance.maturity import Maturity
from perennial.performance.metrics import metrics_of
from perennial.records.model_choice import ModelChoice
from perennial.records.training_set import outcomes, read_manifest, read_rows
from perennial.spec.load import load_use_case


def retrained(world: World, day: int) -> retrain.Retrained:
    """What a retraining as of the beginning of a day comes to."""

    def run(world: World) -> retrain.Retrained:
        return retrain.run(world.use_case, world.day(day).start, world.ports, "test", actor="ann", reason="test")

    return remembered(world, f"retrained as of day {day}", run)


def judged(world: World, day: int) -> judge.Judged:
    """What its judge says."""
    return remembered(world, f"judged as of day {day}", lambda same: judged_now(same, day))


def judged_now(world: World, day: int) -> judge.Judged:
    """The same, done here and now: the log has it."""
    made = assemble.run(world.use_case, world.day(day).start, world.ports, "test")
    candidates = [
        train.run(world.use_case, made.training_id, each.name, world.ports, "test")
        for each in world.use_case.spec.training.candidates
    ]
    return judge.run(world.use_case, made.training_id, candidates, world.ports, "test")


def test_i6_only_labels_that_had_arrived_take_part(world: World) -> None:
    made = assemble.run(world.use_case, world.day(20).start, world.ports, "test")
    manifest = read_manifest(made.training_id, world.ports)
    rows = read_rows(manifest, world.ports)
    assert max(rows.column("sent_at").to_pylist()) < world.day(19).start  # day 19 ended just now: it is not mature
    assert rows.num_rows == 19 * ROWS
    assert manifest.until == world.day(18).end


def test_what_is_too_young_to_learn_from_is_told_with_what_it_costs(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ingest_and_validate(world, 29)
    verdict = judged_now(world, 30)
    manifest = read_manifest(verdict.training_id, world.ports)
    assert [(each.window, each.rows) for each in manifest.immature] == [(world.day(29), ROWS)]
    told = "The labels of 1 newer window (180 rows) are not mature yet: the newest row used is 1.0 days old."
    assert verdict.reasons[-1] == told
    assert told in caplog.text
    assert "parcels as of 2024-01-31T00:00Z: " in caplog.text
    made = assemble.run(world.use_case, world.day(30).start, world.ports, "test")
    assert (made.immature, made.immature_rows, made.days_behind) == (1, ROWS, pytest.approx(1.0, abs=0.05))


def test_a_window_whose_labels_are_overdue_is_left_out_and_named(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    gone = pa.array(set(world.rows_of(10) + world.rows_of(15)[:100]), pa.int64())
    table = world.outcomes.table
    world.outcomes.table = table.filter(pc.invert(pc.is_in(table.column("parcel"), value_set=gone)))
    made = assemble.run(world.use_case, world.day(20).start, world.ports, "test")
    excluded = read_manifest(made.training_id, world.ports).excluded
    assert [each.window for each in excluded] == [world.day(10), world.day(15)]
    assert "overdue: 80 of 180 rows have a label, where about 180 were expected" in excluded[1].reason
    assert "is left out: its labels are overdue: 0 of 180 rows have a label" in caplog.text
    assert made.rows == 17 * ROWS


def test_labels_that_match_nothing_are_told_instead_of_advising_a_longer_history(world: World) -> None:
    strange = pc.add(world.outcomes.table.column("parcel"), 1_000_000)
    world.outcomes.table = world.outcomes.table.set_column(0, "parcel", strange)
    with pytest.raises(NotEnoughData, match=r"labels came for 19 windows .* none matched a row.*'1003240'") as caught:
        assemble.run(world.use_case, world.day(20).start, world.ports, "test")
    assert "lengthen" not in str(caught.value)


def test_what_is_told_of_labels_names_no_personal_key(world: World, caplog: pytest.LogCaptureFixture) -> None:
    file = world.use_case.folder / "use_case.yaml"
    file.write_text(file.read_text().replace("role: key}", "role: key, personal: true}"))
    personal = World(load_use_case(world.use_case.folder), world.ports, world.parcels, world.outcomes)
    table = world.outcomes.table
    denied = pa.array([not value for value in table.column("late").to_pylist()])
    both = pa.concat_tables([table, table.set_column(2, "late", denied)])
    world.outcomes.table = both.set_column(0, "parcel", pc.add(both.column("parcel"), 1_000_000))
    with pytest.raises(NotEnoughData, match=r"180 of 180 labels match no row by their key\. Write keys"):
        assemble.run(personal.use_case, world.day(20).start, world.ports, "test")
    assert "180 keys have several outcomes with one delivered_at, such as parcel withheld: the greatest" in caplog.text
    assert "1003" not in caplog.text  # how their keys begin


def test_labels_that_no_window_can_be_learnt_from_are_the_advice(world: World) -> None:
    late = pa.array([1 + value for value in world.outcomes.table.column("late").to_pylist()])  # 1 and 2
    world.outcomes.table = world.outcomes.table.set_column(2, "late", late)
    with pytest.raises(NotEnoughData, match="Every window was left out: correct the reasons listed here") as caught:
        assemble.run(world.use_case, world.day(20).start, world.ports, "test")
    first, *windows = str(caught.value).splitlines()
    assert "lengthen" not in first
    assert len(windows) == 5
    assert all("column late holds 1 and 2" in each for each in windows)


def test_i6_a_label_that_was_corrected_later_does_not_reach_back(world: World) -> None:
    before = assemble.run(world.use_case, world.day(20).start, world.ports, "one")
    late = world.outcomes.table.column("late").combine_chunks()
    corrected = world.outcomes.table.set_column(2, "late", pa.array([not value for value in late.to_pylist()]))
    delivered = [at + timedelta(days=40) for at in corrected.column("delivered_at").to_pylist()]
    corrected = corrected.set_column(3, "delivered_at", pa.array(delivered, pa.timestamp("us", "UTC")))
    world.outcomes.table = pa.concat_tables([world.outcomes.table, corrected])
    collect_labels.run(world.use_case, world.day(59).start, world.ports, "later")
    again = assemble.run(world.use_case, world.day(20).start, world.ports, "two")
    assert again.digest == before.digest


def test_a_window_that_fails_is_left_out_with_its_reason(world: World) -> None:
    world.change(3, "weight", 500.0)
    made = assemble.run(world.use_case, world.day(20).start, world.ports, "test")
    manifest = read_manifest(made.training_id, world.ports)
    assert (made.windows, made.excluded) == (18, 1)
    assert manifest.excluded[0].window == world.day(3)
    assert "weight" in manifest.excluded[0].reason


def test_too_little_history_is_told_with_the_keys_to_change(world: World) -> None:
    with pytest.raises(NotEnoughData, match=r"1 window younger than labels.mature_after.*training\.min_rows"):
        assemble.run(world.use_case, world.day(2).start, world.ports, "test")


def test_the_first_model_must_beat_no_skill(world: World) -> None:
    verdict = judged(world, 30)
    assert verdict.action == "promote"
    assert verdict.winner is not None
    assert verdict.winner.candidate == "logistic"
    assert verdict.scores["no_skill"]["roc_auc"] == 0.5


def test_training_again_on_the_same_rows_is_no_improvement(world: World) -> None:
    first = retrained(world, 30)
    again = retrained(world, 30)
    assert first.deployed is not None
    assert again.deployed is None
    assert len(world.ports.registry.versions("parcels")) == 1


def test_after_the_shift_a_new_model_takes_over_and_says_what_it_was_trained_on(world: World) -> None:
    first_model(world, 30)
    result = retrained(world, 58)
    assert result.deployed is not None
    champion = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert champion is not None
    assert champion.model_version == "2"
    assert champion.training["digest"] == result.assembled.digest
    assert (champion.actor, champion.reason) == ("ann", "test")
    assert any("champion version 1" in reason for reason in result.judged.reasons)


def test_a_candidate_that_is_not_in_the_spec_is_named(world: World) -> None:
    made = assemble.run(world.use_case, world.day(20).start, world.ports, "test")
    with pytest.raises(InvalidSpec, match="logistic, guess"):
        train.run(world.use_case, made.training_id, "forest", world.ports, "test")


def test_i4_deploying_again_finds_its_own_entry(world: World) -> None:
    verdict = judged(world, 30)
    first = deploy.run(world.use_case, verdict, world.ports, "test", actor="ann", reason="first")
    again = deploy.run(world.use_case, verdict, world.ports, "test", actor="ann", reason="first")
    assert first == again
    assert len(world.ports.ledger.deployments("parcels")) == 1


def test_i5_a_winner_judged_against_a_former_champion_is_told(world: World) -> None:
    first_model(world, 30)
    stale = judged(world, 58)
    retrained(world, 59)
    with pytest.raises(DeploymentConflict, match="version 2"):
        deploy.run(world.use_case, stale, world.ports, "test", actor="ann", reason="late")
    assert world.ports.registry.alias("parcels", "champion") == "2"


def test_what_was_rejected_can_not_be_deployed(world: World) -> None:
    first_model(world, 30)
    rejected = judged(world, 30)
    with pytest.raises(NoModel, match="no candidate was promoted"):
        deploy.run(world.use_case, rejected, world.ports, "test", actor="ann", reason="anyway")


def test_results_survive_json(world: World) -> None:
    verdict = judged(world, 30)
    assert from_json(judge.Judged, as_json(verdict)) == verdict


def test_performance_matures_from_partial_to_final(world: World) -> None:
    first_model(world, 30)
    predict(world, 30)
    for as_of in (world.day(30).end, world.day(31).end, world.day(32).end):
        collect_labels.run(world.use_case, as_of, world.ports, "test")
        evaluated = measure.run(world.use_case, as_of, world.ports, "test")
    assert evaluated.outcome == "no scored window waits for labels"
    (entry,) = world.ports.ledger.performance_between("parcels", START, world.day(40).end)
    assert (entry.maturity, entry.completeness, entry.as_of) == (Maturity.FINAL, 1.0, world.day(31).end)
    assert entry.metrics["roc_auc"] > 0.7


def test_a_partial_window_says_how_much_is_known(world: World) -> None:
    first_model(world, 30)
    predict(world, 30)
    collect_labels.run(world.use_case, world.day(30).end, world.ports, "test")
    measure.run(world.use_case, world.day(30).end, world.ports, "test")
    (entry,) = world.ports.ledger.performance_between("parcels", START, world.day(40).end)
    assert entry.maturity is Maturity.PARTIAL
    assert 0.3 < entry.completeness < 0.7


def test_lost_performance_calls_for_retraining(world: World) -> None:
    first_model(world, 30)
    for day in range(40, 44):
        predict(world, day)
    collect_labels.run(world.use_case, world.day(45).end, world.ports, "test")
    evaluated = measure.run(world.use_case, world.day(45).end, world.ports, "test")
    assert evaluated.decision.action == "retrain"


def test_i7_a_deployment_never_reaches_back_over_windows_already_scored(world: World) -> None:
    first_model(world, 30)
    predict(world, 59)
    result = retrained(world, 58)
    assert result.deployed is not None
    assert result.deployed.effective_from == world.day(59).end
    assert not predict(world, 59).changed


def test_what_is_deployed_is_refitted_on_everything_mature_and_what_was_judged_stays_on_record(world: World) -> None:
    verdict = judged(world, 30)
    assert verdict.winner is not None
    assert verdict.refitted is not None
    repeated = judged(world, 30).refitted
    made = deploy.run(world.use_case, verdict, world.ports, "test", actor="ann", reason="first")
    rows = read_rows(read_manifest(verdict.training_id, world.ports), world.ports)
    again = fit(
        world.use_case.spec,
        world.use_case.spec.training.candidates[0],
        feature_frame(world.use_case.spec, rows),
        outcomes(world.use_case.spec, rows),
    )
    assert made.model_digest == verdict.refitted.digest == bytes_digest(dump(again)) != verdict.winner.digest
    (entry,) = world.ports.ledger.deployments("parcels")
    assert entry.metrics == verdict.winner.metrics
    assert entry.training["judged_digest"] == verdict.winner.digest
    assert entry.training["refitted"]["digest"] == made.model_digest
    agreement = verdict.refitted.agreement
    assert verdict.refitted.rows == rows.num_rows
    assert agreement.rows == rows.num_rows - 7 * ROWS
    assert agreement.correlation == pytest.approx(1, abs=0.02)
    assert 0 < agreement.mean_absolute_difference < 0.05
    assert agreement.judged == pytest.approx(agreement.refitted, abs=0.01)
    assert repeated == verdict.refitted


def test_without_refit_what_was_judged_is_deployed(world: World) -> None:
    spec = world.use_case.spec
    training = spec.training.model_copy(update={"refit": False})
    world = replace(world, use_case=replace(world.use_case, spec=spec.model_copy(update={"training": training})))
    result = retrained(world, 30)
    assert result.judged.winner is not None
    assert result.judged.refitted is None
    assert result.deployed is not None
    assert result.deployed.model_digest == result.judged.winner.digest


def test_a_champion_that_has_learnt_rows_of_the_holdout_is_judged_as_it_was_before(world: World) -> None:
    first_model(world, 30)
    (entry,) = world.ports.ledger.deployments("parcels")
    soon = judged(world, 33)
    name = "champion version 1 as it was judged (it has learnt rows of this holdout since)"
    pipeline = load(world.ports.artifacts.get(entry.training["judged_digest"]), entry.training["judged_digest"])
    manifest = read_manifest(soon.training_id, world.ports)
    _, holdout = split(world.use_case.spec, read_rows(manifest, world.ports), manifest.until)
    said = predicted(pipeline, world.use_case.spec.task, feature_frame(world.use_case.spec, holdout))
    truth = outcomes(world.use_case.spec, holdout)
    assert soon.scores[name] == metrics_of(world.use_case.spec.task, truth, said)
    later = judged(world, 37)
    assert "champion version 1" in later.scores


def test_rolling_back_takes_a_version_that_was_in_service(world: World) -> None:
    first_model(world, 30)
    retrained(world, 58)
    with pytest.raises(NoModel, match="versions that were: 1, 2"):
        rollback.run(world.use_case, "7", world.ports, "test", actor="ann", reason="oops")
    back = rollback.run(world.use_case, "1", world.ports, "test", actor="ann", reason="worse on Mondays")
    assert back.model_version == "1"
    assert world.ports.registry.alias("parcels", "champion") == "1"
    assert world.ports.ledger.deployments("parcels")[-1].reason == "worse on Mondays"
    assert predict(world, 59, ModelChoice.parse("as_now")).model_version == "1"


def test_drift_after_deployment_is_measured_against_the_new_reference(world: World) -> None:
    first_model(world, 30)
    retrained(world, 58)
    predict(world, 58)
    monitored = monitor.run(world.use_case, world.day(58), world.ports, "test")
    assert monitored.decision.numbers["windows"] == 1
    assert replace(monitored.decision, id=None).subject == world.day(58).key


def test_a_feature_that_gives_the_outcome_away_is_named_by_the_judge(world: World) -> None:
    late = world.outcomes.table.column("late").cast(pa.float64())
    world.parcels.table = world.parcels.table.set_column(2, "weight", late)
    reasons = judged(world, 30).reasons
    warning = "Warning: weight alone predicts the holdout nearly perfectly (ROC AUC 1.000)."
    assert any(reason.startswith(warning) for reason in reasons)


def test_a_training_set_that_is_too_small_says_from_when_on_it_is_enough(world: World) -> None:
    with pytest.raises(NotEnoughData, match=r"Retrain as of 2024-01-16T00:00Z or later, lengthen"):
        retrain.run(world.use_case, world.day(3).start, world.ports, "test", actor="test", reason="first")
    file = world.use_case.folder / "use_case.yaml"
    file.write_text(file.read_text().replace("min_rows: 500", "min_rows: 5_000"))
    with pytest.raises(NotEnoughData, match=r"A later time would not help: training.history holds 22 windows, about"):
        retrain.run(load_use_case(file.parent), world.day(30).start, world.ports, "test", actor="test", reason="first")
