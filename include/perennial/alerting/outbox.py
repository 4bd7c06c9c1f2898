"""From what stands to what is sent: news goes on record first, and is then delivered, however often that takes.

A notice is recorded before anything is sent, and an attempt after it. So nothing is lost, and in the ledger nothing is
doubled; a process that dies between sending and recording sends once more, under the same id. One process at a time
does this for a use case.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from perennial.alerting import words as said
from perennial.alerting.alert import Alert
from perennial.alerting.news import News, Told, Words, look
from perennial.alerting.texts import Message, message_id, written
from perennial.encoding import as_json, from_json
from perennial.errors import DeliveryRefused, NotDelivered
from perennial.lease import Lease
from perennial.ledger.entries import AlertDelivery, AlertNotice, Delivery
from perennial.ledger.parts.outbox import Waiting
from perennial.ledger.port import Ledger
from perennial.spec.alerts import Route, Severity, Telling
from perennial.window import Window
from perennial.wording import counted

log = logging.getLogger(__name__)

Send = Callable[[Route, Message], None]
"""Delivers a message to the receiver of a route. Errors: `NotDelivered`."""

MOST_WAITING = 50  # notices of a receiver: with so many waiting, what is news is told in one, later
UNREACHED_AFTER = 3  # attempts to deliver one notice, the other receivers are told
MOST_AT_ONCE = 20  # attempts to deliver something to a receiver in one turn
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=4), timedelta(hours=1)  # between attempts, doubled each time
_EVER = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC))  # a turn is about no window


@dataclass(frozen=True)
class Delivered:
    """What became of the notices of a use case: how many were new and delivered, and what waits, by receiver."""

    use_case: str
    noticed: int
    delivered: int
    waiting: tuple[str, ...]


def turn(use_case: str, ledger: Ledger, run_id: str) -> AbstractContextManager[Lease]:
    """Be the only one who tells of the use case while inside. Errors: `WindowBusy`, `StoreUnavailable`."""
    return ledger.working_on(f"{use_case}/alerts", _EVER, run_id)


def run(
    spec: Telling, alerts: Sequence[Alert], now: datetime, ledger: Ledger, send: Send, run_id: str, *, airflow: str
) -> Delivered:
    """Tell each receiver what is news to it, and deliver what waits. That a receiver is down is no error.

    Errors: `WindowBusy` while another process does so, `LeaseLost` when it took over, `StoreUnavailable`.
    """
    noticed = delivered = 0
    waiting: list[str] = []
    with turn(spec.name, ledger, run_id) as lease:
        people = said.read(spec.name, now, ledger)
        unreached = {route.name: unreachable(spec, route, ledger) for route in spec.alerts}
        for route in spec.alerts:
            of_others = [each for name, each in unreached.items() if each is not None and name != route.name]
            notice = noticed_for(spec, route, [*alerts, *of_others], people, now, ledger, run_id, lease)
            noticed += notice is not None and bool(notice.news)
            done, failed = _Turn(spec, now, ledger, send, run_id, lease, airflow).deliver(route)
            delivered += done
            waiting += failed
    return Delivered(spec.name, noticed, delivered, tuple(waiting))


def unreachable(spec: Telling, route: Route, ledger: Ledger) -> Alert | None:
    """That a receiver has not been reached for several attempts, for the others to know; None while it is reached."""
    waiting = ledger.undelivered(spec.name, route.name)
    tried = [each.last for each in waiting if each.last is not None and each.last.attempt >= UNREACHED_AFTER]
    if not tried:
        return None
    return Alert(
        use_case=spec.name,
        key=f"undelivered:{route.name}",
        severity=Severity.WARNING,
        what=f"{counted(len(waiting), 'message')} could not be delivered to {route.name}.",
        where=f"connection {route.connection}",
        since=waiting[0].notice.as_of,
        cause=tried[0].error,
        next_step="Fix the receiver, or Airflow's connection to it. The messages that wait are delivered then.",
        link=f"perennial/dags/{spec.name}.predict/alerts",
    )


def noticed_for(
    spec: Telling,
    route: Route,
    alerts: Sequence[Alert],
    people: Mapping[str, Words],
    now: datetime,
    ledger: Ledger,
    run_id: str,
    lease: Lease | None = None,
) -> AlertNotice | None:
    """The notice of what is news to the receiver, on record; None where nothing has changed."""
    last = ledger.last_notice(spec.name, route.name)
    before = {key: from_json(Told, each) for key, each in (last.told if last else {}).items()}
    found = look(route, alerts, before, people, now)
    if found.told == before and not found.news:
        return None
    if len(ledger.undelivered(spec.name, route.name)) >= MOST_WAITING:
        text = "%s: %d notices wait for %s; newer alerts are sent when these are delivered."
        log.warning(text, spec.name, MOST_WAITING, route)
        return None
    return ledger.record_notice(
        AlertNotice(
            use_case=spec.name,
            route=route.name,
            number=last.number + 1 if last else 1,
            as_of=now,
            news=tuple(as_json(each) for each in found.news),
            told={key: as_json(each) for key, each in found.told.items()},
            run_id=run_id,
        ),
        lease,
    )


def due(waiting: Waiting, now: datetime) -> bool:
    """Whether it is time for another attempt: after 4 minutes, then 8, and so on up to an hour."""
    last = waiting.last
    if last is None or last.recorded_at is None:
        return True
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(last.attempt - 1, 10), LONGEST_PAUSE)
    return last.recorded_at + pause <= now


@dataclass(frozen=True)
class _Turn:
    """One turn of delivering: for whom, over what, and on whose behalf."""

    spec: Telling
    now: datetime
    ledger: Ledger
    send: Send
    run_id: str
    lease: Lease
    airflow: str

    def deliver(self, route: Route) -> tuple[int, list[str]]:
        """How many notices were delivered to the receiver, and why the others wait.

        A later notice does not overtake one that a receiver could not take, but one that it refused.
        """
        done, tries, failed = 0, 0, []
        for waiting in self.ledger.undelivered(self.spec.name, route.name):
            last = waiting.last
            if due(waiting, self.now):
                if tries == MOST_AT_ONCE:
                    break
                tries, last = tries + 1, self._tried(route, waiting)
            if last is None or last.outcome is Delivery.DELIVERED:
                done += 1
                continue
            failed.append(f"{route.connection}, notice {last.number}, attempt {last.attempt}: {last.error}")
            if last.outcome is Delivery.FAILED:
                break
        return done, failed

    def _tried(self, route: Route, waiting: Waiting) -> AlertDelivery:
        notice, attempt = waiting.notice, waiting.last.attempt + 1 if waiting.last else 1
        outcome, error = Delivery.DELIVERED, ""
        try:
            self.send(route, message_of(self.spec.title, notice, self.airflow))
        except DeliveryRefused as refusal:
            outcome, error = Delivery.REFUSED, str(refusal)
        except NotDelivered as failure:
            outcome, error = Delivery.FAILED, str(failure)
        if error:
            log.warning("%s: alert %d was not delivered to %s: %s", self.spec.name, notice.number, route.name, error)
        entry = AlertDelivery(self.spec.name, route.name, notice.number, attempt, outcome, error, self.run_id)
        return self.ledger.record_delivery(entry, self.lease)


def message_of(title: str, notice: AlertNotice, airflow: str) -> Message:
    """What is sent of a notice about the use case of this title; links begin with the address of `airflow`."""
    news = [from_json(News, each) for each in notice.news]
    name = message_id(notice.use_case, notice.route, notice.number)
    return written(name, title, news, notice.as_of, airflow)
