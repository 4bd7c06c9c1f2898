"""Changes from the pages: who may make them, and that no page of another site can make them in a user's name."""

import asyncio
import json
import os
import sys
import warnings
from typing import Any

import httpx
import pytest
from airflow.models.dag import DagModel
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from perennial.errors import InvalidSettings

with warnings.catch_warnings(action="ignore"):  # Airflow's API loads a test client that uses what is deprecated
    from airflow.api_fastapi.core_api import security

    from perennial_airflow.pages import app as pages
    from perennial_airflow.pages import changes, rights

WINDOW = "2013-03-01T00:00Z--2013-03-02T00:00Z"
OWN = "https://airflow.example"
ADDRESS = f"/dags/flights.predict/windows/{WINDOW}"
MEANT = {"Origin": OWN, "X-Requested-With": "Perennial", "Content-Type": "application/json"}


class User:
    def __init__(self, name: str) -> None:
        self.name = name

    def get_name(self) -> str:
        return self.name


class FakeAuthManager:
    """Ada may do everything with flights, Bob may look, and nobody else is known; each question is kept."""

    def __init__(self) -> None:
        self.rights = {"ada": {"GET", "PUT"}, "bob": {"GET"}}
        self.asked: list[tuple[str, str, str]] = []

    async def get_user_from_token(self, token: str) -> User:
        if token not in self.rights:
            raise security.InvalidTokenError
        return User(token)

    def is_authorized_dag(self, *, method: str, access_entity: Any, details: Any, user: User) -> bool:
        self.asked.append((method, details.id, user.name))
        assert access_entity in rights.ENTITIES
        return details.id.startswith("flights.") and method in self.rights[user.name]


class Client:
    """A browser without a network, at the address that users know."""

    def __init__(self) -> None:
        self.pages = pages.create_app()
        self.server = FastAPI()
        self.server.mount("/perennial", self.pages)

    def request(self, method: str, address: str, **sent: Any) -> httpx.Response:
        async def answered() -> httpx.Response:
            transport = httpx.ASGITransport(self.server)
            async with httpx.AsyncClient(transport=transport, base_url=OWN) as client:
                return await client.request(method, address, **sent)

        return asyncio.run(answered())


