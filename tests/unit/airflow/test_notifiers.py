"""Messages reach real receivers through Airflow's own notifiers and connections, and what goes wrong is told apart."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port
from tests.unit.airflow.receivers import Hook, Mailbox, mail_server, web_server

from perennial.alerting import outbox
from perennial.alerting.alert import Alert
from perennial.alerting.news import Event, News
from perennial.alerting.texts import Message, written
from perennial.errors import DeliveryRefused, NotDelivered
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.spec.alerts import Route, Severity
from perennial.spec.load import load_use_case
from perennial_airflow import notifiers

NOW = datetime(2013, 6, 1, 12, tzinfo=UTC)
HOSTILE = "late\r\nBcc: everybody@example.org\r\n\r\n<script>alert(1)</script> {{ 7 * 7 }} {% raw %}"
MAIL = Route(connection="mail", recipients=("ops@example.org", "ada@example.org"))
HOOK = Route(connection="hook", arguments={"endpoint": "hooks/perennial", "headers": {"X-Team": "ops"}})
NO_RETRY = "from_email=perennial%40example.org&disable_ssl=true&disable_tls=true&retry_limit=0&timeout=2"


def alert(what: str = "3 windows failed validation.") -> Alert:
    return Alert(
        "parcels", "windows_refused", Severity.CRITICAL, what, "window 2013-05-31", NOW, what, what, "x", ("w1",)
    )


def message(what: str = "3 windows failed validation.", title: str = "Parcels") -> Message:
    return written("perennial-1", title, [News(Event.RAISED, alert(what))], NOW, "https://airflow.example.org")


def connect(monkeypatch: pytest.MonkeyPatch, name: str, uri: str) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", uri)


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    with mail_server(box) as port:
        connect(monkeypatch, "mail", f"smtp://127.0.0.1:{port}/?{NO_RETRY}")
        yield box


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    receiver = Hook()
    with web_server(receiver) as port:
        connect(monkeypatch, "hook", f"http://127.0.0.1:{port}")
        yield receiver


def test_a_mail_arrives_whole(mailbox: Mailbox) -> None:
    notifiers.send(MAIL, message())
    (envelope,), (mail,) = mailbox.envelopes, mailbox.messages
    assert envelope.rcpt_tos == ["ops@example.org", "ada@example.org"]
    assert mail["From"] == "perennial@example.org"
    assert mail["Subject"] == "[Perennial] Parcels: critical, new: 3 windows failed validation."
    assert mail["Message-ID"] == "<perennial-1@perennial>"
    assert mail["Auto-Submitted"] == "auto-generated"
    html = mail.get_body(("html",))
    assert html is not None
    assert "https://airflow.example.org/x" in html.get_content()


def test_hostile_text_begins_no_header_is_no_markup_and_no_template(mailbox: Mailbox, hook: Hook) -> None:
    notifiers.send(MAIL, message(HOSTILE, HOSTILE))
    notifiers.send(HOOK, message(HOSTILE, HOSTILE))
    (envelope,), (mail,) = mailbox.envelopes, mailbox.messages
    assert envelope.rcpt_tos == ["ops@example.org", "ada@example.org"]
    assert mail["Bcc"] is None
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert "{{ 7 * 7 }}" in html.get_content()
    assert "{{ 7 * 7 }}" in hook.requests[0][2]["text"]


def test_a_hook_gets_json_with_a_key_to_drop_doubles_by(hook: Hook) -> None:
    notifiers.send(HOOK, message())
    ((path, headers, body),) = hook.requests
    assert path == "/hooks/perennial"
    assert headers["Idempotency-Key"] == "perennial-1" == body["id"]
    assert headers["X-Team"] == "ops"
    assert headers["Content-Type"] == "application/json"
    assert body["news"][0]["alert"]["what"] == "3 windows failed validation."


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(500, NotDelivered), (503, NotDelivered), (429, NotDelivered), (408, NotDelivered),
     (400, DeliveryRefused), (401, DeliveryRefused), (404, DeliveryRefused)],
)  # fmt: skip
def test_a_hook_that_answers_otherwise(hook: Hook, status: int, outcome: type[Exception]) -> None:
    hook.statuses = [status]
    with pytest.raises(outcome, match=str(status)):
        notifiers.send(HOOK, message())


@pytest.mark.parametrize(
    ("answer", "outcome"), [("451 Try again", NotDelivered), ("554 Looks like spam", DeliveryRefused)]
)
def test_a_mail_server_that_answers_otherwise(mailbox: Mailbox, answer: str, outcome: type[Exception]) -> None:
    mailbox.answer = answer
    with pytest.raises(outcome, match=answer[:3]):
        notifiers.send(MAIL, message())


def test_a_mail_whose_recipients_are_all_unknown_is_refused(mailbox: Mailbox) -> None:
    mailbox.refuses = "ops@example.org"
    with pytest.raises(DeliveryRefused, match="No such user"):
        notifiers.send(Route(connection="mail", recipients=("ops@example.org",)), message())


def test_a_receiver_that_is_down_has_not_got_it(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    connect(monkeypatch, "hook", json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{port}/services/SECRET"}))
    connect(monkeypatch, "mail", f"smtp://127.0.0.1:{port}/?{NO_RETRY}")
    with pytest.raises(NotDelivered, match="Is it running") as told:
        notifiers.send(HOOK, message())
    assert "SECRET" not in str(told.value)
    assert "hooks/perennial" not in str(told.value)
    with pytest.raises(NotDelivered, match="refused"):
        notifiers.send(MAIL, message())


def test_an_address_that_is_a_secret_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "hook", "http://127.0.0.1:1/services%2FSECRET")  # as a scheme, this is wrong
    with pytest.raises(NotDelivered, match="ValueError: Invalid base URL") as told:
        notifiers.send(HOOK, message())
    assert "SECRET" not in str(told.value)


def test_a_receiver_that_is_slow_is_not_waited_for(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifiers, "SECONDS", 0.2)
    hook.pause = 1.0
    with pytest.raises(NotDelivered, match="did not answer within"):
        notifiers.send(HOOK, message())


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, mailbox: Mailbox) -> None:
    with pytest.raises(NotDelivered, match="no connection 'nowhere'"):
        notifiers.send(Route(connection="nowhere"), message())
    with pytest.raises(NotDelivered, match="names no recipients"):
        notifiers.send(Route(connection="mail"), message())
    connect(monkeypatch, "database", "postgres://localhost/db")
    with pytest.raises(NotDelivered, match="of the type postgres; alerts go over http and smtp"):
        notifiers.send(Route(connection="database"), message())


@pytest.mark.parametrize("name", ["os.system", "perennial_airflow.notifiers.send", "airflow.models.Connection"])
def test_only_notifiers_of_providers_are_made(name: str) -> None:
    with pytest.raises(NotDelivered, match="No installed provider offers"):
        notifiers.send(Route(connection="hook", notifier=name), message())


def test_another_notifier_is_given_what_its_parameters_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.amazon.aws.notifications.sns import SnsNotifier

    given: list[dict[str, Any]] = []

    def notify(self: Any, context: Any) -> None:
        given.append({name: getattr(self, name) for name in ("aws_conn_id", "message", "subject", "target_arn")})

    monkeypatch.setattr(SnsNotifier, "notify", notify)
    name = "airflow.providers.amazon.aws.notifications.sns.SnsNotifier"
    notifiers.send(Route(connection="aws", notifier=name, arguments={"target_arn": "arn:x"}), message())
    told = message()
    assert given == [{"aws_conn_id": "aws", "message": told.text, "subject": told.subject, "target_arn": "arn:x"}]


def test_a_receiver_that_is_down_then_broken_then_up_loses_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [NOW]
    ledger = InMemoryLedger(lambda: now[0])
    spec = load_use_case(repository / "include" / "use_cases" / "flight_delays").spec
    spec = spec.model_copy(update={"alerts": (HOOK, MAIL)})
    ports = {"hook": free_port(), "mail": free_port()}
    connect(monkeypatch, "hook", f"http://127.0.0.1:{ports['hook']}")
    connect(monkeypatch, "mail", f"smtp://127.0.0.1:{ports['mail']}/?{NO_RETRY}")

    def turn(*alerts: Alert) -> outbox.Delivered:
        now[0] += timedelta(hours=1)
        return outbox.run(spec, alerts, now[0], ledger, notifiers.send, "run", airflow="")

    # Both are down, and by three attempts each would have been told of the other.
    monkeypatch.setattr(outbox, "UNREACHED_AFTER", 4)
    assert turn(alert()).delivered == 0
    assert turn().delivered == 0  # it has ended meanwhile
    receiver, box = Hook(), Mailbox()
    receiver.statuses, box.answer = [500], "451 Not now"
    with web_server(receiver, ports["hook"]), mail_server(box, ports["mail"]):
        assert turn().delivered == 0
        box.answer = "250 OK"
        assert turn().delivered == 4
        assert turn() == outbox.Delivered("flight_delays", 0, 0, ())
    events = [body["news"][0]["event"] for _, _, body in receiver.requests]
    assert events == ["raised", "raised", "resolved"]  # the first was answered with 500
    assert receiver.ids[0] == receiver.ids[1] != receiver.ids[2]
    assert len({mail["Message-ID"] for mail in box.messages}) == 2
    assert [ledger.undelivered("flight_delays", route.name) for route in (HOOK, MAIL)] == [[], []]
