"""A candidate that can't be used is an outcome with a reason: the others go on, and it is never deployed."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from tests.unit.jobs.test_judging import last_decision, outcomes_become
from tests.unit.jobs.test_learning_path import judged, retrained
from tests.unit.jobs.test_predict_path import first_model
from tests.unit.jobs.world import ROWS, World

from perennial.encoding import as_json
from perennial.errors import StoreUnavailable
from perennial.jobs.retrain import assemble, show, train
from perennial.jobs.retrain.chain import Retrained
from perennial.jobs.retrain.train import Refused, Trained, outcomes_of
from perennial.jobs.retrain.trying.attempt_process import attempted_in_process
from perennial.ledger.entries import DeployedRole
from perennial.modeling.attempt import Attempt, Fitted, Unusable, attempted_here
from perennial.modeling.holdout import split
from perennial.policy.candidate_costs import Failure
from perennial.records.candidates import outcomes_in
from perennial.records.training_set import WINDOW_COLUMN, read_manifest, read_rows
from perennial.review import retraining_report
from perennial.spec.models import UseCase
from perennial.spec.training import Candidate
from perennial.spec.training_limits import TrainingLimits

GOOD = Candidate(name="good", estimator="linear")
CRASHES = Candidate(name="bad", estimator="hist_gradient_boosting", parameters={"monotonic_cst": [1]})
STOPS_EARLY = Candidate(name="bad", estimator="linear", parameters={"max_iter": 1})
CONSTANT = Candidate(name="bad", estimator="hist_gradient_boosting", parameters={"min_samples_leaf": 1_000_000})
UNKNOWN = Candidate(name="bad", estimator="linear", parameters={"max_itr": 5})
FOREST = Candidate(name="bad", estimator="random_forest", parameters={"n_estimators": 60, "n_jobs": 1})
ENDLESS = Candidate(
    name="bad", estimator="hist_gradient_boosting", parameters={"max_iter": 10**9, "early_stopping": False}
)
GREEDY = ENDLESS.model_copy(
    update={"parameters": {**ENDLESS.parameters, "max_leaf_nodes": None, "min_samples_leaf": 1}}
)


def with_candidates(world: World, *candidates: Candidate, **limits: Any) -> None:
    training = world.use_case.spec.training
    spec = world.use_case.spec.model_copy(
        update={
            "training": training.model_copy(
                update={"candidates": candidates, "limits": TrainingLimits.model_validate(limits)}
            )
        }
    )
    world.use_case = replace(world.use_case, spec=spec)


def an_attempt(world: World, candidate: Candidate, **limits: Any) -> Attempt:
    with_candidates(world, candidate, **limits)
    made = assemble.run(world.use_case, world.day(30).start, world.ports, "test")
    manifest = read_manifest(made.training_id, world.ports)
    spec = world.use_case.spec
    return Attempt(spec, candidate, *split(spec, read_rows(manifest, world.ports), manifest.until), WINDOW_COLUMN)


def refused_beside_a_good_one(world: World, candidate: Candidate, **limits: Any) -> Retrained:
    with_candidates(world, GOOD, candidate, **limits)
    done = retrained(world, 30)
    assert done.deployed is not None, "the good one goes on"
    winner = done.judged.winner
    assert winner is not None
    assert winner.candidate == "good"
    return done


@pytest.mark.parametrize(
    ("candidate", "limits", "failure", "why"),
    [
        (CRASHES, {}, Failure.FAILED, "failed with ValueError: "),
        (UNKNOWN, {}, Failure.FAILED, "linear has no parameter 'max_itr'; did you mean 'max_iter'?"),
        (STOPS_EARLY, {}, Failure.NOT_CONVERGED, "did not converge: "),
        (CONSTANT, {}, Failure.CONSTANT, "for each of 1,260 holdout rows: it has learnt nothing"),
        (FOREST, {"artefact": "50kB"}, Failure.TOO_LARGE, "training.limits.artefact allows 50 kB"),
    ],
    ids=["crash", "unknown parameter", "no convergence", "constant", "enormous"],
)
def test_the_others_go_on_and_the_decision_says_what_happened(
    world: World, candidate: Candidate, limits: dict[str, Any], failure: Failure, why: str
) -> None:
    refused_beside_a_good_one(world, candidate, **limits)
    recorded = last_decision(world)
    (told,) = [each for each in recorded.reasons if each.startswith("bad was not used: it ")]
    assert why in told
    bad, good = outcomes_in(recorded.numbers)
    assert (bad.candidate, bad.outcome, good.candidate, good.outcome) == ("bad", failure.value, "good", "trained")
    assert bad.why is not None
    assert why in bad.why
    assert good.artefact_bytes is not None
    assert good.artefact_bytes > 1_000
    assert recorded.numbers["winner"] == "good"


def test_a_candidate_beyond_a_limit_cannot_win_even_where_it_is_the_best(world: World) -> None:
    forest = FOREST.model_copy(update={"parameters": {**FOREST.parameters, "min_samples_leaf": 50}})
    hopeless = Candidate(name="guess", estimator="dummy")
    with_candidates(world, hopeless, forest)
    assert retrained(world, 30).judged.action == "promote", "without a limit it wins"
    with_candidates(world, hopeless, forest, seconds_per_1k_rows=1e-9)
    made = assemble.run(world.use_case, world.day(30).start, world.ports, "test")
    outcome = train.run(world.use_case, made.training_id, "bad", world.ports, "test")
    assert isinstance(outcome, Refused)
    assert outcome.failure is Failure.TOO_SLOW
    assert outcome.metrics["roc_auc"] > 0.6, "it was measured all the same"
    assert outcome.costs is not None
    assert "training.limits.seconds_per_1k_rows allows 1e-09" in outcome.reason


def test_where_none_can_be_used_the_champion_stays(world: World) -> None:
    first_model(world, 25)
    before = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    with_candidates(world, CRASHES, STOPS_EARLY.model_copy(update={"name": "worse"}))
    done = retrained(world, 30)
    assert (done.judged.action, done.judged.winner, done.deployed) == ("reject", None, None)
    recorded = last_decision(world)
    assert recorded.reasons[0] == "None of the candidates could be used."
    assert {each.outcome for each in outcomes_in(recorded.numbers)} == {"failed", "not converged"}
    assert world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION) == before


def test_outcomes_survive_json() -> None:
    trained = Trained("good", "0" * 64, {"roc_auc": 0.7}, 10, 5, 0.1)
    refused = Refused("bad", Failure.CONSTANT, "predicts 0.2 for each of 5 holdout rows", {"roc_auc": 0.5})
    assert outcomes_of([as_json(trained), as_json(refused)]) == [trained, refused]


def test_a_process_of_its_own_finds_the_same_model_and_measures_memory(world: World) -> None:
    attempt = an_attempt(world, GOOD)
    here, there = attempted_here(attempt), attempted_in_process(attempt)
    assert isinstance(here, Fitted)
    assert isinstance(there, Fitted)
    assert (there.content, there.metrics, there.earlier) == (here.content, here.metrics, here.earlier)
    assert here.costs.memory is None
    assert there.costs.memory is not None
    held = np.ones(150_000_000)  # what this process holds is not the other's
    again = attempted_in_process(attempt)
    assert isinstance(again, Fitted)
    assert again.costs.memory is not None
    assert again.costs.memory < held.nbytes
    greedy = attempted_in_process(an_attempt(world, GREEDY, memory=there.costs.memory + 5_000_000))
    assert isinstance(greedy, Unusable)
    assert greedy.failure is Failure.TOO_MUCH_MEMORY, greedy.reason


def test_more_memory_than_the_limit_is_refused(world: World) -> None:
    refused = attempted_in_process(an_attempt(world, GOOD, memory="10MB"))
    assert isinstance(refused, Unusable)
    assert refused.failure is Failure.TOO_MUCH_MEMORY
    assert "training.limits.memory allows 10 MB" in refused.reason


def test_one_that_never_ends_is_ended(world: World) -> None:
    refused = attempted_in_process(an_attempt(world, ENDLESS), seconds=8)
    assert refused == Unusable(
        Failure.OUT_OF_TIME, "was not done after 8 s, all that training.limits.time allows, and was ended"
    )


def test_a_process_that_is_killed_is_an_outcome(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr("perennial.jobs.retrain.trying.attempt_process.PROGRAM", ("-c", killed))
    refused = attempted_in_process(an_attempt(world, GOOD))
    assert isinstance(refused, Unusable)
    assert refused.failure is Failure.TOO_MUCH_MEMORY
    assert "was killed while it was trained" in refused.reason


def test_a_store_that_is_down_is_no_fault_of_the_candidate(world: World) -> None:
    made = assemble.run(world.use_case, world.day(30).start, world.ports, "test")

    class Down:
        def put(self, content: bytes) -> str:
            raise StoreUnavailable("the artefacts' store does not answer")

        def get(self, digest: str) -> bytes:
            return world.ports.artifacts.get(digest)

    with pytest.raises(StoreUnavailable):
        train.run(world.use_case, made.training_id, "logistic", replace(world.ports, artifacts=Down()), "test")


def test_to_beat_a_champion_that_is_worse_than_no_skill_is_not_enough(world: World) -> None:
    first_model(world, 25)
    late = np.array(world.outcomes.table.column("late").to_pylist())
    service = np.array(world.parcels.table.column("service").to_pylist())
    weight = np.array(world.parcels.table.column("weight").to_pylist())
    day = np.arange(len(late)) // ROWS
    late = np.where(day >= 12, service == "road", late)  # what is learnt now
    late = np.where(day >= 30, weight < 10, late)  # and what is true in the holdout: the champion's world, reversed
    outcomes_become(world, late)
    stumps = {"max_depth": 1, "max_iter": 10, "early_stopping": False}
    with_candidates(world, Candidate(name="stumps", estimator="hist_gradient_boosting", parameters=stumps))
    found = judged(world, 38)
    numbers = last_decision(world).numbers
    assert numbers["verdict"] == "better", "than the champion, which is wrong about nearly every row"
    assert numbers["no_skill_verdict"] in ("not enough labels", "not worse")
    assert (found.action, found.winner) == ("reject", None)
    assert found.reasons[0].startswith("stumps is better than the champion, but not shown to be better than")
    report = retraining_report.run(world.use_case, "test", world.ports)
    assert report.sentence == (
        "The champion stays: the candidate is better than it, and not shown to be better than a prediction without "
        "skill."
    )


def test_parameters_are_searched_for_judged_and_deployed(world: World) -> None:
    forest = Candidate(
        name="forest",
        estimator="random_forest",
        parameters={"n_jobs": 1, "min_samples_leaf": 20},
        search={"n_estimators": [1, 10], "max_depth": [1, 3]},
    )
    with_candidates(world, forest)
    done = retrained(world, 30)
    winner = done.judged.winner
    assert winner is not None
    assert done.deployed is not None
    assert winner.found["n_estimators"] == 10
    assert any(each.startswith("forest: the search found max_depth") for each in last_decision(world).reasons)
    kept = world.ports.registry.parameters("parcels", done.deployed.model_version)
    assert (kept["n_estimators"], kept["min_samples_leaf"]) == ("10", "20")
    deployed = world.ports.registry.load("parcels", done.deployed.model_version, done.deployed.model_digest)
    assert deployed.pipeline.named_steps["estimator"].n_estimators == 10, "the refit, too, has what was found"


def test_a_search_for_an_unknown_parameter_names_the_nearest(world: World) -> None:
    refused = attempted_here(an_attempt(world, Candidate(name="bad", estimator="linear", search={"CC": [1, 2]})))
    assert isinstance(refused, Unusable)
    assert "linear has no parameter 'CC'; did you mean 'C'?" in refused.reason


def test_every_candidate_is_shown_in_the_registry_with_pictures(world: World) -> None:
    done = refused_beside_a_good_one(world, CONSTANT)
    bad, good = world.ports.registry.shown_candidates("parcels", done.assembled.training_id, "test")
    assert (bad.name, bad.tags["outcome"], bad.files) == ("bad", "constant", ())
    assert bad.metrics["roc_auc"] == 0.5
    assert (good.name, good.tags["outcome"], good.parameters) == ("good", "promoted", {"estimator": "linear"})
    names = ("calibration", "importance", "learning_curve", "pr", "roc")
    assert good.files == tuple(f"plots/{name}.png" for name in names)
    assert good.metrics["artefact_bytes"] > 1_000


def test_candidates_that_have_left_the_spec_are_shown_by_what_was_measured(world: World) -> None:
    done = refused_beside_a_good_one(world, CONSTANT)
    tried = [train.run(world.use_case, done.assembled.training_id, name, world.ports, "") for name in ("good", "bad")]
    with_candidates(world, Candidate(name="other", estimator="linear"))
    show.run(world.use_case, done.judged, tried, world.ports, "later")
    bad, good = world.ports.registry.shown_candidates("parcels", done.assembled.training_id, "later")
    assert (bad.name, bad.tags["outcome"], bad.parameters) == ("bad", "constant", {})
    assert (good.name, good.tags["outcome"], good.parameters, good.files) == ("good", "promoted", {}, ())
    assert good.metrics["roc_auc"] > 0.5


def test_what_a_metric_is_needed_for_is_not_drawn_where_it_is_undefined(world: World) -> None:
    done = refused_beside_a_good_one(world, CONSTANT)
    good = train.run(world.use_case, done.assembled.training_id, "good", world.ports, "")
    unmeasured = replace(good, metrics={})
    show.run(world.use_case, done.judged, [unmeasured], world.ports, "later")
    (shown,) = world.ports.registry.shown_candidates("parcels", done.assembled.training_id, "later")
    assert shown.files == ("plots/calibration.png", "plots/pr.png", "plots/roc.png")


def test_a_registry_that_cannot_show_loses_no_retraining(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_args: Any) -> None:
        raise StoreUnavailable("MLflow does not answer")

    monkeypatch.setattr(type(world.ports.registry), "record_retraining", down)
    with pytest.raises(StoreUnavailable):
        retrained(world, 30)
    assert world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION) is not None


def test_a_model_of_few_rows_that_can_not_be_fitted_is_not_drawn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_few(*_args: Any, **_more: Any) -> None:
        raise ValueError("Expected n_neighbors <= n_samples_fit")

    with_candidates(world, GOOD)
    monkeypatch.setattr("perennial.jobs.retrain.show.fit", too_few)
    done = retrained(world, 30)
    assert done.deployed is not None
    (good,) = world.ports.registry.shown_candidates("parcels", done.assembled.training_id, "test")
    assert "plots/learning_curve.png" in good.files


def test_parameters_with_numbers_as_keys_reach_the_process(world: World) -> None:
    weighted = Candidate(name="good", estimator="linear", parameters={"class_weight": {0: 1.0, 1: 4.0}})
    attempt = an_attempt(world, weighted)
    here, there = attempted_here(attempt), attempted_in_process(attempt)
    assert isinstance(here, Fitted)
    assert isinstance(there, Fitted), there
    assert there.content == here.content


def test_that_a_model_of_some_rows_does_not_converge_says_nothing_of_that_of_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(_spec: UseCase, candidate: Candidate, *_args: Any) -> tuple[Candidate, str]:
        warnings.warn("lbfgs failed to converge", ConvergenceWarning, stacklevel=1)
        return candidate.model_copy(update={"calibrate": "never"}), "not calibrated"

    monkeypatch.setattr("perennial.modeling.attempt.calibrated_where_it_helps", compared)
    found = attempted_here(an_attempt(world, Candidate(name="good", estimator="linear", calibrate="auto")))
    assert isinstance(found, Fitted), found
    assert found.remarks == ("not calibrated",)


def test_a_refit_that_does_not_converge_is_not_deployed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*_args: Any, **_more: Any) -> None:
        warnings.warn("lbfgs failed to converge", ConvergenceWarning, stacklevel=1)

    with_candidates(world, GOOD)
    monkeypatch.setattr("perennial.jobs.retrain.judging.refit.fit", stops)
    done = retrained(world, 30)
    assert done.judged.refitted is None
    assert done.judged.winner is not None
    assert done.deployed is not None
    assert done.deployed.model_digest == done.judged.winner.digest
