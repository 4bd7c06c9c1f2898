"""From what stands to what is sent: nothing is lost and nothing doubled, whatever the receivers do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from perennial.alerting import outbox, report, words
from perennial.alerting.alert import Alert
from perennial.alerting.outbox import Delivered
from perennial.alerting.texts import Message
from perennial.errors import AlertChanged, DeliveryRefused, NotDelivered, NotEnoughData, WindowBusy
from perennial.ledger.entries import AlertDelivery, Delivery, Intervention, InterventionKind
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.spec.alerts import Route, Severity
from perennial.spec.load import load_use_case
from perennial.spec.models import UseCase

HOOK, MAIL = Route(connection="hook"), Route(connection="mail", recipients=("ops@example.org",))
MINUTES = timedelta(minutes=1)


class World:
    """A ledger, a clock that stands where it is put, and receivers that do as they are told."""

    def __init__(self, spec: UseCase) -> None:
        self.now = datetime(2013, 6, 1, tzinfo=UTC)
        self.spec = spec
        self.ledger = InMemoryLedger(lambda: self.now, lock_timeout=0.01)
        self.answers: dict[str, Callable[[Message], None]] = {}
        self.received: list[tuple[str, Message]] = []

    def send(self, route: Route, message: Message) -> None:
        self.answers.get(route.connection, lambda _: None)(message)
        self.received.append((route.connection, message))

    def turn(self, *alerts: Alert, after: timedelta = 5 * MINUTES) -> Delivered:
        self.now += after
        return outbox.run(self.spec, alerts, self.now, self.ledger, self.send, "run", airflow="https://airflow/")

    def down(self, connection: str, error: Exception | None = None) -> None:
        def refuse(_: Message) -> None:
            raise error or NotDelivered("Nobody answers.")

        self.answers[connection] = refuse

    def attempts(self) -> list[tuple[int, int, Delivery]]:
        found = self.ledger._of(AlertDelivery, lambda _: True)
        return [(each.number, each.attempt, each.outcome) for each in found]


@pytest.fixture
def world(repository: Path) -> World:
    spec = load_use_case(repository / "include" / "use_cases" / "flight_delays").spec
    return World(spec.model_copy(update={"alerts": (HOOK,)}))


def alert(*subjects: str, key: str = "windows_refused", **changes: Any) -> Alert:
    made = Alert(
        "flight_delays", key, Severity.CRITICAL, f"It broke: {key}.", "there", None, "Why.", "Do.", "", subjects
    )
    return replace(made, **changes)


def test_without_routes_nothing_is_sent_or_kept(world: World) -> None:
    world.spec = world.spec.model_copy(update={"alerts": ()})
    assert world.turn(alert("w1")) == Delivered("flight_delays", 0, 0, ())
    assert world.received == []
    assert world.ledger.last_notice("flight_delays", "hook") is None


def test_many_alerts_are_one_message_and_told_once(world: World) -> None:
    several = [alert("w1"), alert(key="drift"), alert(key="labels_late")]
    assert world.turn(*several) == Delivered("flight_delays", 1, 1, ())
    assert world.turn(*several) == Delivered("flight_delays", 0, 0, ())
    ((to, message),) = world.received
    assert to == "hook"
    assert "3 alerts (3 new)" in message.subject


def test_each_receiver_has_a_message_of_its_own(world: World) -> None:
    world.spec = world.spec.model_copy(update={"alerts": (HOOK, MAIL)})
    world.turn(alert("w1"))
    assert [to for to, _ in world.received] == ["hook", "mail"]
    assert len({message.id for _, message in world.received}) == 2


def test_the_end_is_told_and_a_new_beginning_too(world: World) -> None:
    for standing in ([alert("w1")], [], [], [alert("w1")]):
        world.turn(*standing)
    assert [message.body["news"][0]["event"] for _, message in world.received] == ["raised", "resolved", "raised"]


def test_a_receiver_that_is_down_gets_everything_later_in_order_and_once(world: World) -> None:
    world.down("hook")
    assert world.turn(alert("w1")).waiting == ("hook, notice 1, attempt 1: Nobody answers.",)
    world.turn()  # resolved
    world.turn(alert("w2"))
    assert world.received == []
    del world.answers["hook"]
    assert world.turn(alert("w2"), after=61 * MINUTES) == Delivered("flight_delays", 0, 3, ())
    told = [(m.body["news"][0]["event"], m.body["news"][0]["alert"]["subjects"]) for _, m in world.received]
    assert told == [("raised", ["w1"]), ("resolved", ["w1"]), ("raised", ["w2"])]
    assert world.turn(alert("w2")) == Delivered("flight_delays", 0, 0, ())


def test_the_pauses_between_attempts_grow_to_an_hour(world: World) -> None:
    world.down("hook")
    for _ in range(12 * 6):  # six hours
        world.turn(alert("w1"))
    times = [each.recorded_at for each in world.ledger._of(AlertDelivery, lambda _: True)]
    pauses = [round((b - a).total_seconds() / 60) for a, b in pairwise(times) if a and b]
    assert pauses[:4] == [5, 10, 20, 35]
    assert set(pauses[4:]) == {60}


def test_a_receiver_that_is_down_keeps_no_other_waiting(world: World) -> None:
    world.spec = world.spec.model_copy(update={"alerts": (HOOK, MAIL)})
    world.down("hook")
    assert world.turn(alert("w1")).delivered == 1
    assert [to for to, _ in world.received] == ["mail"]


def test_the_others_are_told_of_a_receiver_that_is_not_reached_and_when_it_is_again(world: World) -> None:
    world.spec = world.spec.model_copy(update={"alerts": (HOOK, MAIL)})
    world.down("hook")
    for _ in range(4):
        world.turn(alert("w1"), after=61 * MINUTES)
    told = [news for to, message in world.received if to == "mail" for news in message.body["news"]]
    assert [(each["event"], each["alert"]["key"]) for each in told] == [
        ("raised", "windows_refused"), ("raised", "undelivered:hook")
    ]  # fmt: skip
    assert told[1]["alert"]["what"] == "1 message could not be delivered to hook."
    assert told[1]["alert"]["cause"] == "Nobody answers."
    del world.answers["hook"]
    for _ in range(2):
        world.turn(alert("w1"), after=61 * MINUTES)
    assert world.received[-1][0] == "mail"
    assert [each["event"] for each in world.received[-1][1].body["news"]] == ["resolved"]


def test_a_message_that_is_refused_keeps_the_later_ones_not_waiting(world: World) -> None:
    world.down("hook", DeliveryRefused("404: Not Found."))
    world.turn(alert("w1"))
    del world.answers["hook"]
    assert world.turn(alert("w1"), alert(key="drift"), after=MINUTES).delivered == 1
    assert "drift" in world.received[0][1].subject
    assert world.turn(after=5 * MINUTES).delivered == 2  # the resolved ones, and the first at last
    assert [outcome for _, _, outcome in world.attempts()].count(Delivery.DELIVERED) == 3
    assert world.ledger.undelivered("flight_delays", "hook") == []


def test_however_many_messages_are_refused_they_keep_no_later_one_waiting(world: World) -> None:
    def refuse_most(message: Message) -> None:
        if "fine" not in message.text:
            raise DeliveryRefused("413: Payload Too Large.")

    world.answers["hook"] = refuse_most
    for number in range(outbox.MOST_AT_ONCE + 1):
        world.turn(alert(key=f"large {number}"), after=MINUTES)
    assert world.received == []
    assert world.turn(alert(key="fine"), after=MINUTES).delivered == 1
    assert [(name, "fine" in message.text) for name, message in world.received] == [("hook", True)]


def test_a_message_that_could_not_be_delivered_is_not_overtaken(world: World) -> None:
    world.down("hook")
    world.turn(alert("w1"))
    del world.answers["hook"]
    assert world.turn(alert("w1"), alert(key="drift"), after=MINUTES).delivered == 0  # not yet time for the first
    assert world.received == []


def test_an_id_stays_the_same_in_every_attempt(world: World) -> None:
    seen: list[str] = []

    def slow(message: Message) -> None:
        seen.append(message.id)
        if len(seen) < 3:
            raise NotDelivered("The receiver did not answer within 10 s.")

    world.answers["hook"] = slow
    for _ in range(3):
        world.turn(alert("w1"), after=61 * MINUTES)
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_process_that_died_after_sending_sends_again_under_the_same_id(world: World) -> None:
    class Killed(BaseException):
        pass

    def deliver_and_die(message: Message) -> None:
        world.received.append(("hook", message))
        raise Killed

    world.answers["hook"] = deliver_and_die
    with pytest.raises(Killed):
        world.turn(alert("w1"))
    del world.answers["hook"]
    assert world.turn(alert("w1")).delivered == 1
    first, second = (message for _, message in world.received)
    assert (first.id, first.body) == (second.id, second.body)


def test_two_at_once_do_not_tell_twice(world: World) -> None:
    with outbox.turn("flight_delays", world.ledger, "rival"), pytest.raises(WindowBusy):
        world.turn(alert("w1"))
    assert world.received == []
    assert world.turn(alert("w1")).delivered == 1


def test_with_too_many_waiting_what_is_new_is_told_in_one_later(world: World) -> None:
    world.down("hook")
    for number in range(outbox.MOST_WAITING + 20):
        world.turn(*([alert(f"w{number}")] if number % 2 else []))
    assert len(world.ledger.undelivered("flight_delays", "hook")) == outbox.MOST_WAITING
    del world.answers["hook"]
    for _ in range(6):
        world.turn(alert("last"), after=61 * MINUTES)
    assert world.ledger.undelivered("flight_delays", "hook") == []
    assert world.received[-1][1].body["news"][0]["alert"]["subjects"] == ["last"]


def said(world: World, key: str = "windows_refused", **given: Any) -> None:
    looked_at = words.seen(alert(*given.get("seen", ("w1",))))
    words.acknowledge(world.spec, key, looked_at, world.ledger, f"page__{world.now}", actor="ada", reason="I know.")


def test_what_is_acknowledged_is_not_repeated(world: World) -> None:
    world.turn(alert("w1"))
    said(world)
    assert world.turn(alert("w1"), after=timedelta(days=2)).noticed == 0
    assert world.turn(alert("w1", "w2")).noticed == 1
    (entry,) = world.ledger.interventions("flight_delays", InterventionKind.ALERT_ACKNOWLEDGED)
    assert (entry.actor, entry.reason, entry.details["subjects"]) == ("ada", "I know.", ["w1"])


@pytest.mark.parametrize("kind", words.KINDS)
def test_a_word_that_does_not_say_for_what_or_until_when_keeps_nothing_quiet(
    world: World, kind: InterventionKind
) -> None:
    world.ledger.record_intervention(Intervention("flight_delays", kind, "windows_refused", "ada", "", {}, "by hand"))
    assert world.turn(alert("w1")).delivered == 1
    assert report.run(world.spec, world.now, world.ledger).alerts[0].said == ()


def test_what_changed_since_it_was_looked_at_is_not_acknowledged(world: World) -> None:
    world.turn(alert("w1", "w2"))
    with pytest.raises(AlertChanged, match="Load the page again"):
        said(world, seen=("w1",))
    assert world.turn(alert("w1", "w2"), after=timedelta(days=2)).noticed == 1


def test_what_is_silenced_is_not_told_until_then(world: World) -> None:
    world.turn(alert("w1"))
    until = world.now + timedelta(days=3)
    words.silence(world.spec, "windows_refused", until, world.ledger, "page__1", actor="ada", reason="Holiday.")
    assert world.turn(alert("w1", "w2", "w3"), after=timedelta(days=2)).noticed == 0
    assert world.turn(alert("w1", "w2", "w3"), after=timedelta(days=1)).noticed == 1


def test_nobody_can_answer_what_nobody_was_told(world: World) -> None:
    world.turn(alert("w1"))
    with pytest.raises(NotEnoughData, match="windows_refused"):
        said(world, "drift")
    world.turn()
    with pytest.raises(NotEnoughData, match="none"):
        said(world)
