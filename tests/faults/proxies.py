"""Real proxies on loopback that lose answers: before PostgreSQL, and before an S3 server."""

import random
import select
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

BUFFER = 65_536
_COMMIT = b"COMMIT\x00"
HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "expect"}


class PostgresProxy:
    """Passes everything on; when armed, the nth COMMIT reaches the server, and its answer nobody."""

    def __init__(self, host: str, port: int) -> None:
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection((host, port)) as server:
                    proxy._pass(self.request, server)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._lock = threading.Lock()
        self._countdown = 0
        self.lost = 0
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def lose_commit(self, number: int) -> None:
        """Lose the answer to the `number`th COMMIT from now on; 0 loses none."""
        with self._lock:
            self._countdown = number

    def __enter__(self) -> "PostgresProxy":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source in ready:
                    data = source.recv(BUFFER)
                    if not data:
                        return
                    if source is client and _COMMIT in data and self._due():
                        server.sendall(data)
                        server.recv(BUFFER)  # the server has committed when it answers
                        self.lost += 1
                        return
                    (server if source is client else client).sendall(data)

    def _due(self) -> bool:
        with self._lock:
            self._countdown -= 1
            return self._countdown == 0


Fault = str
Choose = Callable[[str, str], Fault | None]


class S3Proxy:
    """Passes requests on to an S3 server; `choose(method, path)` may name a fault for a request.

    `lost`: it is carried out, and the connection dropped. `500` and `503`: it is refused. `stall`: no answer for a
    while, then none at all. Headers whose lower-case names are in `dropped` are not passed on.
    """

    STALL_SECONDS = 3.0

    def __init__(self, host: str, port: int) -> None:
        self.choose: Choose = lambda method, path: None
        self.dropped: set[str] = set()
        self.faults = 0
        self.refused = 0  # conditional puts that came second
        conditional = threading.Lock()  # the server looks and writes in two steps, where a real store does both at once
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self._body()
                fault = proxy.choose(self.command, self.path)
                proxy.faults += fault is not None
                if fault in ("500", "503"):
                    self.send_response(int(fault))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if fault == "stall":
                    time.sleep(proxy.STALL_SECONDS)
                    self.close_connection = True
                    return
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() not in HOP_BY_HOP | proxy.dropped
                }
                is_conditional = self.command == "PUT" and "if-none-match" in map(str.lower, headers)
                with conditional if is_conditional else nullcontext():
                    upstream = HTTPConnection(host, port, timeout=30)
                    upstream.request(
                        self.command, self.path, body=body, headers={**headers, "Content-Length": str(len(body))}
                    )
                    answer = upstream.getresponse()
                    content = answer.read()
                    upstream.close()
                    proxy.refused += is_conditional and answer.status == HTTPStatus.PRECONDITION_FAILED
                if fault == "lost":
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {*HOP_BY_HOP, "date", "server"}:
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(content)

            def _body(self) -> bytes:
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    """Trailers: nobody needs them."""
                return b"".join(parts)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

            def log_message(self, *arguments: object) -> None:
                """Nothing: a scenario makes thousands of requests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def losing_commits(chance: random.Random, share: float) -> Choose:
    """Some of the PUTs of Delta's log are carried out, and their answer lost."""

    def choose(method: str, path: str) -> Fault | None:
        is_commit = method == "PUT" and "/_delta_log/" in path and ".json" in path
        return "lost" if is_commit and chance.random() < share else None

    return choose


def failing(chance: random.Random, share: float) -> Choose:
    """Some of all requests are refused or never answered."""

    def choose(method: str, path: str) -> Fault | None:
        return chance.choice(["500", "503", "500", "503", "stall"]) if chance.random() < share else None

    return choose
