"""Approval: people are asked whether what was judged may be deployed, and their answers are kept and counted.

The ledger is the only thing that is believed. A question is recorded by the run that judged, an answer by the server
that knows who gave it (see `perennial_airflow.answers`), and a deployment reads both: what Airflow says of a task, and
what is passed between tasks, can be changed by whoever may edit the DAG's runs, and deploys nothing.

A person waits for `answer`, so that this module imports nothing that reads sources or makes models.
"""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from perennial import clock
from perennial.encoding import json_bytes, json_digest
from perennial.errors import MayNotAnswer, NoModel, NotApproved, QuestionClosed
from perennial.ledger.entries import Approval, ApprovalRequest, DecisionKind, DeployedRole
from perennial.ledger.port import Ledger
from perennial.policy.approval import (
    Bound,
    Given,
    approvals_that_count,
    decide_approval,
    role_that_allows,
    why_not_approver,
)
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.verdict import APPROVE, LAPSE, ApprovalAnswer, Decision

if TYPE_CHECKING:
    from perennial.jobs.retrain.judge import Judged

log = logging.getLogger(__name__)

CHAMPION_VERSION = "champion_version"  # of what people are shown: what the winner would take the place of
SHOWN = 12  # characters of a question's digest that people are shown, and that their answers must be about
_NUMBERS = (
    "metric", "verdict", "tested", "tested_value", "rival_value", "gain", "low", "high", "confidence", "rows_compared",
    "windows", "slices", "slices_worse", "slices_not_judged",
)  # fmt: skip


@dataclass(frozen=True)
class Answered:
    """A person's answer, as the server that authenticated the person has it.

    `shown` is the text that the person was shown with the question; `place` is the DAG, run and task of it.
    """

    approve: bool
    person_id: str
    person: str
    roles: tuple[str, ...]
    reason: str
    shown: str
    place: str


def bound_of(judged: "Judged") -> Bound:
    """What an approval of the winner binds to. Errors: `NoModel` when there is no winner."""
    if judged.winner is None:
        raise NoModel(f"No candidate was promoted, so there is nothing to approve: {' '.join(judged.reasons)}")
    evidence = json.loads(json_bytes(judged))
    for measured in ("seconds", "costs"):  # the same model, trained again, takes another time
        evidence["winner"].pop(measured, None)
    digest = judged.refitted.digest if judged.refitted else judged.winner.digest
    return Bound(digest, json_digest(evidence), judged.champion_id)


def subject_of(judged: "Judged", run_id: str) -> str:
    """The digest that names the question whether the run may deploy what was judged."""
    bound = bound_of(judged)
    return json_digest([judged.training_id, bound.model_digest, bound.evidence_digest, bound.champion_id, run_id])


def ask(
    use_case: LoadedUseCase, judged: "Judged", as_of: datetime, ledger: Ledger, run_id: str, *, requester: str
) -> ApprovalRequest | None:
    """Record the question, where the tier asks for people and there is a winner; else None.

    The run that judged as of a moment asks, right after it. Judging again with the same result is the same question.
    Errors: `StoreUnavailable`.
    """
    spec = use_case.spec
    if judged.winner is None or not spec.risk_tier.approvers:
        return None
    bound = bound_of(judged)
    request = ledger.record_approval_request(
        ApprovalRequest(
            use_case=spec.name,
            subject=subject_of(judged, run_id),
            training_id=judged.training_id,
            model_digest=bound.model_digest,
            evidence_digest=bound.evidence_digest,
            champion_id=bound.champion_id,
            tier=spec.risk_tier,
            approvers=spec.risk_tier.approvers,
            requester=requester,
            shown={
                "candidate": judged.winner.candidate,
                "reasons": judged.reasons,
                CHAMPION_VERSION: _version(spec.name, bound.champion_id, ledger),
                **_numbers(spec, judged, as_of, ledger),
            },
            run_id=run_id,
        )
    )
    log.info("%s: %d must approve %s before it is deployed", spec.name, request.approvers, request.model_digest[:SHOWN])
    return request


