"""One suite for what every ledger keeps of approvals: in memory, and in a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from perennial.jobs.upkeep import verify
from perennial.ledger.entries import Approval, ApprovalRequest
from perennial.ledger.port import Ledger
from perennial.verdict import ApprovalAnswer

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def asked(use_case: str, subject: str = "s1", run_id: str = "run-1") -> ApprovalRequest:
    return ApprovalRequest(
        use_case, subject, "t1", "m2", "e1", None, "high", 2, "ann", {"verdict": "better", "gain": 0.01}, run_id
    )


def answered(use_case: str, approver: str, subject: str = "s1") -> Approval:
    return Approval(
        use_case, subject, "t1", "m2", "e1", None, ApprovalAnswer.APPROVED, f"id of {approver}", approver, "Approver",
        "it is better", "ann", NOON, "flights.retrain, run-1, approve", "page__1",
    )  # fmt: skip


def test_what_was_asked_comes_back_as_it_was(ledger: Ledger, use_case: str) -> None:
    stored = ledger.record_approval_request(asked(use_case))
    assert replace(stored, id=None, recorded_at=None) == asked(use_case)
    assert ledger.record_approval_request(replace(asked(use_case), requester="ben")) == stored  # the first one stands
    assert ledger.approval_request(use_case, "run-1") == stored


def test_of_a_run_that_asked_twice_the_last_question_counts(ledger: Ledger, use_case: str) -> None:
    ledger.record_approval_request(asked(use_case))
    last = ledger.record_approval_request(asked(use_case, "s2"))
    ledger.record_approval_request(asked(use_case, "s3", "run-2"))
    assert ledger.approval_request(use_case, "run-1") == last
    assert ledger.approval_request(use_case, "run-3") is None
    assert ledger.approval_request("another", "run-1") is None


def test_what_was_asked_last_of_a_use_case_is_found_without_its_run(ledger: Ledger, use_case: str) -> None:
    assert ledger.last_approval_request(use_case) is None
    ledger.record_approval_request(asked(use_case))
    last = ledger.record_approval_request(asked(use_case, "s2", "run-2"))
    assert ledger.last_approval_request(use_case) == last


def test_answers_come_back_by_subject_in_the_order_they_were_given(ledger: Ledger, use_case: str) -> None:
    ben, carla = (ledger.record_approval(answered(use_case, name)) for name in ("ben", "carla"))
    other = ledger.record_approval(answered(use_case, "ben", "s2"))
    assert replace(ben, id=None, recorded_at=None) == answered(use_case, "ben")
    assert ledger.approvals(use_case, "s1") == [ben, carla]
    assert ledger.approvals(use_case) == [ben, carla, other]
    assert ledger.approvals(use_case, "s3") == []


def test_a_person_answers_once_and_may_still_answer_otherwise(ledger: Ledger, use_case: str) -> None:
    first = ledger.record_approval(answered(use_case, "ben"))
    assert ledger.record_approval(replace(answered(use_case, "ben"), reason="again", run_id="page__2")) == first
    other = ledger.record_approval(replace(answered(use_case, "ben"), answer=ApprovalAnswer.REJECTED))
    assert ledger.approvals(use_case, "s1") == [first, other]


def test_answers_at_once_are_all_kept_and_each_once(ledger: Ledger, use_case: str) -> None:
    people = ["ben", "carla", "ben", "carla"]
    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(lambda name: ledger.record_approval(answered(use_case, name)), people))
    assert sorted(each.approver for each in ledger.approvals(use_case, "s1")) == ["ben", "carla"]


def test_questions_and_answers_are_links_of_the_chain(ledger: Ledger, use_case: str) -> None:
    request = ledger.record_approval_request(asked(use_case))
    answer = ledger.record_approval(answered(use_case, "ben"))
    links = ledger.linked(use_case, 0, 10)
    assert [(link.kind, entry) for link, entry in links] == [("approval_request", request), ("approval", answer)]
    assert verify.run(ledger, [], use_case=use_case).alterations == 0
