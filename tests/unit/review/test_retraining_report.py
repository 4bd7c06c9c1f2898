"""The report on a retraining: the comparison as a table, what asked for it, and what was not done."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import SPEC, World, make_world
from tests.unit.pages.asking import page

from perennial.jobs.predict import monitor
from perennial.jobs.retrain import chain as retrain
from perennial.ledger.entries import Approval, ApprovalRequest, DecisionKind, RecordedDecision
from perennial.records.judgement import DIGEST
from perennial.review import retraining_report
from perennial.spec.load import load_use_case
from perennial.verdict import ApprovalAnswer

ASKED = "roc_auc\n  min_gain: 0.4\n  margin: 0.05\n  slices: {columns: [service]}\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A first model, and a retraining which would have to be better by more than it can be: the champion stays."""
    world = make_world(tmp_path_factory.mktemp("world"))
    first_model(world)
    (world.use_case.folder / "use_case.yaml").write_text(SPEC.replace("roc_auc\n", ASKED))
    world = replace(world, use_case=load_use_case(world.use_case.folder))
    for day in (30, 31):
        predict(world, day)
        monitor.run(world.use_case, world.day(day), world.ports, "test")
    retrain.run(world.use_case, world.day(32).start, world.ports, "parcels.retrain/two", actor="ada", reason="to see")
    return world


def test_the_first_candidates_are_compared_with_a_prediction_without_skill(world: World) -> None:
    found = retraining_report.run(world.use_case, "test", world.ports)
    assert found.comparison is not None
    assert (found.comparison.best, found.comparison.rival) == ("logistic", "no_skill")
    assert set(found.comparison.candidates) == {"logistic", "guess"}
    first = found.comparison.metrics[0]
    assert (first.metric, first.deciding, first.better) == ("roc_auc", True, True)
    scores = first.scores
    assert scores["logistic"] is not None
    assert scores["no_skill"] == 0.5
    assert first.difference == pytest.approx(scores["logistic"] - 0.5)
    assert found.asked_for == ()


def test_a_rejected_candidate_stands_beside_the_champion_on_the_same_rows(world: World) -> None:
    found = retraining_report.run(world.use_case, "parcels.retrain/two", world.ports)
    assert found.sentence == "The champion stays: the candidate is surely not better by what was asked for."
    assert found.comparison is not None
    rival = found.comparison.rival
    assert rival is not None
    assert rival.startswith("champion version 1")
    assert found.comparison.min_gain == 0.4
    assert found.decision is not None
    for each in found.comparison.metrics:
        assert each.scores[rival] == found.decision.numbers[f"{rival}.{each.metric}"]
    log_loss = next(each for each in found.comparison.metrics if each.metric == "log_loss")
    assert log_loss.difference is not None
    assert log_loss.better == (log_loss.difference < 0)  # the smaller, the better
    said = page(world, "retraining", use_case="parcels", run_id="parcels.retrain/two")
    assert "it had to be better by at least 0.4 in the metric that decides" in said
    assert '<a href="/base/dags/parcels.retrain/runs/two/tasks/judge" data-airflow>' in said
    assert '<th scope="col" class="n">champion version 1' in said
    assert "<h2>Deployment</h2>" not in said


def test_what_the_labels_prove_is_shown_with_its_interval_slices_and_calibration(world: World) -> None:
    found = retraining_report.run(world.use_case, "parcels.retrain/two", world.ports)
    judged, decision = found.judgement, found.decision
    assert judged is not None
    assert decision is not None
    assert (judged.tested, judged.gone) == ("logistic", None)
    assert judged.rival.startswith("champion version 1")
    assert (judged.verdict, judged.gain, judged.low) == tuple(
        decision.numbers[key] for key in ("verdict", "gain", "low")
    )
    assert {each.name for each in judged.slices} == {"service air", "service rail", "service road"}
    assert judged.calibration is not None
    said = page(world, "retraining", use_case="parcels", run_id="parcels.retrain/two")
    assert "<h2>What the labels prove</h2>" in said
    assert f">{judged.verdict}</span>" in said
    assert 'role="img" aria-label="logistic is ' in said
    assert "0.4 better was asked for." in said
    assert '<th scope="row" class="name">service rail</th>' in said
    assert "Expected calibration error" in said


def test_slices_stand_with_the_worst_first(world: World) -> None:
    found = retraining_report.run(world.use_case, "parcels.retrain/two", world.ports).judgement
    assert found is not None
    standings = [str(each.standing) for each in found.slices]
    assert standings == sorted(standings, key=["worse", "unclear", "not worse", "not judged"].index)


def test_evidence_that_is_gone_and_decisions_by_the_score_alone_are_shown_all_the_same(world: World) -> None:
    last = world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)[-1]
    lost = replace(last, subject=f"{last.subject}, lost", run_id="parcels.retrain/lost", id=None, recorded_at=None)
    kept = ("metric", "min_gain", "gain", "rows", "winner", "winner_digest")
    scores = {key: value for key, value in last.numbers.items() if key in kept or "." in key}
    old = replace(lost, subject=f"{last.subject}, old", run_id="parcels.retrain/old", numbers=scores)
    world.ports.ledger.record_decision(replace(lost, numbers={**last.numbers, DIGEST: "0" * 64}))
    world.ports.ledger.record_decision(old)
    found = retraining_report.run(world.use_case, lost.run_id, world.ports).judgement
    assert found is not None
    assert found.gone is not None
    assert found.slices == ()
    assert "can't be shown: " in page(world, "retraining", use_case="parcels", run_id=lost.run_id)
    before = retraining_report.run(world.use_case, old.run_id, world.ports)
    assert before.judgement is None
    assert before.sentence == "The champion stays: no candidate was better."
    said = page(world, "retraining", use_case="parcels", run_id=old.run_id)
    assert "What the labels prove" not in said
    assert "is the candidate that was best" in said


