"""What is news to a receiver, by what it was told before and by what people said."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perennial.alerting.alert import Alert
from perennial.alerting.news import Event, Look, Told, Words, look
from perennial.spec.alerts import Route, Severity

NOW = datetime(2013, 6, 1, 12, tzinfo=UTC)
ROUTE = Route(connection="hook", severities=tuple(Severity))
DAY = timedelta(days=1)


def alert(*subjects: str, key: str = "windows_refused", **changes: Any) -> Alert:
    given = {"severity": Severity.CRITICAL, "lasting": True} | changes
    return Alert("parcels", key, given["severity"], "It broke.", "there", NOW, "Why.", "Do.", "dags/x", subjects,
                 given["lasting"])  # fmt: skip


def told(*subjects: str, ago: timedelta = timedelta(hours=1), key: str = "windows_refused", **changes: Any) -> Told:
    return Told(alert(*subjects, key=key, **changes), NOW - 3 * DAY, NOW - ago)


def looked(
    alerts: list[Alert], before: Mapping[str, Told] | None = None, words: Words | None = None, route: Route = ROUTE
) -> Look:
    said = {"windows_refused": words} if words else {}
    return look(route, alerts, before or {}, said, NOW)


def events(found: Look) -> list[Event]:
    return [each.event for each in found.news]


def test_what_is_new_is_raised_and_from_then_on_told() -> None:
    found = looked([alert("w1")])
    assert events(found) == [Event.RAISED]
    assert found.told == {"windows_refused": Told(alert("w1"), NOW, NOW)}


def test_what_was_told_is_not_told_again() -> None:
    before = {"windows_refused": told("w1")}
    assert looked([alert("w1")], before) == Look((), before)


def test_several_alerts_are_one_look() -> None:
    assert events(looked([alert("w1"), alert(key="drift")])) == [Event.RAISED, Event.RAISED]


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (("w1",), ("w1", "w2"), [Event.GREW]),
        (("w1", "w2"), ("w1", "w2", "w3"), []),
        (("w1", "w2"), ("w1", "w2", "w3", "w4"), [Event.GREW]),
        (("w1", "w2"), ("w3", "w4"), [Event.GREW]),
        ((), ("w1",), [Event.GREW]),
        (("w1", "w2"), ("w1",), []),
    ],
)
def test_it_is_told_again_when_it_has_doubled(
    before: tuple[str, ...], after: tuple[str, ...], news: list[Event]
) -> None:
    assert events(looked([alert(*after)], {"windows_refused": told(*before)})) == news


def test_what_ends_for_one_window_and_comes_again_is_news() -> None:
    before = {"windows_refused": told("w1", "w2")}
    mended = looked([alert("w1")], before)
    assert (mended.news, mended.told["windows_refused"].alert.subjects) == ((), ("w1",))
    assert events(looked([alert("w1", "w2")], mended.told)) == [Event.GREW]


def test_a_worse_severity_is_news() -> None:
    before = {"windows_refused": told("w1", severity=Severity.WARNING)}
    assert events(looked([alert("w1")], before)) == [Event.GREW]
    assert events(looked([alert("w1", severity=Severity.INFO)], before)) == []


def test_what_still_stands_is_told_again_after_the_stated_time() -> None:
    assert events(looked([alert("w1")], {"windows_refused": told("w1", ago=DAY - timedelta(seconds=1))})) == []
    found = looked([alert("w1")], {"windows_refused": told("w1", ago=DAY)})
    assert events(found) == [Event.STILL]
    assert found.told["windows_refused"].first_at == NOW - 3 * DAY
    assert found.told["windows_refused"].last_at == NOW


def test_the_end_is_told_once() -> None:
    found = looked([], {"windows_refused": told("w1")})
    assert (events(found), found.told) == ([Event.RESOLVED], {})
    assert looked([], found.told) == Look((), {})


def test_events_are_neither_repeated_nor_resolved() -> None:
    before = {"stores_differed": told("1", key="stores_differed", lasting=False, ago=9 * DAY)}
    assert events(looked([alert("1", key="stores_differed", lasting=False)], before)) == []
    assert looked([], before) == Look((), {})


def test_a_receiver_is_told_of_its_severities_only() -> None:
    quiet = Route(connection="hook", severities=(Severity.CRITICAL,))
    assert looked([alert("w1", severity=Severity.WARNING)], route=quiet) == Look((), {})


def test_what_a_changed_route_no_longer_wants_is_not_called_resolved() -> None:
    quiet = Route(connection="hook", severities=(Severity.CRITICAL,))
    before = {"windows_refused": told("w1", severity=Severity.WARNING)}
    assert looked([alert("w1", severity=Severity.WARNING)], before, route=quiet) == Look((), {})


def test_what_is_acknowledged_is_not_repeated_until_something_comes_to_it() -> None:
    known = Words(acknowledged_at=NOW - DAY, acknowledged=frozenset({"w1"}))
    before = {"windows_refused": told("w1", ago=2 * DAY)}
    assert events(looked([alert("w1")], before, known)) == []
    assert events(looked([alert("w1", "w2")], before, known)) == [Event.GREW]
    assert events(looked([], before, known)) == [Event.RESOLVED]


def test_an_acknowledgement_of_an_earlier_time_does_not_count() -> None:
    known = Words(acknowledged_at=NOW - 4 * DAY, acknowledged=frozenset({"w1"}))
    assert events(looked([alert("w1")], {"windows_refused": told("w1", ago=2 * DAY)}, known)) == [Event.STILL]


def test_of_what_is_silenced_nothing_is_told_until_then() -> None:
    silenced = Words(silenced_until=NOW + timedelta(seconds=1))
    before = {"windows_refused": told("w1", ago=2 * DAY)}
    assert looked([alert("w1")], {}, silenced) == Look((), {})
    assert looked([alert("w1", "w2", "w3")], before, silenced) == Look((), before)
    assert looked([], before, silenced) == Look((), {})
    over = Words(silenced_until=NOW)
    assert events(looked([alert("w1")], {}, over)) == [Event.RAISED]
    assert events(looked([alert("w1")], before, over)) == [Event.STILL]
    assert events(looked([], before, over)) == [Event.RESOLVED]
