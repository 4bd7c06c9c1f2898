"""What the page of a use case's alerts shows: what stands and was told to whom, what waits, and what people said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from perennial.alerting import words
from perennial.alerting.alert import Alert
from perennial.alerting.news import NO_WORDS, Told, Words
from perennial.encoding import from_json
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.port import Ledger
from perennial.spec.alerts import Severity
from perennial.spec.models import UseCase
from perennial.window import parse_instant


@dataclass(frozen=True)
class Said:
    """What a person said of an alert, `until` when a silence lasts; `counts` says whether it has an effect now."""

    kind: InterventionKind
    actor: str
    reason: str
    recorded_at: datetime
    until: datetime | None
    counts: bool


@dataclass(frozen=True)
class StandingAlert:
    """An alert that stands, as it was told last; `seen` names what it is about, for who acknowledges it."""

    alert: Alert
    receivers: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    seen: str
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Waits:
    """A message that a receiver has not got yet: when it was written, how often it was tried, and why that failed."""

    number: int
    written_at: datetime
    attempts: int
    error: str


@dataclass(frozen=True)
class Receiver:
    """Where a route goes, and what waits for it, the oldest first."""

    name: str
    severities: tuple[Severity, ...]
    waiting: tuple[Waits, ...]


@dataclass(frozen=True)
class AlertsReport:
    """The alerts of a use case that stand and were told, the most severe first, and the receivers of its routes."""

    use_case: str
    alerts: tuple[StandingAlert, ...]
    receivers: tuple[Receiver, ...]
    format: Literal[1] = 1


def run(spec: UseCase, now: datetime, ledger: Ledger) -> AlertsReport:
    """The report, in as many questions as there are routes. Errors: `StoreUnavailable`."""
    told: dict[str, dict[str, Told]] = {}
    for route in spec.alerts:
        notice = ledger.last_notice(spec.name, route.name)
        for key, each in (notice.told if notice else {}).items():
            told.setdefault(key, {})[route.name] = from_json(Told, each)
    said = words.said(spec.name, now, ledger) if spec.alerts else ()
    order = list(Severity)
    standing = [_standing(by_receiver, said, now) for by_receiver in told.values()]
    return AlertsReport(
        use_case=spec.name,
        alerts=tuple(sorted(standing, key=lambda each: (order.index(each.alert.severity), each.alert.key))),
        receivers=tuple(
            Receiver(route.name, route.severities, _waiting(spec.name, route.name, ledger)) for route in spec.alerts
        ),
    )


def _standing(told: Mapping[str, Told], said: Sequence[Intervention], now: datetime) -> StandingAlert:
    last = max(told.values(), key=lambda each: each.last_at)
    first_at = min(each.first_at for each in told.values())
    about = [each for each in said if each.subject == last.alert.key and (each.recorded_at or now) >= first_at]
    counting = words.of(about).get(last.alert.key, NO_WORDS)
    newest = {each.kind: each for each in about}
    return StandingAlert(
        alert=last.alert,
        receivers=tuple(sorted(told)),
        first_at=first_at,
        last_at=last.last_at,
        seen=words.seen(last.alert),
        said=tuple(
            Said(
                kind=each.kind,
                actor=each.actor,
                reason=each.reason,
                recorded_at=each.recorded_at or now,
                until=_until(each),
                counts=each is newest[each.kind] and _counts(each, counting, last.alert, now),
            )
            for each in about
        ),
    )


def _until(said: Intervention) -> datetime | None:
    return parse_instant(said.details["until"]) if said.kind is InterventionKind.ALERT_SILENCED else None


def _counts(said: Intervention, counting: Words, alert: Alert, now: datetime) -> bool:
    if said.kind is InterventionKind.ALERT_SILENCED:
        return counting.silenced_until is not None and now < counting.silenced_until
    return set(alert.subjects) <= counting.acknowledged


def _waiting(use_case: str, route: str, ledger: Ledger) -> tuple[Waits, ...]:
    return tuple(
        Waits(
            number=each.notice.number,
            written_at=each.notice.as_of,
            attempts=each.last.attempt if each.last else 0,
            error=each.last.error if each.last else "",
        )
        for each in ledger.undelivered(use_case, route)
    )
