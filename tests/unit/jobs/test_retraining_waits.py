"""What the report of a retraining says while people are asked, and where its winner is in roll-out."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.jobs.test_approval import RUN, answers, asked, at, deployed
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.world import World

from perennial.jobs.retrain import approval
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial.review import retraining_report
from perennial.spec.rollout import Rollout


@pytest.fixture
def high(world: World) -> World:
    return at(world, "high")


def sentence(world: World) -> str:
    return retraining_report.run(world.use_case, RUN, world.ports).sentence


def test_it_says_for_whose_approval_a_winner_waits_and_who_rejected_it(high: World) -> None:
    asked(high)
    high.ports.ledger.record_decision(decided(high))
    assert sentence(high) == "A candidate won, and waits for the approval of two people: nothing is deployed before."
    approval.expire(high.use_case, RUN, high.ports.ledger, f"{RUN}/approve")
    assert sentence(high) == "A candidate won, and nobody answered in time: the champion stays."
    answers(high, "ben")
    answers(high, "carla", task="approve_second")
    assert sentence(high) == "A candidate won and is approved, and is not deployed yet."
    answers(high, "dora", approve=False)
    assert sentence(high) == "A candidate won, and dora rejected it: the champion stays."


def test_it_says_that_one_more_person_is_asked(high: World) -> None:
    asked(high)
    high.ports.ledger.record_decision(decided(high))
    answers(high, "ben")
    assert sentence(high) == "A candidate won, and waits for the approval of one person: nothing is deployed before."


def test_it_says_where_the_roll_out_of_a_winner_began(world: World) -> None:
    retrained(at(world, "low"), 30)
    spec = at(world, "medium").use_case.spec.model_copy(update={"rollout": Rollout(shadow=timedelta(days=7))})
    rolling = replace(world, use_case=replace(world.use_case, spec=spec))
    found = asked(rolling, 58)
    request = rolling.ports.ledger.approval_request("parcels", RUN)
    assert request is not None
    assert request.shown["champion_version"] == "1"
    answers(rolling, "ben")
    deployed(rolling, found)
    rolling.ports.ledger.record_decision(decided(rolling))
    assert sentence(rolling) == (
        "Version 2 won, and began in the shadow, for data from 2024-02-28 on: the page of the use case says how far "
        "its roll-out is."
    )


def decided(world: World) -> RecordedDecision:
    """The last decision as the run that people were asked in would have taken it: `asked` judges in another."""
    last = world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)[-1]
    return replace(last, subject=f"{last.subject} again", run_id=RUN, id=None, recorded_at=None)
