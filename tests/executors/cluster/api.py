"""The part of the Kubernetes API that Airflow's executor asks: pods of one namespace, and what there is to ask for.

A pod that the schema of Kubernetes does not allow is refused, as the real one would. `POST /evict/NAME` is there for
tests: the node then evicts the pod.
"""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
from tests.executors.cluster.kubelet import Kubelet
from tests.executors.cluster.pods import NoPod, PodExists, Pods
from tests.executors.cluster.selectors import selecting

VERSION = "1.34"  # of the schema
PODS = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods(/(?P<name>[^/]+))?(?P<log>/log)?")
VERBS = ["create", "delete", "get", "list", "patch", "watch"]
DISCOVERY: dict[str, dict[str, Any]] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [{"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": VERBS}],
    },
}
METADATA_ONLY = "PartialObjectMetadataList"
LONGEST_WATCH = 3600.0


class Refused(Exception):
    """The request is answered with a failure: the status and why."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    pods: ClassVar[Pods]
    kubelet: ClassVar[Kubelet]

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PATCH(self) -> None:
        self._answer("PATCH")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what the kubelet says is the log."""

    def _answer(self, method: str) -> None:
        address = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(address.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._serve(method, address.path, given, json.loads(body) if body else {})
        except NoPod as error:
            self._fail(HTTPStatus.NOT_FOUND, f'pods "{error}" not found')
        except PodExists as error:
            self._fail(HTTPStatus.CONFLICT, f'pods "{error}" already exists')
        except Refused as error:
            self._fail(error.status, str(error))

    def _serve(self, method: str, path: str, given: dict[str, str], body: dict[str, Any]) -> None:
        found = PODS.fullmatch(path)
        if method == "GET" and path in DISCOVERY:
            self._send(DISCOVERY[path])
        elif method == "POST" and path.startswith("/evict/"):
            self.kubelet.evict(path.removeprefix("/evict/"))
            self._send({})
        elif found is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"the server could not find the requested resource {path}")
        elif found["name"]:
            self._serve_one(method, found, given, body)
        elif method == "POST":
            self._send(self._created(found["namespace"], body), HTTPStatus.CREATED)
        elif given.get("watch") in {"true", "True", "1"}:
            self._watch(given)
        else:
            self._list(given)

    def _serve_one(self, method: str, found: "re.Match[str]", given: dict[str, str], body: dict[str, Any]) -> None:
        name = found["name"]
        if found["log"]:
            self.pods.get(name)
            log = self.kubelet.log(name)
            lines = log.read_text(errors="replace").splitlines(keepends=True) if log.exists() else []
            self._send_text("".join(lines[-int(given.get("tailLines", len(lines)) or 1) :]))
        elif method == "GET":
            self._send(self.pods.get(name))
        elif method == "PATCH":
            self._send(self.pods.change(name, body))
        elif method == "DELETE":
            self._send(self.pods.ask_to_end(name))
        else:
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{method} of a pod")

    def _created(self, namespace: str, pod: dict[str, Any]) -> dict[str, Any]:
        try:
            kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **pod}, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"Pod is invalid: {error.path}: {error.message}") from error
        return self.pods.create(namespace, pod)

    def _list(self, given: dict[str, str]) -> None:
        items, version = self.pods.matching(_asked_for(given))
        kind = "PodList"
        if METADATA_ONLY in self.headers.get("Accept", ""):
            kind, items = METADATA_ONLY, [{"metadata": pod["metadata"]} for pod in items]
        self._send({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items})

    def _watch(self, given: dict[str, str]) -> None:
        seconds = float(given.get("timeoutSeconds", LONGEST_WATCH))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for chunk in self._events(given, seconds):
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):  # who watched has gone
            self.close_connection = True

    def _events(self, given: dict[str, str], seconds: float) -> Iterator[bytes]:
        since = given.get("resourceVersion", "")
        for kind, pod in self.pods.watch(_asked_for(given), since, seconds):
            yield json.dumps({"type": kind, "object": {"apiVersion": "v1", "kind": "Pod", **pod}}).encode() + b"\n"

    def _fail(self, status: HTTPStatus, message: str) -> None:
        told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status.value, "message": message}
        self._send({**told, "reason": status.phrase.replace(" ", "")}, status)

    def _send(self, content: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send_bytes(json.dumps(content).encode(), "application/json", status)

    def _send_text(self, text: str) -> None:
        self._send_bytes(text.encode(), "text/plain", HTTPStatus.OK)

    def _send_bytes(self, content: bytes, kind: str, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _asked_for(given: dict[str, str]) -> Any:
    try:
        return selecting(given.get("labelSelector", ""), given.get("fieldSelector", ""))
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error


def make_server(port: int, pods: Pods, kubelet: Kubelet) -> ThreadingHTTPServer:
    """A server on the loopback port, that does not answer yet."""
    handler = type("OfThesePods", (Handler,), {"pods": pods, "kubelet": kubelet})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server
