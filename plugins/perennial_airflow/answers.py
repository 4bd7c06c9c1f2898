"""People's answers to approvals: checked and put on record before Airflow takes them.

Airflow lets whoever may edit a task answer its question, keeps no reason unless asked, and forgets the answer when the
task is cleared. A task can't do better: it learns a name, and no role. The API server knows the person and the roles as
they are at that moment. So this middleware stands before Airflow's own route for answers to the approvals of retrain
DAGs: it refuses an answer that would not count, and puts one that counts on record before it hands it on. The refusal
says why; Airflow's page keeps that to itself, so that the question says what is refused. An answer that comes another
way is on no record, and deploys nothing.
"""

import asyncio
import json
import logging
import re

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.models.dag import DagModel
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perennial_airflow.approval_tasks import REASON, TASKS
from perennial_airflow.dag_kind import DagKind
from perennial_airflow.pages.changes import AT_ONCE, PATIENCE, made

log = logging.getLogger(__name__)

ROUTE = re.compile(
    rf"/api/v2/dags/(?P<use_case>[^/]+)\.{DagKind.RETRAIN}/dagRuns/(?P<run_id>[^/]+)/taskInstances/"
    rf"(?P<task_id>{'|'.join(TASKS)})/(?P<map_index>-?\d+)/hitlDetails/?"
)
OPTIONS = ("Approve", "Reject")  # of Airflow's operator
MOST_BYTES = 20_000
OK = 200


class AnswersOnRecord:
    """The middleware. Whatever is no answer to an approval goes by it untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request with a refusal, or hand it on as it came."""
        asks = scope["type"] == "http" and scope["method"] == "PATCH"
        place = ROUTE.search(scope["path"]) if asks else None
        if place is None or place.end() != len(scope["path"]):
            await self._app(scope, receive, send)
            return
        sent = await _body(receive)
        refused = await self._recorded(Request(scope), place, sent) if sent is not None else _refusal(413, "Too long.")
        if refused is None:
            await self._app(scope, _again(sent or b"", receive), send)
        else:
            await refused(scope, receive, send)

    async def _recorded(self, request: Request, place: re.Match[str], sent: bytes) -> Response | None:
        """None when the answer is on record, or is one that Airflow itself refuses; else the refusal."""
        try:
            user = await get_user(request, None, await bearer_scheme(request))
        except HTTPException:
            return None
        answer = _answer(sent)
        dag_id = f"{place['use_case']}.{DagKind.RETRAIN}"
        shown = await asyncio.to_thread(_open_question, dag_id, place, user) if answer is not None else None
        if answer is None or shown is None:
            return None
        option, reason = answer
        if not reason.strip():
            return _refusal(422, f"Say why in the field {REASON!r}: it is kept in the ledger. Nothing was answered.")
        run = f"{dag_id}/{place['run_id']}"
        body = {
            "run": run,
            "option": option,
            "reason": reason,
            "person_id": str(user.get_id()),
            "roles": list(roles_of(user)),
            "shown": shown,
            "place": f"{run}/{place['task_id']}",
        }
        asked = {
            "change": "approval",
            "use_case": place["use_case"],
            "window": "",
            "actor": user.get_name(),
            "body": body,
        }
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            return _refusal(503, "Other answers are still being recorded. Nothing was answered. Try again.")
        try:
            kept = await made(asked)
        finally:
            self._turns.release()
        log.info("An answer of %s in %s: %s", user.get_name(), body["place"], bytes(kept.body).decode())
        return None if kept.status_code == OK else kept


def roles_of(user: BaseUser) -> tuple[str, ...]:
    """The names of the person's roles, as the FAB or the simple auth manager has them; none from another one."""
    roles = getattr(user, "roles", None)
    if roles is not None:
        return tuple(str(getattr(each, "name", each)) for each in roles)
    role = getattr(user, "role", None)
    return (str(role),) if role else ()


def _answer(sent: bytes) -> tuple[str, str] | None:
    """The option and the reason that were sent; None for what Airflow will not take."""
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError):
        return None
    options = found.get("chosen_options") if isinstance(found, dict) else None
    if not isinstance(options, list) or len(options) != 1 or options[0] not in OPTIONS:
        return None
    inputs = found.get("params_input")
    reason = inputs.get(REASON) if isinstance(inputs, dict) else None
    return options[0], reason if isinstance(reason, str) else ""


def _open_question(dag_id: str, place: re.Match[str], user: BaseUser) -> str | None:
    """What the person is shown; None where Airflow has no open question, or does not let the person answer it."""
    team = DagModel.get_dag_id_to_team_name_mapping([dag_id]).get(dag_id)
    may = get_auth_manager().is_authorized_dag(
        method="PUT",
        access_entity=DagAccessEntity.HITL_DETAIL,
        details=DagDetails(id=dag_id, team_name=team),
        user=user,
    )
    if not may:
        return None
    wanted = (
        TaskInstance.dag_id == dag_id,
        TaskInstance.run_id == place["run_id"],
        TaskInstance.task_id == place["task_id"],
        TaskInstance.map_index == int(place["map_index"]),
    )
    with create_session() as session:
        query = select(HITLDetail).join(TaskInstance, TaskInstance.id == HITLDetail.ti_id).where(*wanted)
        found = session.scalar(query)
        if found is None or found.responded_at is not None:
            return None
        return f"{found.subject}\n{found.body or ''}"


def _refusal(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)


async def _body(receive: Receive) -> bytes | None:
    """What was sent; None when it is too long, or the client has gone."""
    sent, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        sent += message.get("body", b"")
        more = message.get("more_body", False)
        if len(sent) > MOST_BYTES:
            return None
    return sent


def _again(sent: bytes, receive: Receive) -> Receive:
    """A `receive` that gives what was read once more, and then what comes."""
    waiting: list[Message] = [{"type": "http.request", "body": sent, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give