def _version(name: str, champion_id: int | None, ledger: Ledger) -> str | None:
    """The version that would be superseded; None without one, and where it is the champion no more."""
    current = ledger.current_deployment(name, DeployedRole.CHAMPION)
    return current.model_version if current is not None and current.id == champion_id else None


def _numbers(spec: UseCase, judged: "Judged", as_of: datetime, ledger: Ledger) -> dict[str, object]:
    """What the ledger's decision says of the winner."""
    assert judged.winner is not None
    decisions = [
        each
        for each in ledger.decisions(spec.name, DecisionKind.PROMOTE, since=as_of, until=as_of)
        if each.subject.startswith(f"{judged.training_id} against ")
        and each.numbers.get("winner_digest") == judged.winner.digest
    ]
    found = decisions[-1].numbers if decisions else {}
    return {name: found[name] for name in _NUMBERS if found.get(name) is not None}


def standing(use_case: LoadedUseCase, judged: "Judged", ledger: Ledger, run_id: str) -> Decision:
    """Whether the run may deploy what was judged, by what is on record now. Errors: `StoreUnavailable`."""
    spec = use_case.spec
    bound = bound_of(judged)
    request = ledger.approval_request(spec.name, run_id)
    current = ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
    champion_id = current.id if current else None
    if current is not None and (current.run_id, current.model_digest) == (run_id, bound.model_digest):
        champion_id = current.supersedes  # the run has deployed it already
    found = Bound(bound.model_digest, bound.evidence_digest, champion_id)
    # The tier may have been lowered since people were asked: what was asked of them stays.
    approvers = max(spec.risk_tier.approvers, request.approvers if request else 0)
    if request is None:
        return decide_approval(approvers, None, found, (), ())
    asked = Bound(request.model_digest, request.evidence_digest, request.champion_id)
    return decide_approval(approvers, asked, found, _requesters(request), answers_to(request, ledger))


def require(use_case: LoadedUseCase, judged: "Judged", ledger: Ledger, run_id: str) -> str | None:
    """Who approved it; None where nobody had to. That an approval has lapsed goes on record.

    Errors: `NotApproved` when people must agree and have not, `StoreUnavailable`.
    """
    decision = standing(use_case, judged, ledger, run_id)
    if decision.action == APPROVE:
        return str(decision.numbers["approved_by"]) or None
    request = ledger.approval_request(use_case.name, run_id)
    if decision.action == LAPSE and request is not None:
        ledger.record_approval(_entry(request, ApprovalAnswer.LAPSED, decision.reasons[0], run_id, run_id))
    raise NotApproved(
        f"{use_case.name}: nothing was deployed. Its risk tier is {use_case.spec.risk_tier}, so people must approve a "
        f"new model, and the ledger has no approval that holds for {bound_of(judged).model_digest[:SHOWN]}. "
        f"{' '.join(decision.reasons)} {_WHAT_TO_DO[decision.action == LAPSE]}"
    )


_WHAT_TO_DO = (
    "A task that was marked as successful is no answer: clear the task `approve` of this run, and it asks again.",
    "Start a new run of the retrain DAG: it judges against the present champion, and asks again.",
)


def awaited(use_case: LoadedUseCase) -> str | None:
    """Why the command line can't deploy a winner of this use case; None where it can."""
    tier = use_case.spec.risk_tier
    if not tier.approvers:
        return None
    people = "one person" if tier.approvers == 1 else f"{tier.approvers} people"
    return (
        f"{use_case.name} has the risk tier {tier}: {people} must approve a new model, and they answer in Airflow, "
        f"which knows who they are. Nothing was deployed. To go on, run the DAG {use_case.name}.retrain with the same "
        "as_of; it asks under Required actions."
    )


