"""The judge: what the labels prove decides, for all and for each slice; the evidence is kept; too few labels wait."""

import weakref
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.jobs.test_learning_path import judged, retrained
from tests.unit.jobs.test_predict_path import first_model
from tests.unit.jobs.world import SHIFT, SPEC, World

from perennial.errors import UntrustedModel
from perennial.jobs.retrain.judging import refit
from perennial.judgement.slices import SliceStanding
from perennial.ledger.entries import IN_SERVICE, DecisionKind, DeployedRole, RecordedDecision
from perennial.modeling.train import fit
from perennial.policy.evidence import Awaited
from perennial.policy.promotion import measured_in_service
from perennial.ports import Ports
from perennial.records.judgement import DIGEST, HOLDOUT_END, read
from perennial.records.retraining import gather
from perennial.records.training_set import TrainingManifest, read_rows
from perennial.spec.load import load_use_case


def with_training(world: World, lines: str, history: str = "22d") -> None:
    text = SPEC.replace("metric: roc_auc\n", f"metric: roc_auc\n{lines}").replace("history: 22d", f"history: {history}")
    (world.use_case.folder / "use_case.yaml").write_text(text)
    world.use_case = load_use_case(world.use_case.folder)


def last_decision(world: World) -> RecordedDecision:
    return world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)[-1]


def outcomes_become(world: World, late: np.ndarray) -> None:
    table = world.outcomes.table
    world.outcomes.table = table.set_column(table.column_names.index("late"), "late", pa.array(late))


def test_a_first_model_is_compared_with_the_constant_prediction_by_windows(world: World) -> None:
    found = judged(world, 30)
    numbers = last_decision(world).numbers
    assert (found.verdict, numbers["verdict"], numbers["tested"]) == ("better", "better", "logistic")
    assert (numbers["rival_value"], numbers["windows"], numbers["unit"]) == (pytest.approx(0.5), 7, "window")
    assert 0 < numbers["low"] < numbers["gain"] == pytest.approx(numbers["tested_value"] - 0.5)
    assert found.reasons[0].startswith("logistic has ROC AUC 0.")
    assert "and a prediction without skill 0.5" in found.reasons[0]
    assert any(each.startswith("logistic alone was tested: before the holdout") for each in found.reasons)
    kept = read(last_decision(world), world.ports)
    assert kept is not None
    assert (kept.tested, kept.rival, list(kept.gains)) == ("logistic", "a prediction without skill", ["logistic"])
    assert kept.gains["logistic"].comparison.gain == numbers["gain"]
    assert kept.slices is None


def test_service_is_compared_with_what_the_judge_measured_by_windows_too(world: World) -> None:
    first_model(world, 25)
    ledger = world.ports.ledger
    champion = ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert champion is not None
    by_windows = last_decision(world).numbers["tested_value"]
    assert by_windows != champion.metrics["roc_auc"]
    evidence = gather(world.use_case.spec, world.day(40).start, ledger, champion)
    assert evidence.at_deployment == champion.expected("roc_auc") == by_windows
    assert ledger.champions_of(["parcels"])["parcels"].metrics["1"]["roc_auc"] == by_windows


def test_what_the_judge_did_not_measure_by_windows_is_taken_from_all_rows(world: World) -> None:
    first_model(world, 25)
    numbers, champion = (
        last_decision(world).numbers,
        world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION),
    )
    assert champion is not None
    assert measured_in_service(numbers) == {"roc_auc": numbers["tested_value"]} == champion.training[IN_SERVICE]
    assert measured_in_service({**numbers, "method": "DeLong with windows as clusters"}) == {}
    assert measured_in_service({"metric": "roc_auc"}) == {}
    before = replace(champion, training={})  # as it was recorded by earlier versions
    assert before.expected("roc_auc") == champion.metrics["roc_auc"]
    assert champion.expected("brier") == champion.metrics["brier"]
    assert champion.expected("unheard of") is None


def test_no_rows_are_in_memory_while_the_winner_is_fitted_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[weakref.ref[pa.Table]] = []
    alive: list[list[bool]] = []

    def watched(manifest: TrainingManifest, ports: Ports) -> pa.Table:
        rows = read_rows(manifest, ports).slice(0)  # a table that nothing else has
        tables.append(weakref.ref(rows))
        return rows

    def looking(*given: Any) -> Any:
        alive.append([each() is not None for each in tables])
        return fit(*given)

    monkeypatch.setattr("perennial.jobs.retrain.judge.read_rows", watched)
    monkeypatch.setattr(refit, "read_rows", watched)
    monkeypatch.setattr(refit, "fit", looking)
    judged(world, 30)
    assert alive == [[False, False]]


