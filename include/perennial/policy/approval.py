"""Whether people have approved exactly what is to be deployed, and who may answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from perennial.verdict import APPROVE, LAPSE, REJECT, WAIT, ApprovalAnswer, Decision

NOBODY = ""  # the requester, where the policy started the run


@dataclass(frozen=True)
class Bound:
    """What an approval binds to. It lapses when any of these changes.

    `evidence_digest` stands for the metrics and reasons of the judgement; `champion_id` is the deployment that would be
    superseded, None for the first.
    """

    model_digest: str
    evidence_digest: str
    champion_id: int | None


@dataclass(frozen=True)
class Given:
    """A person's answer; `approver` is "" where it says that nobody answered."""

    answer: ApprovalAnswer
    approver_id: str
    approver: str
    reason: str


def decide_approval(
    approvers: int, asked: Bound | None, found: Bound, requesters: Collection[str], answers: Sequence[Given]
) -> Decision:
    """`approve`, `wait` for people, `reject` as they said, or `lapse`: another thing was asked than would be deployed.

    `approvers` is how many different people must agree, none of them among the `requesters`. `asked` is what the
    answers were about, None when nobody was asked, and `found` what would be deployed now. The numbers say how many
    agreed, and `approved_by` who did.
    """
    approved = approvals_that_count(requesters, answers)
    by = ", ".join(each.approver for each in approved)
    numbers: dict[str, float | int | str | None] = {"needed": approvers, "approved": len(approved), "approved_by": by}
    if not approvers:
        return Decision(APPROVE, ("The risk tier is low: no person is asked.",), numbers)
    if asked is None:
        return Decision(WAIT, ("Nobody was asked yet.",), numbers)
    if changed := changes(asked, found):
        return Decision(LAPSE, (f"What was asked about has changed: {'; '.join(changed)}.",), numbers)
    return Decision(*_by_the_answers(approvers, approved, answers), numbers)


def _by_the_answers(approvers: int, approved: Sequence[Given], answers: Sequence[Given]) -> tuple[str, tuple[str, ...]]:
    refused = [each for each in answers if each.answer is ApprovalAnswer.REJECTED]
    if refused:
        return REJECT, tuple(f"{each.approver} rejected it: {each.reason}" for each in refused)
    given = tuple(f"{each.approver} approved it: {each.reason}" for each in approved)
    if len(approved) >= approvers:
        return APPROVE, given
    people = "1 person" if approvers == 1 else f"{approvers} people"
    lacking = f"{people} must approve it, and {len(approved) or 'nobody'} did."
    if any(each.answer is ApprovalAnswer.EXPIRED for each in answers):
        return REJECT, (f"Nobody answered in time: {lacking}", *given)
    return WAIT, (lacking, *given)


def approvals_that_count(requesters: Collection[str], answers: Sequence[Given]) -> tuple[Given, ...]:
    """The first approval of each person who did not ask for it. Neither an id nor a name counts twice."""
    counting: list[Given] = []
    for each in answers:
        known = any(each.approver_id == other.approver_id or each.approver == other.approver for other in counting)
        if each.answer is ApprovalAnswer.APPROVED and each.approver and not known and each.approver not in requesters:
            counting.append(each)
    return tuple(counting)


def changes(asked: Bound, found: Bound) -> tuple[str, ...]:
    """In what the two differ, in words."""
    said = (
        (
            asked.model_digest != found.model_digest,
            f"the model is {found.model_digest[:12]}, not {asked.model_digest[:12]}",
        ),
        (asked.evidence_digest != found.evidence_digest, "the judgement has other metrics or reasons"),
        (
            asked.champion_id != found.champion_id,
            f"the champion is {_deployment(found.champion_id)}, not {_deployment(asked.champion_id)}",
        ),
    )
    return tuple(text for differs, text in said if differs)


def role_that_allows(roles: Collection[str], approving_roles: Collection[str]) -> str | None:
    """The person's role by which an answer counts; None without one. Upper and lower case are the same."""
    wanted = {each.casefold() for each in approving_roles}
    return next((role for role in roles if role.casefold() in wanted), None)


def why_not_approver(name: str, person_id: str, requester: str, answers: Sequence[Given]) -> str:
    """Why this person's approval would not count, in a sentence; "" when it would."""
    if requester != NOBODY and name == requester:
        return f"{name} asked for this retraining, so that somebody else must approve it."
    before = [each for each in answers if each.answer is ApprovalAnswer.APPROVED]
    if any(person_id == each.approver_id or name == each.approver for each in before):
        return f"{name} approved it before, so that another person must approve it, too."
    return ""


def _deployment(number: int | None) -> str:
    return "none" if number is None else f"deployment {number}"
