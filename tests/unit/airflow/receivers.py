"""A real mail server and a real web server, of a test's own, that do as they are told."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from tests.ports import free_port


class Mailbox:
    """What a mail server took; `answer` is what it says to a message, `refuses` whom it does not know."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.answer = "250 OK"
        self.refuses = ""
        self.pause = 0.0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == self.refuses:
            return "550 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        time.sleep(self.pause)
        if self.answer.startswith("250"):
            self.envelopes.append(envelope)
        return self.answer

    @property
    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(bytes(each.content or b""), policy=policy.default) for each in self.envelopes]


@contextmanager
def mail_server(mailbox: Mailbox, port: int | None = None) -> Iterator[int]:
    """A mail server on a port of this machine, while inside."""
    controller = Controller(mailbox, hostname="127.0.0.1", port=port or free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


class Hook:
    """What a web server took, in order; `statuses` are its next answers, 200 after them."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.statuses: list[int] = []
        self.pause = 0.0

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        status = self.statuses.pop(0) if self.statuses else 200
        time.sleep(self.pause)
        self.requests.append((path, headers, json.loads(body)))
        return status

    @property
    def ids(self) -> list[str]:
        return [headers["Idempotency-Key"] for _, headers, _ in self.requests]


@contextmanager
def web_server(hook: Hook, port: int | None = None) -> Iterator[int]:
    """A web server on a port of this machine, while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = hook.take(self.path, dict(self.headers), body)
            try:
                self.send_response(status)
                self.end_headers()
            except BrokenPipeError:  # whoever asked did not wait
                return

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port or free_port()), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
