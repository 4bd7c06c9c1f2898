"""Label Studio's REST API, as far as rows are sent and answers fetched. Tried with Label Studio 1.23.2.

The token is that of a user: a legacy token, or a personal access token, which is exchanged for one that lasts minutes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from perennial.errors import InvalidSettings, SourceRejected, SourceUnavailable

PATIENCE = 60.0  # seconds for one answer
_LEGACY = 40  # characters; personal access tokens are JSON web tokens
SCHEMES = ("http", "https")
NOT_UNDERSTOOD = (ValueError, LookupError, TypeError)  # what reading an answer of another form ends with


@dataclass(frozen=True)
class LabelStudio:
    """A Label Studio at an address (`https://host:port`), and a user's token for it."""

    address: str
    token: str

    @classmethod
    def at(cls, uri: str) -> "LabelStudio":
        """The one that a connection names: `http://:TOKEN@host:port`, or `https` (as scheme or as schema).

        Errors: `InvalidSettings`, without the token.
        """
        parts = urlsplit(uri)
        scheme = "https" if "https" in (parts.scheme, parts.path.strip("/")) else parts.scheme
        if scheme not in SCHEMES or not parts.hostname or not parts.password:
            raise InvalidSettings(
                "The connection to Label Studio must be of type http, with a host, and with the token as its "
                "password, such as http://:TOKEN@labels.example.org:8080/https. The token is under Account & "
                "Settings there."
            )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = f":{parts.port}" if parts.port else ""
        return cls(f"{scheme}://{host}{port}", unquote(parts.password))

    def exported(self, project: int) -> bytes:
        """All tasks of the project with their answers, as JSON. Errors: `SourceUnavailable`, `SourceRejected`."""
        return self._asked("GET", f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true")

    def people(self) -> Mapping[int, str]:
        """The e-mail addresses of users, by their numbers. Errors: `SourceUnavailable`, `SourceRejected`."""
        path = "/api/users/"
        answer = self._asked("GET", path)
        try:
            return {each["id"]: each["email"] for each in json.loads(answer)}
        except NOT_UNDERSTOOD as error:
            raise _other(self.address, path) from error

    def send(self, project: int, tasks: bytes) -> None:
        """Add tasks, written as a JSON list. Errors: `SourceUnavailable`, `SourceRejected`."""
        self._asked("POST", f"/api/projects/{project}/import", tasks)

    def _asked(self, method: str, path: str, body: bytes | None = None) -> bytes:
        return self._answer(method, path, body, self._authorization())

    def _authorization(self) -> str:
        if len(self.token) <= _LEGACY:
            return f"Token {self.token}"
        path, asked = "/api/token/refresh", json.dumps({"refresh": self.token}).encode()
        answer = self._answer("POST", path, asked, None)
        try:
            return f"Bearer {json.loads(answer)['access']}"
        except NOT_UNDERSTOOD as error:
            raise _other(self.address, path) from error

    def _answer(self, method: str, path: str, body: bytes | None, authorization: str | None) -> bytes:
        headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        asked = Request(self.address + path, body, headers, method=method)  # noqa: S310 - http and https, see `at`
        try:
            with urlopen(asked, timeout=PATIENCE) as answer:  # noqa: S310
                found: bytes = answer.read()
                return found
        except HTTPError as error:
            with error:
                raise _told(self.address, path, error) from error
        except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
            raise SourceUnavailable(
                f"Label Studio at {self.address} did not answer: {error}. Is it running?"
            ) from error


def _other(address: str, path: str) -> SourceRejected:
    """The answer is not quoted: it may hold a token."""
    return SourceRejected(
        f"Label Studio at {address} gave an answer to {path} that Label Studio does not give. Is the address right, "
        "or does it lead to a login page?"
    )


def _told(address: str, path: str, error: HTTPError) -> SourceRejected | SourceUnavailable:
    said = " ".join(error.read(500).decode(errors="replace").split())[:200]
    text = f"Label Studio at {address} answered {path.partition('?')[0]} with {error.code}"
    if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code == HTTPStatus.TOO_MANY_REQUESTS:
        return SourceUnavailable(f"{text}: {said}. Try again later.")
    if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return SourceRejected(
            f"{text}: it does not accept the connection's token. Check whether the token was revoked."
        )
    if error.code == HTTPStatus.NOT_FOUND:
        return SourceRejected(f"{text}: there is no such project, or the token's user may not see it.")
    return SourceRejected(f"{text}: {said}")
