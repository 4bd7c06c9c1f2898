"""Whether people have approved exactly what is to be deployed, and who may answer."""

from dataclasses import replace

import pytest

from perennial.policy.approval import (
    NOBODY,
    Bound,
    Given,
    approvals_that_count,
    decide_approval,
    role_that_allows,
    why_not_approver,
)
from perennial.verdict import APPROVE, LAPSE, REJECT, WAIT, ApprovalAnswer

ASKED = Bound("model", "evidence", 1)


def approved(name: str, person_id: str | None = None) -> Given:
    return Given(ApprovalAnswer.APPROVED, person_id or f"id of {name}", name, "it is better")


BEN, CARLA, ANN = approved("ben"), approved("carla"), approved("ann")
REJECTED = Given(ApprovalAnswer.REJECTED, "id of dora", "dora", "not in the holiday week")
EXPIRED = Given(ApprovalAnswer.EXPIRED, "", "", "3 days passed")


@pytest.mark.parametrize(
    ("approvers", "answers", "action"),
    [
        (0, [], APPROVE),
        (1, [], WAIT),
        (1, [BEN], APPROVE),
        (2, [BEN], WAIT),
        (2, [BEN, CARLA], APPROVE),
        (2, [BEN, BEN], WAIT),
        (2, [BEN, approved("ben", "another id")], WAIT),
        (2, [BEN, approved("another name", "id of ben")], WAIT),
        (1, [ANN], WAIT),
        (2, [ANN, BEN], WAIT),
        (1, [REJECTED], REJECT),
        (1, [BEN, REJECTED], REJECT),
        (2, [REJECTED, BEN, CARLA], REJECT),
        (1, [EXPIRED], REJECT),
        (2, [BEN, EXPIRED], REJECT),
        (1, [EXPIRED, BEN], APPROVE),  # asked again, and answered
        (1, [approved("")], WAIT),
    ],
)
def test_so_many_different_people_who_did_not_ask_for_it_must_agree(
    approvers: int, answers: list[Given], action: str
) -> None:
    assert decide_approval(approvers, ASKED, ASKED, {"ann"}, answers).action == action


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(ASKED, model_digest="other"), "the model is other, not model"),
        (replace(ASKED, evidence_digest="other"), "the judgement has other metrics or reasons"),
        (replace(ASKED, champion_id=2), "the champion is deployment 2, not deployment 1"),
        (replace(ASKED, champion_id=None), "the champion is none, not deployment 1"),
    ],
)
def test_an_approval_lapses_when_what_it_binds_to_changes(found: Bound, said: str) -> None:
    decision = decide_approval(1, ASKED, found, {"ann"}, [BEN])
    assert decision.action == LAPSE
    assert said in decision.reasons[0]


def test_nobody_was_asked() -> None:
    assert decide_approval(1, None, ASKED, set(), [BEN]).action == WAIT


def test_the_decision_says_who_agreed_and_why() -> None:
    decision = decide_approval(2, ASKED, ASKED, {"ann"}, [ANN, BEN, CARLA])
    assert decision.reasons == ("ben approved it: it is better", "carla approved it: it is better")
    assert decision.numbers == {"needed": 2, "approved": 2, "approved_by": "ben, carla"}


def test_a_rejection_is_told_with_its_reason() -> None:
    assert decide_approval(1, ASKED, ASKED, set(), [BEN, REJECTED]).reasons == (
        "dora rejected it: not in the holiday week",
    )


def test_an_approval_of_the_requester_does_not_count() -> None:
    assert approvals_that_count({"ann"}, [ANN, BEN]) == (BEN,)


def test_roles_are_compared_without_case() -> None:
    assert role_that_allows(["Viewer", "ADMIN"], ["Admin", "Approver"]) == "ADMIN"
    assert role_that_allows(["Viewer", "User"], ["Admin", "Approver"]) is None
    assert role_that_allows([], ["Admin"]) is None


def test_why_a_person_may_not_approve() -> None:
    assert "ann asked for this retraining" in why_not_approver("ann", "1", "ann", [])
    assert "ben approved it before" in why_not_approver("ben", "other", "ann", [BEN])
    assert "renamed approved it before" in why_not_approver("renamed", "id of ben", "ann", [BEN])
    assert why_not_approver("carla", "3", "ann", [BEN, EXPIRED]) == ""
    assert why_not_approver("carla", "3", NOBODY, []) == ""
