"""What of the alerts that stand is news to a receiver, by what it was told before. Pure: the ledger is asked elsewhere.

Told is what is new, what has grown to twice what was told or more, what still stands after the route's `repeat_after`
and nobody has acknowledged, and what has ended. Nothing is told of what somebody silenced.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from perennial.alerting.alert import Alert
from perennial.spec.alerts import Route, Severity


class Event(StrEnum):
    """Why something is told."""

    RAISED = "raised"
    GREW = "grew"
    STILL = "still"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class News:
    """One thing to tell. Of what is resolved, `alert` is what was told of it last."""

    event: Event
    alert: Alert


@dataclass(frozen=True)
class Told:
    """What a receiver was told of an alert that stands: in its last words, at first and at last when."""

    alert: Alert
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Words:
    """What people said of one alert. It is `silenced_until` a moment, and known to somebody for these subjects.

    An acknowledgement is of one time that the alert stands: it was said at `acknowledged_at`.
    """

    silenced_until: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged: frozenset[str] = frozenset()


NO_WORDS = Words()


@dataclass(frozen=True)
class Look:
    """What is to be told now, and what will have been told then."""

    news: tuple[News, ...]
    told: Mapping[str, Told]


def look(
    route: Route, alerts: Sequence[Alert], told: Mapping[str, Told], words: Mapping[str, Words], now: datetime
) -> Look:
    """What is news to the receiver of the route. `alerts` are all that stand, `told` what it was told before."""
    news: list[News] = []
    after: dict[str, Told] = {}
    for alert in alerts:
        before, said = told.get(alert.key), words.get(alert.key, NO_WORDS)
        silent = said.silenced_until is not None and now < said.silenced_until
        if not _concerns(route, alert) or (silent and before is None):
            continue
        event = None if silent else _event(route, alert, before, said, now)
        if event is not None:
            news.append(News(event, alert))
            after[alert.key] = Told(alert, before.first_at if before else now, now)
        elif before is not None:
            after[alert.key] = before if silent else _shrunk(before, alert)
    standing = {alert.key for alert in alerts}
    news += [News(Event.RESOLVED, each.alert) for each in _ended(told, standing, words, now)]
    return Look(tuple(news), after)


def _concerns(route: Route, alert: Alert) -> bool:
    return alert.severity in route.severities and (alert.asks_people or not route.approvals_only)


def _event(route: Route, alert: Alert, before: Told | None, said: Words, now: datetime) -> Event | None:
    if before is None:
        return Event.RAISED
    known = said.acknowledged if said.acknowledged_at and said.acknowledged_at >= before.first_at else None
    if known is not None and set(alert.subjects) <= known:
        return None
    unknown = set(alert.subjects) - set(before.alert.subjects)
    doubled = len(unknown) >= max(1, len(before.alert.subjects))
    if doubled or _worse(alert.severity, before.alert.severity):
        return Event.GREW
    return Event.STILL if now - before.last_at >= route.repeat_after and alert.lasting else None


def _worse(one: Severity, other: Severity) -> bool:
    order = list(Severity)
    return order.index(one) < order.index(other)


def _shrunk(before: Told, alert: Alert) -> Told:
    """What was told, without what has ended of it: should that come again, it is news."""
    left = tuple(each for each in before.alert.subjects if each in set(alert.subjects))
    return replace(before, alert=replace(before.alert, subjects=left)) if left != before.alert.subjects else before


def _ended(
    told: Mapping[str, Told], standing: Collection[str], words: Mapping[str, Words], now: datetime
) -> list[Told]:
    """What was told and stands no more; of events, and of what is silenced, nobody is told that."""
    return [
        each
        for key, each in told.items()
        if key not in standing and each.alert.lasting and not _is_silenced(words.get(key, NO_WORDS), now)
    ]


def _is_silenced(said: Words, now: datetime) -> bool:
    return said.silenced_until is not None and now < said.silenced_until
