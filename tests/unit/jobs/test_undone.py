"""A retraining that was decided is carried out, or found."""

from datetime import datetime

from tests.unit.jobs.test_predict_path import first_model
from tests.unit.jobs.world import World

from perennial.jobs.retrain import chain
from perennial.jobs.upkeep.undone import undone_retraining
from perennial.ledger.entries import DecisionKind, RecordedDecision


def decide(world: World, day: int, action: str, kind: DecisionKind = DecisionKind.RETRAIN_ON_DRIFT) -> RecordedDecision:
    at: datetime = world.day(day).start
    return world.ports.ledger.record_decision(
        RecordedDecision("parcels", kind, f"{action} {day}", at, action, ("why",), {}, "test")
    )


def test_nothing_was_decided(world: World) -> None:
    assert undone_retraining(world.use_case, world.ports) is None
    first_model(world)
    decide(world, 31, "hold")
    decide(world, 32, "wait", DecisionKind.RETRAIN_ON_PERFORMANCE)
    assert undone_retraining(world.use_case, world.ports) is None


def test_a_decision_without_a_judgement_is_found_by_the_ledger_alone(world: World) -> None:
    first_model(world)
    decide(world, 33, "retrain")
    last = decide(world, 34, "retrain", DecisionKind.RETRAIN_ON_PERFORMANCE)
    assert undone_retraining(world.use_case, world.ports) == last


def test_a_judgement_at_its_moment_or_later_answers_it(world: World) -> None:
    first_model(world)
    decide(world, 33, "retrain")
    chain.run(world.use_case, world.day(34).start, world.ports, "test", actor="test", reason="drift")
    assert undone_retraining(world.use_case, world.ports) is None
    later = decide(world, 35, "retrain")
    assert undone_retraining(world.use_case, world.ports) == later


def test_what_was_decided_before_the_champion_was_trained_is_answered_by_it(world: World) -> None:
    decide(world, 20, "retrain")
    first_model(world)
    assert undone_retraining(world.use_case, world.ports) is None


def test_a_first_model_that_was_asked_for_and_never_trained_is_found(world: World) -> None:
    asked = decide(world, 20, "retrain")
    assert undone_retraining(world.use_case, world.ports) == asked
