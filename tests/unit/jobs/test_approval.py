"""A model of a use case that can do harm is deployed only when people agreed to exactly this one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.jobs.test_learning_path import judged, retrained
from tests.unit.jobs.world import World

from perennial.encoding import as_json, from_json
from perennial.errors import DeploymentConflict, MayNotAnswer, NotApproved, QuestionClosed
from perennial.jobs.evaluate import rollout_by_hand
from perennial.jobs.evaluate.rollout_by_hand import ByHand
from perennial.jobs.retrain import approval, deploy, rollback
from perennial.jobs.retrain.approval import Answered
from perennial.jobs.retrain.judge import Judged
from perennial.ledger.entries import Approval, DeployedRole
from perennial.spec.risk import Risk
from perennial.spec.rollout import Rollout
from perennial.verdict import APPROVE, LAPSE, REJECT, WAIT, ApprovalAnswer

RUN = "parcels.retrain/manual__1"
ROLES = ("Admin", "Approver")


def risk(tier: str) -> Risk | None:
    grades = {"low": ("low", "low"), "medium": ("high", "medium"), "high": ("high", "high")}[tier]
    autonomy = "decides" if tier == "high" else "advises"
    return Risk.model_validate(
        {
            "purpose": "Which parcels are sent by air.",
            "impact": grades[0],
            "likelihood": grades[1],
            "autonomy": autonomy,
            "personal_data": False,
        }
    )


def at(world: World, tier: str) -> World:
    spec = world.use_case.spec.model_copy(update={"risk": risk(tier)})
    assert spec.risk_tier == tier
    return replace(world, use_case=replace(world.use_case, spec=spec))


@pytest.fixture
def medium(world: World) -> World:
    return at(world, "medium")


@pytest.fixture
def high(world: World) -> World:
    return at(world, "high")


def asked(world: World, day: int = 30, requester: str = "ann", run: str = RUN) -> Judged:
    """What a run judged, and asked people about."""
    found = judged(world, day)
    approval.ask(world.use_case, found, world.day(day).start, world.ports.ledger, run, requester=requester)
    return found


def answers(
    world: World, person: str, *, approve: bool = True, roles: tuple[str, ...] = ("Approver",), run: str = RUN,
    task: str = "approve", shown: str | None = None,
) -> Approval:  # fmt: skip
    request = world.ports.ledger.approval_request("parcels", run)
    shown = shown if shown is not None else f"Question {request.subject[:12] if request else ''}"
    given = Answered(approve, f"id of {person}", person, roles, "I looked at the slices.", shown, f"{run}/{task}")
    return approval.answer(world.use_case, run, given, ROLES, world.ports.ledger, "page__1")


def deployed(world: World, found: Judged, run: str = RUN) -> deploy.Deployed:
    return deploy.run(world.use_case, found, world.ports, run, actor="ann", reason="test")


def assert_refused(world: World, found: Judged, why: str) -> None:
    with pytest.raises(NotApproved, match=why):
        deployed(world, found)
    assert world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION) is None
    assert world.ports.registry.alias("parcels", DeployedRole.CHAMPION) is None


def test_a_low_risk_asks_nobody(world: World) -> None:
    found = asked(at(world, "low"))
    assert world.ports.ledger.approval_request("parcels", RUN) is None
    deployed(at(world, "low"), found)
    assert world.ports.ledger.deployments("parcels")[0].approved_by is None


def test_one_approver_is_enough_for_a_medium_risk(medium: World) -> None:
    found = asked(medium)
    assert_refused(
        medium, found, r"risk tier is medium.*1 person must approve it, and nobody did.*no answer: clear the task"
    )
    given = answers(medium, "ben")
    deployed(medium, found)
    (entry,) = medium.ports.ledger.deployments("parcels")
    assert (entry.actor, entry.approved_by) == ("ann", "ben")
    assert (given.role, given.requester, given.champion_id) == ("Approver", "ann", None)
    assert given.model_digest == entry.model_digest


def test_a_high_risk_needs_two_people(high: World) -> None:
    found = asked(high)
    answers(high, "ben")
    assert_refused(high, found, "2 people must approve it, and 1 did")
    answers(high, "carla", task="approve_second")
    deployed(high, found)
    assert high.ports.ledger.deployments("parcels")[0].approved_by == "ben, carla"


def test_nobody_was_asked(medium: World) -> None:
    assert_refused(medium, judged(medium, 30), "Nobody was asked yet")


def test_the_same_person_does_not_approve_twice(high: World) -> None:
    found = asked(high)
    first = answers(high, "ben")
    with pytest.raises(MayNotAnswer, match="ben approved it before, so that another person must"):
        answers(high, "ben", task="approve_second")
    assert answers(high, "ben") == first  # the same answer in the same place, of which Airflow did not hear
    assert_refused(high, found, "and 1 did")


def test_the_requester_does_not_approve(medium: World) -> None:
    found = asked(medium)
    with pytest.raises(MayNotAnswer, match="ann asked for this retraining, so that somebody else"):
        answers(medium, "ann", roles=("Admin",))
    assert_refused(medium, found, "nobody did")


def test_what_the_policy_started_may_be_approved_by_anyone_with_the_role(medium: World) -> None:
    found = asked(medium, requester="")
    answers(medium, "airflow", roles=("Viewer", "ADMIN"))
    assert deployed(medium, found).model_version == "1"


@pytest.mark.parametrize("roles", [(), ("Viewer", "User", "Op")])
def test_a_role_that_may_not_approve_is_told_which_may(medium: World, roles: tuple[str, ...]) -> None:
    found = asked(medium)
    with pytest.raises(MayNotAnswer, match=r"an answer counts from Admin or Approver. Nothing was answered"):
        answers(medium, "vera", roles=roles)
    with pytest.raises(MayNotAnswer):
        answers(medium, "vera", approve=False, roles=roles)
    assert medium.ports.ledger.approvals("parcels") == []
    assert_refused(medium, found, "nobody did")


def test_an_approval_written_for_the_requester_past_the_checks_does_not_count(medium: World) -> None:
    found = asked(medium)
    given = answers(medium, "ben")
    forged = replace(given, approver="ann", approver_id="id of ann", id=None, recorded_at=None)
    other = at(medium, "high")  # two people would be needed then
    medium.ports.ledger.record_approval(forged)
    decision = approval.standing(other.use_case, found, medium.ports.ledger, RUN)
    assert (decision.action, decision.numbers["approved_by"]) == (WAIT, "ben")


def test_another_model_than_the_approved_one_is_not_deployed(medium: World) -> None:
    found = asked(medium)
    answers(medium, "ben")
    assert found.refitted is not None
    other = replace(found, refitted=replace(found.refitted, digest="0" * 64))
    assert_refused(medium, other, r"has changed: the model is 000000000000, not .*Start a new run")
    lapsed = medium.ports.ledger.approvals("parcels")[-1]
    assert (lapsed.answer, lapsed.approver) == (ApprovalAnswer.LAPSED, "")


def test_other_metrics_than_the_approved_ones_are_not_deployed(medium: World) -> None:
    found = asked(medium)
    answers(medium, "ben")
    scores = {name: {**metrics, "roc_auc": 0.99} for name, metrics in found.scores.items()}
    assert_refused(medium, replace(found, scores=scores), "the judgement has other metrics or reasons")


def test_an_approval_for_a_champion_that_has_moved_lapses(medium: World) -> None:
    low = at(medium, "low")
    found = asked(medium)
    answers(medium, "ben")
    retrained(low, 31)  # somebody else was faster
    before = medium.ports.ledger.deployments("parcels")
    with pytest.raises(NotApproved, match=r"the champion is deployment \d+, not none"):
        deployed(medium, found)
    assert medium.ports.ledger.deployments("parcels") == before
    with pytest.raises(QuestionClosed, match="The champion has changed since this was judged: it is version 1 now"):
        answers(medium, "carla")
    # What claims to supersede the champion of now is not what was approved.
    with pytest.raises(NotApproved, match="other metrics or reasons"):
        deployed(medium, replace(found, champion_id=before[0].id))


def test_a_champion_that_moves_while_the_model_is_tried_wins(medium: World) -> None:
    low, found = at(medium, "low"), asked(medium)
    answers(medium, "ben")
    registry, register = medium.ports.registry, medium.ports.registry.register

    def slowly(candidate: object) -> object:
        medium.ports.registry.register = register  # type: ignore[method-assign]
        retrained(low, 31)
        return register(candidate)  # type: ignore[arg-type]

    registry.register = slowly  # type: ignore[method-assign, assignment]
    with pytest.raises((NotApproved, DeploymentConflict), match="deployment"):
        deployed(medium, found)
    assert len(medium.ports.ledger.deployments("parcels")) == 1


def test_a_cleared_deployment_goes_on_with_the_approval_on_record(medium: World) -> None:
    found = asked(medium)
    answers(medium, "ben")
    first = deployed(medium, from_json(Judged, as_json(found)))
    assert deployed(medium, found) == first
    decision = approval.standing(medium.use_case, found, medium.ports.ledger, RUN)
    assert (decision.action, decision.numbers["approved_by"]) == (APPROVE, "ben")  # not lapsed by its own deployment
    assert len(medium.ports.ledger.deployments("parcels")) == 1


def test_judging_again_with_the_same_result_is_the_same_question(medium: World) -> None:
    first = asked(medium)
    answers(medium, "ben")
    again = asked(medium)
    assert again.winner is not None
    assert approval.subject_of(again, RUN) == approval.subject_of(first, RUN)
    slower = replace(again, winner=replace(again.winner, seconds=99.0))
    assert approval.standing(medium.use_case, slower, medium.ports.ledger, RUN).action == APPROVE


def test_judging_again_with_another_result_asks_anew(medium: World) -> None:
    found = asked(medium)
    old = medium.ports.ledger.approval_request("parcels", RUN)
    answers(medium, "ben")
    other = replace(found, reasons=("It is better by less.",))
    approval.ask(medium.use_case, other, medium.day(30).start, medium.ports.ledger, RUN, requester="ann")
    assert approval.standing(medium.use_case, other, medium.ports.ledger, RUN).action == WAIT
    assert approval.standing(medium.use_case, found, medium.ports.ledger, RUN).action == LAPSE
    assert old is not None
    with pytest.raises(QuestionClosed, match=r"has judged again since.*start a new run"):
        answers(medium, "carla", shown=f"Question {old.subject[:12]}")


def test_an_approval_is_of_one_run(medium: World) -> None:
    found = asked(medium)
    answers(medium, "ben")
    with pytest.raises(NotApproved, match="Nobody was asked yet"):
        deployed(medium, found, "parcels.retrain/manual__2")
    asked(medium, run="parcels.retrain/manual__2", requester="ben")
    with pytest.raises(MayNotAnswer, match="ben asked for this retraining"):
        answers(medium, "ben", run="parcels.retrain/manual__2")


def test_a_rejection_stands(medium: World) -> None:
    found = asked(medium)
    answers(medium, "ben", approve=False)
    decision = approval.standing(medium.use_case, found, medium.ports.ledger, RUN)
    assert (decision.action, decision.reasons) == (REJECT, ("ben rejected it: I looked at the slices.",))
    with pytest.raises(QuestionClosed, match=r"ben rejected it: I looked at the slices. Nothing was answered. Start"):
        answers(medium, "carla")
    assert_refused(medium, found, "ben rejected it")


def test_the_requester_may_withdraw_a_question(medium: World) -> None:
    found = asked(medium)
    answers(medium, "ann", approve=False, roles=("Admin",))
    assert_refused(medium, found, "ann rejected it")


def test_nobody_answers_in_time_and_somebody_does_when_asked_again(medium: World) -> None:
    found = asked(medium)
    approval.expire(medium.use_case, RUN, medium.ports.ledger, f"{RUN}/approve")
    approval.expire(medium.use_case, RUN, medium.ports.ledger, f"{RUN}/approve")
    assert [each.answer for each in medium.ports.ledger.approvals("parcels")] == [ApprovalAnswer.EXPIRED]
    assert approval.standing(medium.use_case, found, medium.ports.ledger, RUN).action == REJECT
    answers(medium, "ben")
    assert deployed(medium, found).model_version == "1"


def test_a_tier_that_was_lowered_meanwhile_lets_nothing_through(high: World) -> None:
    found = asked(high)
    assert_refused(at(high, "low"), found, "2 people must approve it")


def test_nothing_is_asked_in_a_run_that_judged_nothing(medium: World) -> None:
    with pytest.raises(QuestionClosed, match="asks nothing: it has judged nothing yet"):
        answers(medium, "ben")


def test_what_people_are_shown_is_the_ledgers(medium: World) -> None:
    asked(medium)
    request = medium.ports.ledger.approval_request("parcels", RUN)
    assert request is not None
    assert (request.tier, request.approvers, request.shown["candidate"]) == ("medium", 1, "logistic")
    assert request.shown["verdict"] == "better"
    assert request.shown["champion_version"] is None
    assert request.shown["low"] < request.shown["gain"] < request.shown["high"]


def test_the_command_line_ends_with_the_judgement(medium: World) -> None:
    done = retrained(medium, 30)
    assert done.judged.winner is not None
    assert done.deployed is None
    assert "one person must approve a new model" in str(done.awaits)
    assert "run the DAG parcels.retrain with the same as_of" in str(done.awaits)
    assert medium.ports.ledger.deployments("parcels") == []


def test_a_rollback_is_an_emergency_brake_and_asks_nobody(high: World) -> None:
    low = at(high, "low")
    retrained(low, 30)
    found = asked(high, 58)
    for name, task in (("ben", "approve"), ("carla", "approve_second")):
        answers(high, name, task=task)
    deployed(high, found)
    done = rollback.run(high.use_case, "1", high.ports, "back", actor="dora", reason="complaints")
    assert done.model_version == "1"


def links(world: World) -> list[object]:
    return list(world.ports.ledger.linked("parcels", 0, 1000))


def test_a_winner_that_serves_already_changes_nothing_whatever_people_said_of_it(medium: World) -> None:
    """The deployment returns early then, without counting approvals: there must be nothing that they would allow."""
    found = asked(medium)
    answers(medium, "ben")
    first = deployed(medium, found)
    again = "parcels.retrain/manual__2"
    approval.ask(medium.use_case, found, medium.day(30).start, medium.ports.ledger, again, requester="ann")
    answers(medium, "carla", approve=False, run=again)
    before = links(medium)
    for run in (again, "parcels.retrain/that_asked_nobody"):
        assert deployed(medium, found, run) == first
    assert links(medium) == before
    assert [each.approved_by for each in medium.ports.ledger.deployments("parcels")] == ["ben"]
    assert medium.ports.registry.alias("parcels", DeployedRole.CHAMPION) == first.model_version


def test_a_winner_in_roll_out_changes_nothing_and_after_its_end_it_needs_people_again(medium: World) -> None:
    retrained(at(medium, "low"), 30)
    spec = medium.use_case.spec.model_copy(update={"rollout": Rollout(shadow=timedelta(days=7))})
    rolling = replace(medium, use_case=replace(medium.use_case, spec=spec))
    found, other = asked(rolling, 58), "parcels.retrain/that_asked_nobody"
    with pytest.raises(NotApproved):
        deployed(rolling, found)
    answers(rolling, "ben")
    stage = deployed(rolling, found)
    assert (stage.role, stage.share) == ("challenger", 0)
    before = links(rolling)
    assert deployed(rolling, found, other) == stage
    assert links(rolling) == before
    by_hand = rollout_by_hand.run(rolling.use_case, ByHand.STOP, rolling.ports, "cli", actor="ada", reason="noise")
    assert by_hand.now is None
    stopped = links(rolling)
    with pytest.raises(NotApproved, match="Nobody was asked yet"):
        deployed(rolling, found, other)
    deployed(rolling, found)  # the run that began it, cleared
    assert links(rolling) == stopped
    assert rolling.ports.registry.alias("parcels", DeployedRole.CHALLENGER) is None
