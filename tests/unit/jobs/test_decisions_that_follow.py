"""Decisions: chosen with a version, published with every row, the same on replay, and measured by what they cost."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.jobs.test_late import without
from tests.unit.jobs.test_learning_path import judged, retrained
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import ROWS, SHIFT, SPEC, World

from perennial.digest import table_digest
from perennial.encoding import as_json
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import late
from perennial.jobs.retrain import rollback
from perennial.judgement.fairness import FairnessStanding
from perennial.ledger.entries import Batch, DecisionKind, DeployedRole, Performance, RecordedDecision
from perennial.modeling.decision import DECISION
from perennial.records.batch import decision_rule
from perennial.records.judgement import read
from perennial.review import explain, history, preview, reproduce
from perennial.review.comparison import revisions
from perennial.review.evidence_page import as_text
from perennial.spec.load import load_use_case

COSTS = "costs: {false_positive: 2, false_negative: 3}"
AUTO = f"decision: {{threshold: auto, {COSTS}}}"


def say(world: World, decision: str, metric: str = "roc_auc", more: str = "") -> None:
    """Write the decision into the spec; "" takes it out again."""
    text = SPEC.replace("metric: roc_auc", f"metric: {metric}").replace("monitoring:", f"{decision}\nmonitoring:{more}")
    (world.use_case.folder / "use_case.yaml").write_text(text)
    world.use_case = load_use_case(world.use_case.folder)


def live(world: World, day: int) -> Batch:
    found = world.ports.ledger.latest_batch("parcels", world.day(day))
    assert found is not None
    return found


def published(world: World, day: int) -> pa.Table:
    return world.ports.published.read("parcels", world.day(day))


def in_lake(world: World, day: int) -> pa.Table:
    return world.ports.lake.read("predictions/parcels", world.day(day).key)


def judgement(world: World) -> RecordedDecision:
    return world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)[-1]


def measured(world: World, day: int, as_of: int) -> Performance:
    collect_labels.run(world.use_case, world.day(as_of).start, world.ports, "labels")
    measure.run(world.use_case, world.day(as_of).start, world.ports, "measure")
    return world.ports.ledger.performance_of("parcels", world.day(day))[-1]


def test_the_cheapest_threshold_is_chosen_before_the_holdout_and_deployed_as_it_was_judged(world: World) -> None:
    say(world, AUTO)
    done = retrained(world, 30)
    rule = done.judged.decision
    assert rule is not None
    assert rule.threshold == pytest.approx(0.4, abs=0.1)  # 2 to 3, of probabilities that are nearly right
    assert rule.chosen is not None
    assert (rule.chosen.time_ordered, rule.chosen.windows) == (
        True,
        10,
    )  # of fourteen before it
    assert rule.chosen.cost < min(rule.chosen.never, rule.chosen.always)
    deployment = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert deployment is not None
    assert decision_rule(deployment) == rule
    told = [each for each in done.judged.reasons if each.startswith("logistic decides for predictions from 0.")]
    assert len(told) == 1
    assert "before the holdout, each predicted by a model of earlier ones" in told[0]


def test_published_rows_carry_the_decision_and_the_lake_holds_the_same(world: World) -> None:
    say(world, AUTO)
    first_model(world)
    predict(world, 31)
    rows, rule = published(world, 31), decision_rule(live(world, 31))
    assert rule is not None
    decided = rows.column("prediction").to_numpy() >= rule.threshold
    assert rows.column("decided").to_pylist() == decided.tolist()
    assert 0 < decided.sum() < ROWS
    assert table_digest(rows) == table_digest(in_lake(world, 31))


def test_without_a_decision_tables_are_as_they_were(world: World) -> None:
    first_model(world)
    predict(world, 31)
    assert "decided" not in published(world, 31).column_names
    assert "decided" not in in_lake(world, 31).column_names
    assert live(world, 31).decision is None
    deployment = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert deployment is not None
    assert DECISION not in deployment.training


def test_i7_a_window_is_decided_again_as_it_was_whatever_the_spec_says_now(world: World) -> None:
    say(world, AUTO)
    first_model(world)
    predict(world, 31)
    before = published(world, 31)
    for now in ("decision: {top_k: 3, costs: {false_positive: 9, false_negative: 10}}", ""):
        say(world, now)
        again = predict(world, 31)
        assert (again.changed, again.revision) == (False, 1)
        assert published(world, 31).equals(before)
        made = reproduce.run(world.use_case, world.day(31), world.ports)
        assert [each.same for each in made] == [True]
    shown = preview.run(world.use_case, [world.day(31)], world.ports, model=preview.ModelChoice())
    assert shown[0].would_be == "unchanged"


def test_a_new_version_brings_the_new_decision_and_older_windows_keep_theirs(world: World) -> None:
    first_model(world)
    predict(world, 45)
    say(world, "decision: {top_k: 7}")
    retrained(world, 58)
    predict(world, 58)
    rows = published(world, 58)
    assert sum(rows.column("decided").to_pylist()) == 7
    highest = rows.take(pc.sort_indices(rows, [("prediction", "descending"), ("parcel", "ascending")])[:7])
    assert all(highest.column("decided").to_pylist())
    assert "decided" not in published(world, 45).column_names  # NULL, in the table
    rollback.run(world.use_case, "1", world.ports, "back", actor="ann", reason="as before")
    predict(world, 59)
    assert "decided" not in published(world, 59).column_names


def test_rows_that_come_late_make_a_revision_in_which_all_are_decided_anew(world: World) -> None:
    say(world, "decision: {top_k: 5}")
    first_model(world)
    everything = world.parcels.table
    spec = world.use_case.spec.model_copy(update={"late_data": timedelta(days=3)})
    world.use_case = replace(world.use_case, spec=spec)
    world.parcels.table = without(world, 32, 60)
    for day in (31, 32, 33):
        predict(world, day)
    early = {row["parcel"] for row in published(world, 32).to_pylist() if row["decided"]}
    world.parcels.table = everything
    done = late.run(world.use_case, world.day(34), world.ports, "late")
    assert live(world, 32).revision == 2
    now = {row["parcel"] for row in published(world, 32).to_pylist() if row["decided"]}
    assert len(early) == len(now) == 5
    gone = early - now
    assert gone  # of the sixty that came, some are higher
    assert done.predictions_changed == 60 + len(gone)
    found = revisions.run(world.use_case, world.day(32), 1, 2, world.ports)
    assert {(each.name, each.after, each.changed) for each in found.made_of if each.name == "decision"} == {
        ("decision", "the highest 5 rows of each window", False)
    }
    assert history.diff(world.use_case, world.day(32), 1, 2, world.ports).added == 60


def test_a_window_is_measured_by_what_its_published_decisions_cost(world: World) -> None:
    say(world, AUTO)
    first_model(world)
    predict(world, 31)
    say(world, "decision: {threshold: 0.9, costs: {false_positive: 100, false_negative: 1000}}")  # not theirs
    found = measured(world, 31, 34)
    rows = published(world, 31).sort_by("parcel")
    truth = world.outcomes.table.sort_by("parcel")
    own = pc.is_in(truth.column("parcel"), value_set=rows.column("parcel").combine_chunks())
    late_ones = np.array(truth.filter(own).column("late").to_pylist())
    decided = np.array(rows.column("decided").to_pylist())
    costs = np.where(decided & ~late_ones, 2.0, 0.0) + np.where(~decided & late_ones, 3.0, 0.0)
    assert found.metrics["cost"] == pytest.approx(costs.mean())
    spread = found.intervals["cost"]
    assert spread["standard_error"] == pytest.approx(costs.std(ddof=1) / np.sqrt(ROWS))
    assert spread["low"] < found.metrics["cost"] < spread["high"]
    assert [each.same for each in reproduce.run(world.use_case, world.day(31), world.ports)] == [True, True]


def test_cost_decides_who_takes_over_and_is_watched_afterwards(world: World) -> None:
    say(world, AUTO, metric="cost")
    first = retrained(world, 30)
    numbers = judgement(world).numbers
    assert (first.judged.verdict, numbers["metric"], numbers["tested"]) == ("better", "cost", "logistic")
    assert numbers["tested_value"] == pytest.approx(numbers["logistic.cost"])
    assert numbers["rival_value"] == pytest.approx(numbers["no_skill.cost"])
    assert "logistic has mean cost 0." in first.judged.reasons[0]
    assert judged(world, 37).action == "reject"  # the same world, a week later
    retrained(world, 58)
    champion = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert champion is not None
    assert champion.model_version == "2"
    assert champion.metrics["cost"] == judgement(world).numbers["logistic.cost"]
    numbers = judgement(world).numbers
    assert numbers["champion version 1.cost"] > numbers["logistic.cost"]
    predict(world, 58)
    assert measured(world, 58, 60).verdict == "pass"


def test_a_champion_without_a_decision_is_judged_by_the_one_its_costs_imply(world: World) -> None:
    first_model(world)
    say(world, AUTO, metric="cost")
    found = judged(world, 58)
    told = "The champion version 1 was deployed without a decision; for it, predictions from 0.4 on count."
    assert told in found.reasons
    assert found.action == "promote"


@pytest.mark.parametrize("way", ["top_k: 20", "top_share: 0.1"])
def test_a_first_model_that_ranks_beats_a_choice_without_skill(world: World, way: str) -> None:
    say(world, f"decision: {{{way}, {COSTS}}}", metric="cost")
    found = judged(world, 30)
    assert (found.action, found.verdict) == ("promote", "better")
    kept = read(judgement(world), world.ports)
    assert kept is not None
    assert kept.decisions is None  # whom a choice without skill would have taken, nobody can say


def test_the_judgement_says_how_the_decisions_differ(world: World) -> None:
    say(world, AUTO)
    first_model(world, 30)
    found = judged(world, 58)
    kept = read(judgement(world), world.ports)
    assert kept is not None
    assert kept.decisions is not None
    rows = judgement(world).numbers["rows_compared"]
    assert kept.decisions.both_right + kept.decisions.both_wrong + kept.decisions.discordant == rows
    assert kept.decisions.only_challenger_right > kept.decisions.only_champion_right
    assert set(kept.decided_by) == {"logistic", "champion version 1"}
    assert any(
        "McNemar's test, which counts rows as independent: p is below 0.000001" in each for each in found.reasons
    )


def test_without_a_decision_they_are_compared_at_one_half_and_it_is_kept(world: World) -> None:
    first_model(world, 30)
    judged(world, 58)
    kept = read(judgement(world), world.ports)
    assert kept is not None
    assert kept.decisions is not None
    assert set(kept.decided_by.values()) == {"predictions from 0.5 on"}


def test_a_model_whose_decisions_treat_a_group_more_differently_is_refused_and_the_sentence_says_whom(
    world: World,
) -> None:
    """From the shift on, parcels by air are late far more often; the champion knows nothing of it."""
    random, parcels = np.random.default_rng(3), world.parcels.table
    by_air = np.array(parcels.column("service").to_pylist()) == "air"
    days = np.arange(parcels.num_rows) // ROWS
    late_ones = np.array(world.outcomes.table.column("late").to_pylist())
    more = np.where(by_air & (days >= SHIFT), random.random(len(days)) < 0.9, late_ones)
    table = world.outcomes.table
    world.outcomes.table = table.set_column(table.column_names.index("late"), "late", pa.array(more))
    fairness = "metric: log_loss\n  fairness: {columns: [service], margin: 0.05}"
    say(world, "", metric=fairness.removeprefix("metric: "))
    first = retrained(world, 30)
    assert any("without a champion to compare with they decide nothing" in each for each in first.judged.reasons)
    found = judged(world, 58)
    assert (found.action, found.verdict, found.winner) == ("reject", "better", None)
    assert found.reasons[0].startswith(
        "logistic is better on the whole, but treats groups more differently than the champion (selection rate of "
        "service air"
    )
    assert any(each.startswith("The selection rate of service air (") for each in found.reasons)
    assert "Rates between groups are those at 0.5: use_case.yaml has no decision." in found.reasons
    kept = read(judgement(world), world.ports)
    assert kept is not None
    assert kept.fairness is not None
    assert kept.fairness.refused
    numbers = judgement(world).numbers
    assert numbers["differences"] == 12
    assert numbers["differences_wider"] == len(kept.fairness.of(FairnessStanding.WIDER))


def test_the_evidence_on_a_row_says_what_was_decided(world: World) -> None:
    say(world, "decision: {top_k: 1}")
    first_model(world)
    predict(world, 31)
    row = next(each for each in published(world, 31).to_pylist() if each["decided"])
    found = explain.run(
        world.use_case, str(row["parcel"]), world.day(31), world.day(32).start, world.ports, airflow_url=None
    )
    assert found.decided is True
    assert "for this row" in as_text(as_json(found))
