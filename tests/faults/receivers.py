"""Receivers of alerts that are down, fail, or lose their answer, while who tells them is killed."""

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from tests.faults.outcome import Damage, Outcome
from tests.faults.steps import fork_context
from tests.faults.world import NAME, Address, World
from tests.ports import free_port
from tests.waiting import PATIENCE

from perennial.alerting import outbox
from perennial.alerting.alert import Alert
from perennial.alerting.texts import Message, message_id
from perennial.errors import NotDelivered, TransientError
from perennial.ledger.entries import AlertDelivery, Delivery
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema.tables import alert_deliveries
from perennial.spec.alerts import Route, Severity

BUSY = 3  # how a teller ends that could not tell
BEGIN = datetime(2024, 6, 1, tzinfo=UTC)
TURN = timedelta(minutes=61)  # longer than the longest pause between two tries
STAND = 20  # events stand for so many turns, and at least until a teller has seen them and was not killed
HOOK = Route(connection="hook", severities=(Severity.CRITICAL,))
DOWN, FAILS, LOSES_THE_ANSWER, UP = "down", "fails", "loses the answer", "up"
WAYS = (DOWN, FAILS, LOSES_THE_ANSWER, UP)


@dataclass
class Receiver:
    """What a web server took, in order, and what it does with the next messages."""

    way: str = UP
    taken: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def listening(receiver: Receiver) -> Iterator[int]:
    """The receiver's port, while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.way == FAILS:
                self.send_response(500)
                self.end_headers()
                return
            receiver.taken.append(json.loads(body))
            if receiver.way == UP:
                self.send_response(200)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def receiver_down(world: World, times: int, seed: int, *, without: str | None = None) -> Outcome:
    """Each turn brings an event; the receiver does as it likes, and who tells it is killed at a random moment.

    `lost` are events that it never heard of, `doubled` those that it was told under two ids, or that the ledger has
    twice, `torn` messages that came before an older one.
    """
    chance, context, receiver = random.Random(seed), fork_context(), Receiver()
    killed, typical, seen = 0, 0.5, -1
    with listening(receiver) as port:
        for turn in range(times):
            receiver.way = chance.choice(WAYS)
            address = port if receiver.way != DOWN else free_port()
            process = context.Process(target=teller, args=(world.address, address, turn, seen, without))
            began = time.monotonic()
            process.start()
            process.join(chance.uniform(0.0, 2 * typical) if turn else PATIENCE)
            if process.exitcode is not None:  # the first one also waits for the server of forks
                typical = time.monotonic() - began
            process.kill()
            process.join()
            killed += process.exitcode not in (0, BUSY)
            seen = turn if process.exitcode == 0 else seen
        receiver.way, began, last = UP, time.monotonic(), times - 1
        while tell(world.address, port, last, seen):
            last += 1
        seconds = time.monotonic() - began
    remark = f"{killed} tellers killed, {len(receiver.taken)} messages"
    return Outcome("receiver of alerts down", times, audit(world, receiver.taken, times), (seconds,), remark)


def teller(address: Address, port: int, turn: int, seen: int, without: str | None) -> None:
    """A process that tells once. It ends with `BUSY` where it could not, as while the lease of a killed one lasts."""
    try:
        told(address, port, turn, seen, without)
    except TransientError:
        sys.exit(BUSY)


def tell(address: Address, port: int, turn: int, seen: int = -1) -> bool:
    """One turn of telling; whether something waits after it, or it could not be done."""
    try:
        return bool(told(address, port, turn, seen, None).waiting)
    except TransientError:
        return True


def told(address: Address, port: int, turn: int, seen: int, without: str | None) -> outbox.Delivered:
    """One turn of telling, as the task does it. No receiver may make it fail. Errors: `TransientError`.

    `seen` is the last turn that was neither cut off nor refused.
    """
    now = BEGIN + TURN * turn
    world = address.open()
    ledger = PostgresLedger(address.ledger_url, lambda: now, lock_timeout=address.lock_timeout)
    spec = world.use_case.spec.model_copy(update={"alerts": (HOOK,)})

    def send(_: Route, message: Message) -> None:
        try:
            _post(port, message)
        except NotDelivered:
            if without != "another try":
                raise

    try:
        return outbox.run(spec, events(turn, seen), now, ledger, send, f"turn-{turn}", airflow="http://airflow/")
    finally:
        ledger.close()
        world.ledger.close()


def events(turn: int, seen: int) -> list[Alert]:
    """The events that stand in that turn: the newest is new, and older ones may be to tellers."""
    return [
        Alert(NAME, f"event {n}", Severity.CRITICAL, f"Event {n}.", "there", None, "Why.", "Do.", "", (str(n),), False)
        for n in range(max(0, min(turn - STAND, seen + 1)), turn + 1)
    ]


def audit(world: World, taken: Sequence[dict[str, Any]], times: int) -> Damage:
    """What the receiver and the ledger have, against what happened."""
    told: dict[str, set[str]] = {}
    first: list[int] = []
    last = world.ledger.last_notice(NAME, HOOK.name)
    assert last is not None, "something was told"
    by_id = {message_id(NAME, HOOK.name, number): number for number in range(1, last.number + 1)}
    seen: set[str] = set()
    for body in taken:
        if body["id"] not in seen:
            first.append(by_id[body["id"]])
        seen.add(body["id"])
        for news in body["news"]:
            told.setdefault(news["alert"]["key"], set()).add(body["id"])
    delivered = Counter(each.number for each in _deliveries(world) if each.outcome is Delivery.DELIVERED)
    return Damage(
        lost=sum(f"event {number}" not in told for number in range(times)),
        doubled=sum(len(ids) - 1 for ids in told.values()) + sum(count - 1 for count in delivered.values()),
        torn=sum(one > other for one, other in pairwise(first)),
    )


def _deliveries(world: World) -> Sequence[AlertDelivery]:
    query = select(alert_deliveries).where(alert_deliveries.c.use_case == NAME)
    return world.ledger._entries(AlertDelivery, query)


def _post(port: int, message: Message) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", "/", json.dumps(message.body), {"Idempotency-Key": message.id})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(f"No answer: {error!r}") from error
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        raise NotDelivered(f"It answered {status}.")