@pytest.fixture
def auth(monkeypatch: pytest.MonkeyPatch) -> FakeAuthManager:
    manager = FakeAuthManager()
    monkeypatch.setattr(security, "get_auth_manager", lambda: manager)
    monkeypatch.setattr(rights, "get_auth_manager", lambda: manager)
    monkeypatch.setattr(DagModel, "get_team_name", lambda _: None)
    monkeypatch.setattr(DagModel, "get_dag_id_to_team_name_mapping", lambda _: {})
    return manager


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was asked of the process that makes changes."""
    found: list[dict[str, Any]] = []

    async def make(asked: dict[str, Any]) -> JSONResponse:
        found.append(asked)
        return JSONResponse({"said": "done"})

    monkeypatch.setattr(changes, "made", make)
    return found


@pytest.fixture
def client(auth: FakeAuthManager, made: list[dict[str, Any]]) -> Client:
    return Client()


def put(
    client: Client, change: str = "accepted", user: str | None = "ada", body: Any = None, **headers: str | None
) -> tuple[int, dict[str, str]]:
    different = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name: value for name, value in {**MEANT, **different}.items() if value is not None}
    if user:
        given["Authorization"] = f"Bearer {user}"
    content = body if isinstance(body, bytes) else json.dumps({"reason": "r"} if body is None else body).encode()
    answer = client.request("PUT", f"/perennial{ADDRESS}/{change}", content=content, headers=given)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


@pytest.mark.parametrize("change", changes.CHANGES)
def test_a_change_is_asked_for_in_the_name_of_the_user_who_is_logged_in(
    client: Client, auth: FakeAuthManager, made: list[dict[str, Any]], change: str
) -> None:
    body = {"reason": "r", "rule": "x"}
    assert put(client, change, body=body, Content_Type="application/json; charset=utf-8") == (200, {"said": "done"})
    assert made == [{"change": change, "use_case": "flights", "window": WINDOW, "actor": "ada", "body": body}]
    assert ("PUT", "flights.predict", "ada") in auth.asked


@pytest.mark.parametrize("change", changes.ALERT_CHANGES)
def test_what_is_said_of_an_alert_is_about_no_window(
    client: Client, auth: FakeAuthManager, made: list[dict[str, Any]], change: str
) -> None:
    def say(dag_id: str = "flights.predict", **different: str) -> int:
        given = {**MEANT, "Authorization": "Bearer ada", **different}
        address = f"/perennial/dags/{dag_id}/alerts/{change}"
        return client.request("PUT", address, content=b'{"key": "drift"}', headers=given).status_code

    assert say() == 200
    assert made == [{"change": change, "use_case": "flights", "window": "", "actor": "ada", "body": {"key": "drift"}}]
    assert ("PUT", "flights.predict", "ada") in auth.asked
    assert [say(Authorization="Bearer bob"), say(Origin="https://evil.example")] == [403, 403]
    assert [say("other.predict"), say("flights.evaluate")] == [403, 404]
    assert len(made) == 1


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"user": None}, 401, "log in"),
        ({"user": "mallory"}, 403, "Invalid JWT token"),
        ({"user": "bob"}, 403, "the right to change the runs of this DAG"),
        ({"X_Requested_With": None}, 400, "Send the header X-Requested-With: Perennial."),
        ({"X_Requested_With": "XMLHttpRequest"}, 400, "Send the header X-Requested-With"),
        ({"Origin": None}, 403, f"must be this server's own: {OWN}"),
        ({"Origin": "null"}, 403, "must be this server's own"),
        ({"Origin": "https://evil.example"}, 403, "must be this server's own"),
        ({"Origin": "http://airflow.example"}, 403, "must be this server's own"),
        ({"Origin": "https://airflow.example:8443"}, 403, "must be this server's own"),
        ({"Origin": "https://airflow.example.evil.example"}, 403, "must be this server's own"),
        ({"Origin": "https://[bad"}, 403, "must be this server's own"),
        ({"Content_Type": "text/plain"}, 415, "Send JSON"),
        ({"Content_Type": None}, 415, "Send JSON"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415, "Send JSON"),
        ({"body": b"reason=because"}, 400, "not JSON"),
        ({"body": b""}, 400, "not JSON"),
        ({"body": b"\xff\xfe"}, 400, "not JSON"),
        ({"body": b"[" * 9_000}, 400, "not JSON"),
        ({"body": ["accept"]}, 400, "Send a JSON object"),
        ({"body": {"reason": "x" * 10_000}}, 413, "at most 10,000 bytes"),
    ],
)
@pytest.mark.parametrize("change", changes.CHANGES)
def test_what_is_not_meant_or_not_allowed_is_refused(
    client: Client, made: list[dict[str, Any]], change: str, given: dict[str, Any], status: int, said: str
) -> None:
    found, told = put(client, change, **given)
    assert found == status
    assert said in told["detail"]
    assert made == []


@pytest.mark.parametrize("change", changes.CHANGES)
@pytest.mark.parametrize(("dag_id", "status"), [("flights.evaluate", 404), ("flights", 403), ("other.predict", 403)])
def test_only_the_dag_that_predicts_and_that_the_user_may_edit(
    client: Client, made: list[dict[str, Any]], change: str, dag_id: str, status: int
) -> None:
    address = f"/perennial/dags/{dag_id}/windows/{WINDOW}/{change}?dag_id=flights.predict"
    answer = client.request("PUT", address, json={"reason": "r"}, headers={**MEANT, "Authorization": "Bearer ada"})
    assert answer.status_code == status
    assert made == []


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_no_other_method_changes_anything(client: Client, made: list[dict[str, Any]], method: str) -> None:
    answer = client.request(method, f"/perennial{ADDRESS}/accepted", headers={**MEANT, "Authorization": "Bearer ada"})
    assert answer.status_code in (404, 405, 503)
    assert made == []


def test_the_cookie_of_the_session_is_enough_and_so_the_origin_is_asked_for(
    client: Client, made: list[dict[str, Any]]
) -> None:
    cookie = f"{security.COOKIE_NAME_JWT_TOKEN}=ada"
    assert put(client, user=None, Cookie=cookie)[0] == 200
    assert put(client, user=None, Cookie=cookie, Origin="https://evil.example")[0] == 403
    assert len(made) == 1


def test_behind_a_proxy_the_base_url_counts_and_no_header_that_anybody_can_send(
    client: Client, made: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = "https://data.example"
    forwarded = {"X_Forwarded_Host": "data.example", "X_Forwarded_Proto": "https"}
    assert put(client, Origin=outside, **forwarded)[0] == 403
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"{outside}:443/airflow/")
    assert put(client, Origin=outside)[0] == 200
    assert put(client)[0] == 200
    status, told = put(client, Origin="https://evil.example")
    assert (status, f"{OWN} or {outside}" in told["detail"]) == (403, True)


def test_pages_know_whether_the_user_may_change_what_they_show(auth: FakeAuthManager) -> None:
    def may(dag_id: str, name: str) -> bool:
        request = Request({"type": "http", "path_params": {"dag_id": dag_id}, "query_string": b"", "headers": []})
        changes.note_what_the_user_may(request, dag_id, User(name))  # type: ignore[arg-type]
        return bool(request.state.may_change)

    assert [may("flights.predict", name) for name in ("ada", "bob")] == [True, False]
    assert [may(dag_id, "ada") for dag_id in ("flights.evaluate", "other.predict")] == [False, False]


def test_every_page_of_a_dag_is_told_whether_the_user_may_change_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    async def ask(asked: dict[str, Any]) -> Any:
        seen.append(asked["may_change"])
        raise InvalidSettings("enough")

    monkeypatch.setattr(client.pages.state.reader, "ask", ask)
    for user in ("ada", "bob"):
        for page in ("", "/quarantine"):
            client.request("GET", f"/perennial{ADDRESS}{page}", headers={"Authorization": f"Bearer {user}"})
    assert seen == [True, True, False, False]


def post(client: Client, user: str = "ada", body: str = "entity=7&answer=yes", **headers: str | None) -> httpx.Response:
    different = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Origin": OWN, "Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {user}"}
    sent = {name: value for name, value in {**given, **different}.items() if value is not None}
    return client.request("POST", f"/perennial{ADDRESS}/answered", content=body.encode(), headers=sent)


def test_a_browser_without_script_answers_by_a_form_and_sees_the_queue_again(
    client: Client, made: list[dict[str, Any]]
) -> None:
    answer = post(client, body="entity=7&answer=")
    assert (answer.status_code, answer.headers["location"]) == (303, "/perennial/dags/flights.predict/review#queue")
    assert [(each["change"], each["actor"], each["body"]) for each in made] == [
        ("answered", "ada", {"entity": "7", "answer": ""})
    ]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": "null"}, 403),
        ({"user": "bob"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"body": "entity=" + "7" * 10_001}, 413),
    ],
)
def test_a_form_that_another_site_could_send_changes_nothing(
    client: Client, made: list[dict[str, Any]], given: dict[str, Any], status: int
) -> None:
    assert post(client, **given).status_code == status
    assert made == []


def test_without_script_a_refused_answer_is_a_page_that_says_why(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: Any) -> JSONResponse:
        return JSONResponse({"error": "The answer can't be taken", "detail": "Nobody is <b>asked</b>."}, 422)

    monkeypatch.setattr(changes, "made", refuse)
    answer = post(client)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert "Nobody is &lt;b&gt;asked&lt;/b&gt;." in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


ASKED = {"change": "replayed", "use_case": "flights", "window": WINDOW, "actor": "ada", "body": {"reason": "r"}}


def answered(monkeypatch: pytest.MonkeyPatch, **environment: str) -> tuple[int, dict[str, str]]:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    monkeypatch.setattr(changes, "_environment", lambda: known)
    found = asyncio.run(changes.made(ASKED))
    return found.status_code, json.loads(bytes(found.body))


def test_a_process_of_its_own_makes_the_change_and_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    status, told = answered(monkeypatch)
    assert (status, told["error"]) == (503, "The records can't be written right now")
    assert "perennial_ledger" in told["detail"]


def test_a_process_that_takes_too_long_is_killed_and_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    create = asyncio.create_subprocess_exec

    async def kept(*command: str, **options: Any) -> Any:
        started.append(await create(sys.executable, "-c", "import time; time.sleep(1000)", **options))
        return started[0]

    monkeypatch.setattr(changes, "PATIENCE", 0.1)
    monkeypatch.setattr(changes.asyncio, "create_subprocess_exec", kept)
    status, told = answered(monkeypatch)
    assert (status, told["error"]) == (503, "The change was not answered")
    assert "Load the page again" in told["detail"]
    assert started[0].returncode == -9


def test_a_missing_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> dict[str, str]:
        raise InvalidSettings("Airflow has no connection 'perennial_ledger'.")

    monkeypatch.setattr(changes, "_environment", missing)
    found = asyncio.run(changes.made(ASKED))
    assert (found.status_code, json.loads(bytes(found.body))["detail"]) == (
        503,
        "Airflow has no connection 'perennial_ledger'.",
    )


@pytest.mark.parametrize("window", ["2013-03-01", "2013-03-01T00:00Z", "2013-03-01T05:00-05:00"])
def test_a_window_may_be_named_by_its_start(client: Client, made: list[dict[str, Any]], window: str) -> None:
    address = f"/perennial/dags/flights.predict/windows/{window}/replayed"
    answer = client.request("PUT", address, json={"reason": "r"}, headers={**MEANT, "Authorization": "Bearer ada"})
    assert answer.status_code == 200
    assert [each["window"] for each in made] == [window]


@pytest.mark.parametrize("window", ["x", "2013-13-01", "..%2f..", "2013-03-02T00:00Z--2013-03-01T00:00Z", "%E2%80%AE"])
def test_what_is_no_window_is_refused_before_a_process_is_started(
    client: Client, made: list[dict[str, Any]], window: str
) -> None:
    address = f"/perennial/dags/flights.predict/windows/{window}/replayed"
    answer = client.request("PUT", address, json={"reason": "r"}, headers={**MEANT, "Authorization": "Bearer ada"})
    assert answer.status_code in (405, 422)  # a slash makes it another route's
    assert answer.json()["error"] == "This address names no window" or "%2f" in window
    assert made == []


def test_nobody_waits_for_ever_for_the_changes_before(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(asked: dict[str, Any]) -> JSONResponse:
        await asyncio.sleep(1000)
        raise AssertionError(asked)

    async def one(http: httpx.AsyncClient) -> httpx.Response:
        headers = {**MEANT, "Authorization": "Bearer ada"}
        return await http.put(f"/perennial{ADDRESS}/replayed", json={"reason": "r"}, headers=headers)

    async def several() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(client.server), base_url=OWN) as http:
            before = [asyncio.create_task(one(http)) for _ in range(changes.AT_ONCE)]
            while len(began) < changes.AT_ONCE:
                await asyncio.sleep(0.01)
            answer = await one(http)
            for each in before:
                each.cancel()
            await asyncio.gather(*before, return_exceptions=True)
            return answer

    began: list[dict[str, Any]] = []

    async def noted(asked: dict[str, Any]) -> JSONResponse:
        began.append(asked)
        return await slow(asked)

    monkeypatch.setattr(changes, "made", noted)
    monkeypatch.setattr(changes, "PATIENCE", 0.2)
    answer = asyncio.run(several())
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.json()["detail"]
    assert len(began) == changes.AT_ONCE
