"""One suite for every ledger: the latest of each of several use cases, from which the gauges are computed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contract.test_ledger import (
    FIRST_RECORDING,
    batch,
    day_window,
    decision,
    deployment,
    drift,
    instant,
    ledger,
    make_ledger,
    record_batch,
    snapshot,
    validation,
)
from tests.contract.test_ledger_approvals import answered, asked
from tests.contract.test_ledger_overview import names

from perennial.ledger.entries import DecisionKind, DeployedRole
from perennial.ledger.parts.latest import LAST_DECISIONS, LastDecisions, LastScored, Stage
from perennial.ledger.parts.overview import Span
from perennial.ledger.port import Ledger
from perennial.verdict import ApprovalAnswer

__all__ = ["ledger", "make_ledger", "names"]

MINUTE = timedelta(minutes=1)


def test_nothing_recorded_is_left_out(ledger: Ledger, names: tuple[str, str, str]) -> None:
    assert not ledger.last_scored_of(names)
    assert not ledger.first_scored_of([Span(names[0], instant(1), instant(9))])
    assert not ledger.recent_decisions_of(names)
    assert not ledger.stages_of(names)
    assert not ledger.open_requests_of(names)
    assert not ledger.last_scored_of([])
    assert not ledger.first_scored_of([])


def test_the_last_window_that_was_scored_with_the_times_of_its_run(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    ledger.record_snapshot(snapshot(one, 2))  # 00:00
    ledger.record_validation(validation(one, 2))
    record_batch(ledger, batch(one, 2))
    ledger.record_drift(drift(one, 2, columns={"temp": {"p_value": 0.25}, "wind": {"p_value": None}}))  # 00:03
    record_batch(ledger, batch(one, 1))  # later, but of an earlier window
    ledger.record_snapshot(snapshot(one, 3))  # not scored yet
    record_batch(ledger, batch(two, 5, 1))
    record_batch(ledger, batch(two, 5, 2, model_version="7", rows=7, run_id="again"))  # 00:07
    found = ledger.last_scored_of(names)
    assert found == {
        one: LastScored(
            day_window(2), "1", 900,
            {
                "snapshots": FIRST_RECORDING,
                "validations": FIRST_RECORDING + MINUTE,
                "batches": FIRST_RECORDING + 2 * MINUTE,
                "drift_reports": FIRST_RECORDING + 3 * MINUTE,
            },
            {"temp": 0.25},
        ),
        two: LastScored(day_window(5), "7", 7, {"batches": FIRST_RECORDING + 7 * MINUTE}, {}),
    }  # fmt: skip


def test_when_each_window_was_scored_first(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    for day, revision in ((1, 1), (2, 1), (2, 2), (3, 1)):
        record_batch(ledger, batch(one, day, revision))
    record_batch(ledger, batch(two, 2))
    found = ledger.first_scored_of([Span(one, instant(2), instant(4)), Span(two, instant(3), instant(4))])
    assert found == {one: {day_window(2): FIRST_RECORDING + MINUTE, day_window(3): FIRST_RECORDING + 3 * MINUTE}}


def test_the_last_decisions_by_kind_and_action(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    ledger.record_decision(decision(one, "oldest", day=1, action="wait"))
    for number in range(LAST_DECISIONS):
        action = "retrain" if number == 5 else "hold"
        ledger.record_decision(decision(one, str(number), action=action, as_of=instant(2) + number * MINUTE))
    promoted = ledger.record_decision(decision(two, kind=DecisionKind.PROMOTE, action="promote"))
    drift_kind = DecisionKind.RETRAIN_ON_DRIFT
    assert ledger.recent_decisions_of(names) == {
        one: [
            LastDecisions(drift_kind, "hold", LAST_DECISIONS - 1, FIRST_RECORDING + LAST_DECISIONS * MINUTE),
            LastDecisions(drift_kind, "retrain", 1, FIRST_RECORDING + 6 * MINUTE),
        ],
        two: [LastDecisions(DecisionKind.PROMOTE, "promote", 1, promoted.recorded_at or instant(1))],
    }


def test_the_stage_of_a_rollout_until_it_ends(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    shadow = ledger.deploy(deployment(one, 2, day=3, role=DeployedRole.CHALLENGER, share=0, salt="x"))
    ledger.deploy(deployment(two, 5, day=3))
    assert ledger.stages_of(names) == {one: Stage("2", 0)}
    canary = ledger.deploy(
        deployment(one, 2, shadow, day=4, role=DeployedRole.CHALLENGER, share=5, salt="x", run_id="r")
    )
    assert ledger.stages_of(names) == {one: Stage("2", 5)}
    ledger.deploy(deployment(one, 2, canary, day=5, role=DeployedRole.CHALLENGER, share=5, ends=True, run_id="s"))
    assert not ledger.stages_of(names)


def test_a_request_is_open_until_enough_people_agreed(ledger: Ledger, names: tuple[str, str, str]) -> None:
    one, two, _ = names
    ledger.record_approval_request(asked(one, "s1"))
    last = ledger.record_approval_request(asked(one, "s2", "run-2"))
    other = ledger.record_approval_request(asked(two, "s2"))
    assert ledger.open_requests_of(names) == {one: last, two: other}
    ledger.record_approval(answered(one, "ben", "s2"))
    assert ledger.open_requests_of([one]) == {one: last}
    ledger.record_approval(answered(one, "carla", "s2"))
    assert ledger.open_requests_of(names) == {two: other}  # the older request of the first is open no more, either


@pytest.mark.parametrize("answer", [ApprovalAnswer.REJECTED, ApprovalAnswer.EXPIRED, ApprovalAnswer.LAPSED])
def test_a_request_that_was_closed_is_open_no_more(
    ledger: Ledger, names: tuple[str, str, str], answer: ApprovalAnswer
) -> None:
    ledger.record_approval_request(asked(names[0]))
    ledger.record_approval(replace(answered(names[0], "ben"), answer=answer))
    assert not ledger.open_requests_of(names)