def test_what_asked_for_it_is_shown(world: World) -> None:
    at = world.day(32).start
    asked = RecordedDecision(
        "parcels", DecisionKind.RETRAIN_ON_DRIFT, "w", at, "retrain", ("2 alarms in the last 3 windows.",), {}, "r"
    )
    for each in (
        asked,
        replace(asked, subject="x", action="hold"),
        replace(asked, subject="y", as_of=at - timedelta(1)),
    ):
        world.ports.ledger.record_decision(each)
    found = retraining_report.run(world.use_case, "parcels.retrain/two", world.ports)
    assert [each.subject for each in found.asked_for] == ["w"]
    said = page(world, "retraining", use_case="parcels", run_id="parcels.retrain/two")
    assert "Retrain on drift: 2 alarms in the last 3 windows." in said


def test_without_a_judgement_there_is_nothing_to_compare(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    found = retraining_report.run(world.use_case, "none", world.ports)
    assert (found.comparison, found.asked_for, found.decision) == (None, (), None)
    said = page(world, "retraining", use_case="parcels", run_id="parcels.retrain/none")
    assert "Nothing was judged yet." in said


DECIDED = "log_loss\n  fairness: {columns: [service], margin: 0.5}\n"
RULE = "decision: {threshold: auto, costs: {false_positive: 2, false_negative: 3}}\n"


@pytest.fixture(scope="module")
def deciding(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A first model with a decision, and one after the shift that is better."""
    world = make_world(tmp_path_factory.mktemp("deciding"))
    (world.use_case.folder / "use_case.yaml").write_text(SPEC.replace("roc_auc\n", DECIDED) + RULE)
    world = replace(world, use_case=load_use_case(world.use_case.folder))
    first_model(world)
    retrain.run(world.use_case, world.day(58).start, world.ports, "parcels.retrain/two", actor="ada", reason="to see")
    return world


def test_the_page_shows_decisions_costs_and_differences_between_groups(deciding: World) -> None:
    found = retraining_report.run(deciding.use_case, "parcels.retrain/two", deciding.ports)
    judged, rule = found.judgement, found.rule
    assert judged is not None
    assert rule is not None
    assert judged.decisions is not None
    assert rule.chosen is not None
    assert judged.decided_by["logistic"] == rule.text
    assert len(judged.differences) == 12
    assert found.comparison is not None
    costs = next(each for each in found.comparison.metrics if each.metric == "cost")
    assert costs.better is True
    text = page(deciding, "retraining", use_case="parcels", run_id="parcels.retrain/two")
    for told in (
        "Differences between groups, the widest first",
        "Decisions of both, in rows",
        f"logistic decides for {rule.text}.",
        "McNemar&#39;s test, which counts rows as independent: p is below 0.000001",
        "false positive 2, false negative 3",
        f"the cheapest on {rule.chosen.rows:,} rows before the holdout",
        "selection rate",
    ):
        assert told in text, told


def test_differences_of_a_first_model_are_measured_and_a_decision_without_one_is_not_shown(
    deciding: World, world: World
) -> None:
    text = page(deciding, "retraining", use_case="parcels", run_id="test")
    assert "measured" in text
    assert "champion: difference" not in text
    plain = page(world, "retraining", use_case="parcels", run_id="test")
    assert "Differences between groups" not in plain
    assert "Decides for" not in plain


def test_people_read_who_was_asked_and_what_they_answered(world: World) -> None:
    ledger, run = world.ports.ledger, "parcels.retrain/asked"
    assert "People's approval" not in page(world, "retraining", use_case="parcels", run_id=run)
    request = ledger.record_approval_request(
        ApprovalRequest("parcels", "s" * 64, "t", "m" * 64, "e", None, "medium", 1, "ann", {}, run)
    )
    said = page(world, "retraining", use_case="parcels", run_id=run)
    assert "The risk tier is medium: one person other than ann, who asked, must approve" in said
    assert "Nobody has answered yet." in said
    answer = ledger.record_approval(
        Approval(
            "parcels",
            "s" * 64,
            "t",
            "m" * 64,
            "e",
            None,
            ApprovalAnswer.REJECTED,
            "7",
            "ben",
            "Approver",
            "not in <b>March</b>",
            "ann",
            world.day(32).end,
            f"{run}/approve",
            "page__1",
        )
    )
    found = retraining_report.run(world.use_case, run, world.ports)
    assert (found.approval, found.answers) == (request, (answer,))
    said = page(world, "retraining", use_case="parcels", run_id=run)
    assert "not in &lt;b&gt;March&lt;/b&gt;" in said
    assert "rejected" in said
