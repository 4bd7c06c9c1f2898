"""The page of a use case's alerts, and what a person may say on it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import NOW, ask, page, settings_of, told

from perennial.alerting import outbox
from perennial.alerting.alert import Alert
from perennial.alerting.words import seen
from perennial.errors import NotDelivered
from perennial.ledger.entries import InterventionKind
from perennial.pages.change import ChangeAsked, change
from perennial.spec.alerts import Severity
from perennial.spec.load import load_use_case

ALERT = Alert(
    "parcels", "windows_refused", Severity.CRITICAL, "2 windows failed validation.", "window 2024-02-02", NOW,
    "weight is negative.", "Mend the source.", "perennial/dags/parcels.predict/windows/1", ("w1", "w2"),
)  # fmt: skip
PAYLOAD = '"><img src=x onerror=alert(1)><script>alert(1)</script>{{ 7 * 7 }}'


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path)
    spec = made.use_case.folder / "use_case.yaml"
    routes = (
        "alerts:\n  - {connection: hook, repeat_after: 1h}\n  - {connection: mail, recipients: [ops@example.org]}\n"
    )
    spec.write_text(f"{spec.read_text()}\n{routes}")
    return replace(made, use_case=load_use_case(made.use_case.folder))


def tell(world: World, *alerts: Alert, after: timedelta = timedelta(0), mail: str = "") -> int:
    def send(route: Any, message: Any) -> None:
        if mail and route.connection == "mail":
            raise NotDelivered(mail)

    spec, ledger = world.use_case.spec, world.ports.ledger
    return outbox.run(spec, alerts, NOW + after, ledger, send, "run", airflow="").noticed


def shown(world: World, *, may_change: bool = True) -> str:
    found = ask(world, "alerts", use_case="parcels", may_change=may_change)
    assert found.status == 200, found.body
    return found.body.decode()


@pytest.fixture
def say(world: World) -> Callable[..., tuple[int, dict[str, Any]]]:
    def said(what: str, **body: Any) -> tuple[int, dict[str, Any]]:
        given = {"key": "windows_refused", "reason": "I am on it."} | body
        found = change(ChangeAsked(what, "parcels", "", "ada", given), settings_of(world), world.ports)
        return found.status, json.loads(found.body)

    return said


def test_what_stands_is_shown_with_all_that_is_known(world: World, repository: Path) -> None:
    tell(world, ALERT, mail="Nobody answers.")
    page = shown(world)
    for part in ("2 windows failed validation.", "window 2024-02-02", "weight is negative.", "Mend the source.",
                 "critical", "hook; mail ops@example.org", "1 message", "Nobody answers.",
                 'href="/base/perennial/dags/parcels.predict/windows/1"'):  # fmt: skip
        assert part in page, part
    found = told(world, "alerts", use_case="parcels")
    schema = json.loads((repository / "docs" / "pages" / "alerts.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(found)
    assert [each["name"] for each in found["receivers"] if each["waiting"]] == ["mail ops@example.org"]
    assert found["alerts"][0]["seen"] == seen(ALERT)


def test_nothing_stands(world: World) -> None:
    assert "No alert that was sent is still open." in shown(world)


def test_the_use_case_leads_to_its_alerts(world: World) -> None:
    assert 'href="/base/perennial/dags/parcels.predict/alerts"' in page(world, "use_case", use_case="parcels")


def test_who_may_only_look_gets_no_form(world: World) -> None:
    tell(world, ALERT)
    assert "<form" in shown(world)
    page = shown(world, may_change=False)
    assert "<form" not in page
    assert "You may not acknowledge or silence it" in page


def test_hostile_texts_stay_texts(world: World, say: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    hostile = replace(ALERT, what=PAYLOAD, cause=PAYLOAD, next_step=PAYLOAD, where=PAYLOAD, link=PAYLOAD)
    tell(world, hostile, mail=PAYLOAD)
    assert say("acknowledged", seen=seen(hostile), reason=PAYLOAD)[0] == 200
    page = shown(world)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "49" not in page


def test_an_acknowledgement_ends_the_repetition_and_is_on_record(
    world: World, say: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    tell(world, ALERT)
    status, found = say("acknowledged", seen=seen(ALERT))
    assert (status, found["window"], found["actor"]) == (200, None, "ada")
    assert "ada knows" in found["said"]
    assert tell(world, ALERT, after=timedelta(days=2)) == 0
    (entry,) = world.ports.ledger.interventions("parcels", InterventionKind.ALERT_ACKNOWLEDGED)
    assert (entry.actor, entry.reason) == ("ada", "I am on it.")
    assert "ada acknowledged it" in shown(world)
    assert "no longer in effect" not in shown(world)


def test_a_silence_has_an_end(world: World, say: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    tell(world, ALERT)
    status, found = say("silenced", length="4h")
    assert (status, found["said"]) == (200, f"ada silenced it until {NOW + timedelta(hours=4):%Y-%m-%d %H:%M} UTC.")
    assert tell(world, ALERT, after=timedelta(hours=3)) == 0
    assert tell(world, ALERT, after=timedelta(hours=4)) == 1
    assert "silenced it until" in shown(world)


@pytest.mark.parametrize(
    ("what", "body", "status", "because"),
    [
        ("acknowledged", {"seen": "another"}, 409, "has changed"),
        ("acknowledged", {"seen": seen(ALERT), "key": "drift"}, 422, "no open alert 'drift'"),
        ("acknowledged", {"seen": seen(ALERT), "reason": " "}, 422, "say why"),
        ("acknowledged", {}, 422, "seen"),
        ("silenced", {"length": "99y"}, 422, "length"),
        ("silenced", {}, 422, "length"),
        ("silenced", {"length": "1d", "key": "drift"}, 422, "no open alert"),
        ("silenced", {"length": "1d", "more": "x"}, 422, "more"),
    ],
)
def test_what_is_not_clear_changes_nothing(
    world: World,
    say: Callable[..., tuple[int, dict[str, Any]]],
    what: str,
    body: dict[str, Any],
    status: int,
    because: str,
) -> None:
    tell(world, ALERT)
    answered, found = say(what, **body)
    assert answered == status
    assert because in found["detail"]
    assert world.ports.ledger.interventions("parcels") == []


def test_a_use_case_that_is_not_there(world: World) -> None:
    body = {"key": "x", "seen": "x", "reason": "x"}
    assert (
        change(ChangeAsked("acknowledged", "nowhere", "", "ada", body), settings_of(world), world.ports).status == 404
    )