def answer(
    use_case: LoadedUseCase, run_id: str, given: Answered, approving_roles: Collection[str], ledger: Ledger, page: str
) -> Approval:
    """Record a person's answer to what the run asked, if it counts. The same answer given again is the first one.

    `page` is the id under which the server that took it writes. Errors: `MayNotAnswer`, `QuestionClosed`,
    `StoreUnavailable`.
    """
    request = ledger.approval_request(use_case.name, run_id)
    if request is None:
        raise QuestionClosed(f"{run_id} asks nothing: it has judged nothing yet, or the champion stays.")
    if request.subject[:SHOWN] not in given.shown:
        raise QuestionClosed(
            f"The question that was shown is not the one that {run_id} asks now ({request.subject[:SHOWN]}): it has "
            "judged again since. Airflow keeps the old text when a task is cleared; start a new run to get the new "
            "question."
        )
    role = role_that_allows(given.roles, approving_roles)
    if role is None:
        has = f"has the roles {', '.join(given.roles)}" if given.roles else "has no role that is known here"
        raise MayNotAnswer(
            f"{given.person} {has}; an answer counts from {' or '.join(approving_roles)}. Nothing was answered. Ask a "
            "person with such a role."
        )
    before = answers_to(request, ledger)
    wanted = ApprovalAnswer.APPROVED if given.approve else ApprovalAnswer.REJECTED
    for each in ledger.approvals(use_case.name, request.subject):
        if (each.answer, each.approver_id, each.answered_in) == (wanted, given.person_id, given.place):
            return each  # Airflow did not hear of it the first time
    if given.approve:
        why = why_not_approver(given.person, given.person_id, request.requester, before)
        if why:
            raise MayNotAnswer(f"{why} Nothing was answered.")
        _refuse_what_is_decided(use_case.name, request, ledger)
    return ledger.record_approval(
        _entry(request, wanted, given.reason, given.place, page, (given.person_id, given.person, role))
    )


def _refuse_what_is_decided(name: str, request: ApprovalRequest, ledger: Ledger) -> None:
    current = ledger.current_deployment(name, DeployedRole.CHAMPION)
    if (current.id if current else None) != request.champion_id:
        raise QuestionClosed(
            f"The champion has changed since this was judged: it is version "
            f"{current.model_version if current else 'none'} now. An approval would not hold. Nothing was answered. "
            "Reject this one, and start a new run."
        )
    rejected = [each for each in ledger.approvals(name, request.subject) if each.answer is ApprovalAnswer.REJECTED]
    if rejected:
        raise QuestionClosed(
            f"{rejected[0].approver} rejected it: {rejected[0].reason} Nothing was answered. Start a new run to ask "
            "again."
        )


def expire(use_case: LoadedUseCase, run_id: str, ledger: Ledger, place: str) -> None:
    """Record that nobody answered in time. Errors: `StoreUnavailable`."""
    request = ledger.approval_request(use_case.name, run_id)
    if request is not None:
        reason = "Nobody answered within the time that the spec gives."
        ledger.record_approval(_entry(request, ApprovalAnswer.EXPIRED, reason, place, run_id))


def answers_to(request: ApprovalRequest, ledger: Ledger) -> tuple[Given, ...]:
    """What was answered to the question, in the order of the answers."""
    found = ledger.approvals(request.use_case, request.subject)
    return tuple(Given(each.answer, each.approver_id, each.approver, each.reason) for each in found)


def approved_by(request: ApprovalRequest, ledger: Ledger) -> tuple[str, ...]:
    """Who approved it, of those whose approval counts."""
    counting = approvals_that_count(_requesters(request), answers_to(request, ledger))
    return tuple(each.approver for each in counting)


def _requesters(request: ApprovalRequest) -> tuple[str, ...]:
    return (request.requester,) if request.requester else ()


def _entry(
    request: ApprovalRequest,
    given: ApprovalAnswer,
    reason: str,
    place: str,
    run_id: str,
    person: tuple[str, str, str] = ("", "", ""),
) -> Approval:
    person_id, name, role = person
    return Approval(
        use_case=request.use_case,
        subject=request.subject,
        training_id=request.training_id,
        model_digest=request.model_digest,
        evidence_digest=request.evidence_digest,
        champion_id=request.champion_id,
        answer=given,
        approver_id=person_id,
        approver=name,
        role=role,
        reason=reason,
        requester=request.requester,
        answered_at=clock.now(),
        answered_in=place,
        run_id=run_id,
    )
