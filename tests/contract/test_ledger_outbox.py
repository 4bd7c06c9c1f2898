"""What every ledger keeps of alerts: notices, attempts to deliver them, and what people said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.test_ledger import FIRST_RECORDING, ledger, make_ledger, use_case

from perennial.errors import LeaseLost
from perennial.ledger.entries import AlertDelivery, AlertNotice, Delivery, Intervention, InterventionKind
from perennial.ledger.parts.outbox import WAITING_AMONG, Waiting
from perennial.ledger.port import Ledger
from perennial.window import Window

__all__ = ["ledger", "make_ledger", "use_case"]

AT = datetime(2013, 3, 1, tzinfo=UTC)
ALERT = {"key": "windows_refused", "event": "raised"}


def notice(use_case: str, number: int = 1, route: str = "hook", **changes: Any) -> AlertNotice:
    return replace(AlertNotice(use_case, route, number, AT, (ALERT,), {"windows_refused": {}}, "run"), **changes)


def attempt(use_case: str, number: int = 1, attempt: int = 1, error: str = "", route: str = "hook") -> AlertDelivery:
    outcome = Delivery.FAILED if error else Delivery.DELIVERED
    return AlertDelivery(use_case, route, number, attempt, outcome, error, "run")


def test_the_last_notice_of_a_receiver_is_that_with_the_greatest_number(ledger: Ledger, use_case: str) -> None:
    assert ledger.last_notice(use_case, "hook") is None
    second, first = (ledger.record_notice(notice(use_case, number)) for number in (2, 1))
    ledger.record_notice(notice(use_case, 7, "mail"))
    assert ledger.last_notice(use_case, "hook") == second
    assert second.news == (ALERT,)
    assert first.told == {"windows_refused": {}}


def test_of_two_that_look_at_once_one_tells(ledger: Ledger, use_case: str) -> None:
    first = ledger.record_notice(notice(use_case))
    rival = ledger.record_notice(notice(use_case, news=({"key": "other"},), run_id="rival"))
    assert rival == first


def test_a_notice_waits_until_an_attempt_has_delivered_it(ledger: Ledger, use_case: str) -> None:
    first, second = (ledger.record_notice(notice(use_case, number)) for number in (1, 2))
    assert ledger.undelivered(use_case, "hook") == [Waiting(first, None), Waiting(second, None)]
    ledger.record_delivery(attempt(use_case, 1, 1, "refused"))
    failed = ledger.record_delivery(attempt(use_case, 1, 2, "refused again"))
    ledger.record_delivery(attempt(use_case, 2))
    assert ledger.undelivered(use_case, "hook") == [Waiting(first, failed)]
    ledger.record_delivery(attempt(use_case, 1, 3))
    assert ledger.undelivered(use_case, "hook") == []


def test_receivers_and_use_cases_are_told_apart(ledger: Ledger, use_case: str) -> None:
    ledger.record_notice(notice(use_case, route="mail"))
    ledger.record_notice(notice(f"{use_case}_2"))
    first = ledger.record_notice(notice(use_case))
    ledger.record_delivery(attempt(use_case, route="mail"))
    assert ledger.undelivered(use_case, "mail") == []
    assert ledger.undelivered(use_case, "hook") == [Waiting(first, None)]


def test_a_notice_without_news_is_not_sent(ledger: Ledger, use_case: str) -> None:
    ledger.record_notice(notice(use_case, news=(), told={}))
    assert ledger.undelivered(use_case, "hook") == []


def test_only_the_last_notices_are_tried(ledger: Ledger, use_case: str) -> None:
    for number in range(1, WAITING_AMONG + 3):
        ledger.record_notice(notice(use_case, number))
    waiting = ledger.undelivered(use_case, "hook")
    assert [each.notice.number for each in waiting] == list(range(3, WAITING_AMONG + 3))


def test_an_attempt_counts_once(ledger: Ledger, use_case: str) -> None:
    ledger.record_notice(notice(use_case))
    first = ledger.record_delivery(attempt(use_case, error="refused"))
    assert ledger.record_delivery(attempt(use_case)) == first


def test_who_lost_its_turn_records_nothing(ledger: Ledger, use_case: str) -> None:
    window = Window(AT, AT + timedelta(days=1))
    with ledger.working_on(f"{use_case}/alerts", window, "slow") as slow:
        pass
    with ledger.working_on(f"{use_case}/alerts", window, "next"):
        pass
    with pytest.raises(LeaseLost):
        ledger.record_notice(notice(use_case), slow)
    with pytest.raises(LeaseLost):
        ledger.record_delivery(attempt(use_case), slow)
    assert ledger.last_notice(use_case, "hook") is None


def test_what_people_said_since_a_moment(ledger: Ledger, use_case: str) -> None:
    kinds = (InterventionKind.ALERT_ACKNOWLEDGED, InterventionKind.ALERT_SILENCED)
    said = [
        ledger.record_intervention(Intervention(use_case, kind, "windows_refused", "ada", "known", {}, f"run-{kind}"))
        for kind in (*kinds, InterventionKind.WINDOW_EMPTY)
    ]
    assert ledger.interventions_since(use_case, kinds, FIRST_RECORDING) == said[:2]
    recorded_at = said[1].recorded_at
    assert recorded_at is not None
    assert ledger.interventions_since(use_case, kinds, recorded_at) == [said[1]]
    assert ledger.interventions_since(use_case, kinds[:1], recorded_at) == []
