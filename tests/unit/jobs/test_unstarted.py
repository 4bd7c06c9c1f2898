"""A retraining that was decided is carried out, or found."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from tests.unit.jobs.test_predict_path import first_model
from tests.unit.jobs.world import SHIFT, World

from perennial.jobs.evaluate import measure
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.jobs.retrain import chain
from perennial.jobs.upkeep.unstarted import unstarted_retraining
from perennial.ledger.entries import COMMAND_LINE, DecisionKind, DeployedRole, RecordedDecision
from perennial.records.model_choice import ModelChoice
from perennial.records.retraining import answer_to, gather
from perennial.verdict import RETRAIN

BY_HAND, IN_AIRFLOW = f"{COMMAND_LINE}now", "parcels.predict/scheduled"


def monitored(world: World, run_id: str, days: Iterable[int]) -> list[monitor.Monitored]:
    """A first model, and then these days one after the other."""
    first_model(world, SHIFT - 5)
    found = []
    for day in days:
        window = world.day(day)
        ingest.run(world.use_case, window, world.ports, run_id)
        validate.run(world.use_case, window, world.ports, run_id)
        score.run(world.use_case, window, world.ports, run_id, model=ModelChoice())
        found.append(monitor.run(world.use_case, window, world.ports, run_id))
    return found


def decide(
    world: World, day: int, action: str, kind: DecisionKind = DecisionKind.RETRAIN_ON_DRIFT, run_id: str = "test"
) -> RecordedDecision:
    at: datetime = world.day(day).start
    return world.ports.ledger.record_decision(
        RecordedDecision("parcels", kind, f"{action} {day}", at, action, ("why",), {}, run_id)
    )


def test_nothing_was_decided(world: World) -> None:
    assert unstarted_retraining(world.use_case, world.ports) is None
    first_model(world)
    decide(world, 31, "hold")
    decide(world, 32, "wait", DecisionKind.RETRAIN_ON_PERFORMANCE)
    assert unstarted_retraining(world.use_case, world.ports) is None


def test_a_decision_without_a_judgement_is_found_by_the_ledger_alone(world: World) -> None:
    first_model(world)
    decide(world, 33, "retrain")
    last = decide(world, 34, "retrain", DecisionKind.RETRAIN_ON_PERFORMANCE)
    assert unstarted_retraining(world.use_case, world.ports) == last


def test_a_judgement_at_its_moment_or_later_answers_it(world: World) -> None:
    first_model(world)
    decide(world, 33, "retrain")
    chain.run(world.use_case, world.day(34).start, world.ports, "test", actor="test", reason="drift")
    assert unstarted_retraining(world.use_case, world.ports) is None
    later = decide(world, 35, "retrain")
    assert unstarted_retraining(world.use_case, world.ports) == later


def test_what_was_decided_before_the_champion_was_trained_is_answered_by_it(world: World) -> None:
    decide(world, 20, "retrain")
    first_model(world)
    assert unstarted_retraining(world.use_case, world.ports) is None


def test_a_first_model_that_was_asked_for_and_never_trained_is_found(world: World) -> None:
    asked = decide(world, 20, "retrain")
    assert unstarted_retraining(world.use_case, world.ports) == asked


def test_what_was_decided_by_hand_is_left_to_the_person_who_may_be_at_it(world: World) -> None:
    first_model(world)
    decide(world, 33, "retrain", run_id=BY_HAND)
    assert unstarted_retraining(world.use_case, world.ports) is None


@pytest.mark.parametrize("retrained_as_of", [0, 3])
def test_a_retraining_by_hand_answers_the_decision_that_airflow_sees_later(world: World, retrained_as_of: int) -> None:
    """Monitored by hand, retrained by hand as of then or as of now; then a run of Airflow monitors the window too."""
    decided = next(
        m.decision for m in monitored(world, BY_HAND, range(SHIFT - 5, SHIFT + 6)) if m.decision.action == RETRAIN
    )
    window = world.use_case.spec.grid.containing(decided.as_of - timedelta(days=1))
    assert answer_to(decided, world.ports.ledger, "") is None
    as_of = decided.as_of + timedelta(days=retrained_as_of)
    chain.run(world.use_case, as_of, world.ports, BY_HAND, actor="test", reason="drift")
    seen = monitor.run(world.use_case, window, world.ports, IN_AIRFLOW).decision
    assert seen == decided
    answer = answer_to(seen, world.ports.ledger, "")
    assert answer is not None
    assert (answer.run_id, answer.as_of) == (BY_HAND, as_of)
    assert unstarted_retraining(world.use_case, world.ports) is None


def test_a_retraining_before_the_decision_and_with_other_data_answers_nothing(world: World) -> None:
    first_model(world)
    chain.run(world.use_case, world.day(40).start, world.ports, BY_HAND, actor="test", reason="a look ahead")
    decided = decide(world, 35, "retrain")
    assert answer_to(decided, world.ports.ledger, "") is None
    same = decide(world, 40, "retrain")
    assert answer_to(same, world.ports.ledger, "") is not None


@pytest.mark.parametrize("kind", ["drift", "performance"])
def test_a_decision_by_hand_that_airflow_acts_on_is_started_once_and_later_windows_wait(
    world: World, kind: str
) -> None:
    """Nobody retrained by hand. The task that finds the decision starts the retraining; while it runs, the windows that
    follow must not ask for a second one."""
    by_hand = monitored(world, BY_HAND, range(SHIFT - 5, SHIFT + 6))
    decided = next(m for m in by_hand if m.decision.action == RETRAIN)
    if kind == "performance":
        at = decided.window.end
        first = RecordedDecision(
            "parcels", DecisionKind.RETRAIN_ON_PERFORMANCE, at.isoformat(), at, RETRAIN, ("why",), {}, BY_HAND
        )
        world.ports.ledger.record_decision(first)
        seen = measure.run(world.use_case, at, world.ports, IN_AIRFLOW).decision
    else:
        seen = monitor.run(world.use_case, decided.window, world.ports, IN_AIRFLOW).decision
    assert (seen.action, seen.as_of, seen.run_id) == (RETRAIN, decided.window.end, IN_AIRFLOW)
    assert unstarted_retraining(world.use_case, world.ports) == seen
    champion = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    later = seen.as_of + timedelta(days=1)
    assert seen.as_of in gather(world.use_case.spec, later, world.ports.ledger, champion).retrains
    if kind == "drift":
        assert monitor.run(world.use_case, decided.window, world.ports, IN_AIRFLOW).decision == seen
