"""Answers to approvals are on record before Airflow takes them; whatever would not count does not reach it."""

import asyncio
import json
import warnings
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from airflow import plugins_manager
from airflow.models.dag import DagModel
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

with warnings.catch_warnings(action="ignore"):  # Airflow's API loads a test client that uses what is deprecated
    from airflow.api_fastapi.core_api import security
    from airflow.api_fastapi.core_api.routes.public.hitl import task_instances_hitl_router

    from perennial_airflow import answers
    from perennial_airflow.approval_tasks import TASKS

OWN = "https://airflow.example"
PLACE = "/api/v2/dags/flights.retrain/dagRuns/manual__1/taskInstances/approve/-1/hitlDetails"
ANSWER: dict[str, Any] = {"chosen_options": ["Approve"], "params_input": {"why": "it is better"}}


class AuthManager:
    """Ada and Bob are known; Ada may answer."""

    async def get_user_from_token(self, token: str) -> Any:
        if token not in ("ada", "bob"):
            raise security.InvalidTokenError
        roles = [SimpleNamespace(name="Op"), SimpleNamespace(name="Approver")]
        return SimpleNamespace(get_id=lambda: 7, get_name=lambda: token, roles=roles)

    def is_authorized_dag(self, *, method: str, access_entity: Any, details: Any, user: Any) -> bool:
        assert (method, access_entity.value, details.id) == ("PUT", "HITL_DETAIL", "flights.retrain")
        return bool(user.get_name() == "ada")


