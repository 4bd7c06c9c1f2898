"""The first decision stands for what it was about; others are judged anew on the same rows, by the same champion."""

from dataclasses import replace

from tests.unit.jobs.test_candidates_that_fail import CONSTANT, GOOD, with_candidates
from tests.unit.jobs.test_learning_path import judged, judged_now, retrained
from tests.unit.jobs.world import World

from perennial.ledger.entries import DecisionKind, RecordedDecision


def decisions(world: World) -> list[RecordedDecision]:
    return list(world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE))


def test_a_candidate_that_was_mended_is_judged(world: World) -> None:
    with_candidates(world, CONSTANT)
    assert retrained(world, 30).judged.action == "reject"
    with_candidates(world, GOOD)
    mended = retrained(world, 30)
    assert (mended.judged.action, mended.deployed is not None) == ("promote", True)


def test_a_winner_that_was_never_deployed_gives_way_to_one_with_other_parameters(world: World) -> None:
    with_candidates(world, GOOD)
    before = judged(world, 30)
    with_candidates(world, GOOD.model_copy(update={"parameters": {"C": 0.5}}))
    after = judged(world, 30)
    assert before.winner is not None
    assert after.winner is not None
    assert [each.numbers["winner_digest"] for each in decisions(world)] == [before.winner.digest, after.winner.digest]


def test_the_same_candidate_under_other_rules_is_judged(world: World) -> None:
    with_candidates(world, GOOD)
    lenient = world.use_case
    training = lenient.spec.training.model_copy(update={"min_gain": 0.4})
    world.use_case = replace(lenient, spec=lenient.spec.model_copy(update={"training": training}))
    assert judged(world, 30).action == "reject"
    world.use_case = lenient
    assert judged(world, 30).action == "promote"


def test_the_same_candidate_judged_again_is_one_decision(world: World) -> None:
    with_candidates(world, GOOD)
    before, after = judged_now(world, 30), judged_now(world, 30)
    assert before.winner is not None
    assert after.reasons == before.reasons
    assert len(decisions(world)) == 1