def test_an_equal_model_does_not_take_over(world: World) -> None:
    first_model(world, 25)
    found = judged(world, 36)  # before the shift: the same world, and eleven days more of it
    assert found.action == "reject"
    assert found.verdict in ("not enough labels", "not worse")
    assert found.winner is None


def test_a_better_model_takes_over_and_the_sentences_say_why(world: World) -> None:
    first_model(world, 30)
    found = judged(world, 58)
    assert (found.action, found.verdict) == ("promote", "better")
    assert "better beyond chance" in found.reasons[0]
    assert "and champion version 1 0." in found.reasons[0]
    assert "ROC AUC is that of each window, averaged by rows, as it is measured in service." in found.reasons


def test_a_model_that_is_worse_for_some_is_refused_though_it_is_better_on_the_whole(world: World) -> None:
    """From the shift on, parcels by air go on as before; a linear model learns what the other two thirds do."""
    with_training(world, "  slices: {columns: [service], margin: 0.02}\n", "18d")
    random, parcels = np.random.default_rng(3), world.parcels.table
    weight = parcels.column("weight").to_numpy()
    by_air = np.array(parcels.column("service").to_pylist()) == "air"
    days = np.arange(len(weight)) // (len(weight) // 60)
    late = np.array(world.outcomes.table.column("late").to_pylist())
    as_before = random.random(len(weight)) < 1 / (1 + np.exp(14 - weight))
    outcomes_become(world, np.where(by_air & (days >= SHIFT), as_before, late))
    first_model(world, 30)
    found = judged(world, 58)
    assert (found.action, found.verdict, found.winner) == ("reject", "better", None)
    assert found.reasons[0].startswith("logistic is better on the whole, but worse for service air, by more than")
    kept = read(last_decision(world), world.ports)
    assert kept is not None
    assert kept.slices is not None
    assert [each.name for each in kept.slices.of(SliceStanding.WORSE)] == ["service air"]
    assert {each.name for each in kept.slices.of(SliceStanding.NOT_WORSE)} == {"service rail", "service road"}
    assert last_decision(world).numbers["slices_worse"] == 1
    with_training(world, "  slices: {columns: [service], margin: 0.9}\n", "17d")
    assert judged(world, 58).action == "promote"


def test_too_few_labels_are_told_with_the_number_that_would_be_enough(world: World) -> None:
    random, weight = np.random.default_rng(5), world.parcels.table.column("weight").to_numpy()
    outcomes_become(world, random.random(len(weight)) < 0.5 + 0.04 * np.sign(weight - 10))
    found = judged(world, 30)
    assert (found.action, found.verdict) == ("reject", "not enough labels")
    assert found.needed_labels is not None
    assert found.needed_labels > 7 * 180
    assert "not enough labels to tell" in found.reasons[0]


def test_evidence_that_was_changed_is_not_believed(world: World) -> None:
    judged(world, 30)
    decision = last_decision(world)
    with pytest.raises(UntrustedModel):
        read(replace(decision, numbers={**decision.numbers, DIGEST: "0" * 64}), world.ports)
    assert read(replace(decision, numbers={}), world.ports) is None  # as 0.1.0 recorded it


def test_after_a_rejection_for_want_of_labels_the_next_retraining_waits_for_them(world: World) -> None:
    first_model(world, 30)
    champion = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    spec, at = world.use_case.spec, world.day(40).start
    numbers = {
        "verdict": "not enough labels",
        "needed_labels": 3000,
        "rows_compared": 1260,
        HOLDOUT_END: world.day(39).start.isoformat(),
    }
    rejected = RecordedDecision("parcels", DecisionKind.PROMOTE, "x against y", at, "reject", ("r",), numbers, "test")

    def awaited_after(decision: RecordedDecision) -> Awaited | None:
        world.ports.ledger.record_decision(decision)
        return gather(spec, at + timedelta(days=2), world.ports.ledger, champion).awaited

    until = world.day(39).start + spec.training.holdout + spec.labels.mature_after
    assert awaited_after(rejected) == Awaited(3000, 1260, 0, until)
    later = replace(rejected, subject="z", as_of=at + timedelta(days=1))
    assert awaited_after(replace(later, numbers={**numbers, "improvement_ruled_out": True})) is None
    old = replace(later, subject="old", as_of=at + timedelta(days=1, hours=1), numbers={"metric": "roc_auc"})
    assert awaited_after(old) is None


def test_training_alone_again_gives_the_champion_and_nothing_to_compare(world: World) -> None:
    retrained(world, 30)
    again = retrained(world, 30)
    assert (again.judged.action, again.deployed) == ("reject", None)
    assert "logistic is the same model as champion version 1" in again.judged.reasons[0]