class Session:
    """Airflow's database, with the question of the test."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def scalar(self, _: object) -> Any:
        return self.found


class Server:
    """An Airflow whose route for answers keeps what reaches it."""

    def __init__(self) -> None:
        self.reached: list[Any] = []
        self.recorded: list[dict[str, Any]] = []
        self.refuse: Response | None = None
        self.app = FastAPI()
        self.app.add_middleware(answers.AnswersOnRecord)
        self.app.api_route("/{path:path}", methods=["PATCH", "GET"])(self._take)

    async def _take(self, request: Request) -> JSONResponse:
        self.reached.append(await request.body())
        return JSONResponse({"taken": True})

    async def made(self, asked: dict[str, Any]) -> Response:
        self.recorded.append(asked)
        return self.refuse or JSONResponse({"said": "done"})

    def send(
        self, body: Any = ANSWER, user: str | None = "ada", address: str = PLACE, method: str = "PATCH"
    ) -> tuple[int, Any]:
        async def answered() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            headers = {"Authorization": f"Bearer {user}"} if user else {}
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            async with httpx.AsyncClient(transport=transport, base_url=OWN) as client:
                return await client.request(method, address, content=content, headers=headers)

        found = asyncio.run(answered())
        return found.status_code, found.json()


@pytest.fixture
def question() -> SimpleNamespace:
    return SimpleNamespace(subject="Deploy?", body="Question abc", responded_at=None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, question: SimpleNamespace) -> Server:
    made = Server()
    monkeypatch.setattr(security, "get_auth_manager", AuthManager)
    monkeypatch.setattr(answers, "get_auth_manager", AuthManager)
    monkeypatch.setattr(DagModel, "get_dag_id_to_team_name_mapping", lambda _: {})
    monkeypatch.setattr(answers, "create_session", lambda: Session(question))
    monkeypatch.setattr(answers, "made", made.made)
    return made


def test_an_answer_is_recorded_with_what_the_server_knows_and_then_handed_on_as_it_came(server: Server) -> None:
    assert server.send() == (200, {"taken": True})
    assert server.reached == [json.dumps(ANSWER).encode()]
    run = "flights.retrain/manual__1"
    assert server.recorded == [
        {
            "change": "approval",
            "use_case": "flights",
            "window": "",
            "actor": "ada",
            "body": {
                "run": run,
                "option": "Approve",
                "reason": "it is better",
                "person_id": "7",
                "roles": ["Op", "Approver"],
                "shown": "Deploy?\nQuestion abc",
                "place": f"{run}/approve",
            },
        }
    ]


def test_what_the_record_refuses_does_not_reach_airflow(server: Server) -> None:
    server.refuse = JSONResponse({"detail": "ada asked for it"}, 403)
    assert server.send() == (403, {"detail": "ada asked for it"})
    assert server.reached == []


@pytest.mark.parametrize("inputs", [{}, {"why": " \n"}, {"why": None}, {"why": 7}, {"reason": "by the run"}, None, []])
def test_an_answer_without_a_reason_is_refused(server: Server, inputs: Any) -> None:
    status, told = server.send({"chosen_options": ["Reject"], "params_input": inputs})
    assert (status, "Say why in the field" in told["detail"]) == (422, True)
    assert (server.reached, server.recorded) == ([], [])


@pytest.mark.parametrize("user", [None, "eve", "bob"])
def test_whom_airflow_does_not_let_answer_is_left_to_airflow_and_not_recorded(server: Server, user: str | None) -> None:
    assert server.send(user=user) == (200, {"taken": True})  # the real route answers 401 and 403
    assert server.recorded == []


@pytest.mark.parametrize(
    "body",
    [
        b"no json", b"[1]", {}, {"chosen_options": "Approve"}, {"chosen_options": ["Approve", "Reject"]},
        {"chosen_options": ["Perhaps"]},
    ],
)  # fmt: skip
def test_what_airflow_will_not_take_is_left_to_airflow(server: Server, body: Any) -> None:
    assert server.send(body)[0] == 200
    assert server.recorded == []


def test_a_question_that_was_answered_is_left_to_airflow(server: Server, question: SimpleNamespace) -> None:
    question.responded_at = "yesterday"
    assert server.send()[0] == 200
    assert server.recorded == []


@pytest.mark.parametrize(
    ("address", "method"),
    [
        (PLACE, "GET"),
        (PLACE.replace("approve", "judge"), "PATCH"),
        (PLACE.replace("retrain", "predict"), "PATCH"),
        (PLACE + "/more", "PATCH"),
        ("/api/v2/dags", "GET"),
    ],
)
def test_everything_else_goes_by(server: Server, address: str, method: str) -> None:
    assert server.send(address=address, method=method) == (200, {"taken": True})
    assert server.recorded == []


def test_what_is_too_long_is_refused(server: Server) -> None:
    assert server.send({**ANSWER, "more": "x" * answers.MOST_BYTES})[0] == 413
    assert server.reached == []


@pytest.mark.parametrize(
    ("user", "roles"),
    [
        (SimpleNamespace(roles=[SimpleNamespace(name="Op")]), ("Op",)),
        (SimpleNamespace(role="ADMIN"), ("ADMIN",)),
        (SimpleNamespace(role=None), ()),
        (SimpleNamespace(), ()),
    ],
)
def test_roles_are_those_of_the_auth_manager(user: Any, roles: tuple[str, ...]) -> None:
    assert answers.roles_of(user) == roles


def test_airflow_takes_answers_where_the_middleware_stands() -> None:
    patched = [route.path for route in task_instances_hitl_router.routes if "PATCH" in route.methods]  # type: ignore[attr-defined]
    (path,) = patched
    given = {"dag_id": "flights.retrain", "dag_run_id": "manual__2013-03-01T00:00:00+00:00", "map_index": -1}
    for task_id in TASKS:
        place = answers.ROUTE.fullmatch("/api/v2" + path.format(**given, task_id=task_id))
        assert place is not None
        assert (place["use_case"], place["run_id"], place["task_id"]) == ("flights", given["dag_run_id"], task_id)


def test_the_plugin_brings_the_middleware_along() -> None:
    _, middlewares = plugins_manager.get_fastapi_plugins()
    assert [each["middleware"] for each in middlewares] == [answers.AnswersOnRecord]
