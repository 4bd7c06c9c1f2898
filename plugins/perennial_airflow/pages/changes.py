"""Changes that a person makes on a page: who may, what must be sent so that it is meant, and who is told to make it.

A page of another site can't make them in a user's name. They need JSON and a header of our own, which a form of another
site can't send, and an `Origin` that is the server's own: the address at which the server was asked (its host is the
Host header, its scheme what the web server says, which heeds X-Forwarded-Proto when Airflow's API server was started
with `--proxy-headers`, from the proxies in FORWARDED_ALLOW_IPS), or that of Airflow's `[api] base_url`. No X-Forwarded
header is read here.
"""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from perennial.errors import InvalidWindow, PerennialError
from perennial.settings import LEDGER_CONNECTION, PUBLISHED_CONNECTION, Settings, child_environment
from perennial.window import Window, parse_instant
from perennial_airflow.configuration import base_url
from perennial_airflow.connections import AirflowConnections
from perennial_airflow.dag_kind import DagKind
from perennial_airflow.pages.rights import may_read
from perennial_airflow.pages.static import problem

log = logging.getLogger(__name__)

CHANGES = ("accepted", "replayed", "answered")
ALERT_CHANGES = ("acknowledged", "silenced")
OUR_HEADER, OUR_WORD = "X-Requested-With", "Perennial"
MOST_BYTES = 10_000
FORM = "application/x-www-form-urlencoded"
PATIENCE = 60.0  # seconds for one change, the start of its process included
AT_ONCE = 2  # processes
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def add_changes(app: FastAPI) -> None:
    """Give the application its routes that change something: each of a use case's `.predict`, for who may edit it."""
    turns = asyncio.Semaphore(AT_ONCE)
    guards = [Depends(may_read), Depends(_may_change), Depends(meant)]
    for change in CHANGES:
        app.put(f"/dags/{{dag_id}}/windows/{{window}}/{change}", dependencies=guards)(_endpoint(change, turns))
    without_script = [Depends(may_read), Depends(_may_change), Depends(from_here)]
    app.post("/dags/{dag_id}/windows/{window}/answered", dependencies=without_script)(_form(turns))
    for change in ALERT_CHANGES:
        app.put(f"/dags/{{dag_id}}/alerts/{change}", dependencies=guards)(_endpoint(change, turns))


_may_change = requires_access_dag("PUT", DagAccessEntity.RUN)


def note_what_the_user_may(request: Request, dag_id: str, user: GetUserDep) -> None:
    """Whether this user may make the changes, in `request.state.may_change`: a page shows no button that is refused."""
    try:
        _may_change(request, user)
    except HTTPException:
        request.state.may_change = False
    else:
        request.state.may_change = dag_id.rpartition(".")[2] == DagKind.PREDICT


async def meant(request: Request) -> None:
    """Refuse what a page of another site could send."""
    if request.headers.get(OUR_HEADER) != OUR_WORD:
        raise HTTPException(400, f"Send the header {OUR_HEADER}: {OUR_WORD}.")
    await from_here(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send JSON, with the header Content-Type: application/json.")


async def from_here(request: Request) -> None:
    """Refuse what was not sent by a page of this server: browsers say where a form comes from."""
    own = {_origin(str(request.base_url)), _origin(base_url())} - {""}
    if _origin(request.headers.get("origin", "")) not in own:
        raise HTTPException(
            403,
            f"The header Origin must be this server's own: {' or '.join(sorted(own))}. Where a proxy hides that, set "
            "Airflow's [api] base_url to the address in the browser, or let the proxy pass the Host header on.",
        )


def _origin(address: str) -> str:
    """The scheme, host and port of an address as browsers write them; "" for what has none."""
    try:
        parts = urlsplit(address.lower())
    except ValueError:
        return ""
    if parts.scheme not in DEFAULT_PORTS or not parts.netloc:
        return ""
    return f"{parts.scheme}://{parts.netloc.removesuffix(DEFAULT_PORTS[parts.scheme])}"


def _named(window: str) -> None:
    """Refuse what can name no window, by its name or its start: the use case's grid is not known here.

    Errors: `InvalidWindow`.
    """
    if "--" in window:
        Window.parse(window)
    else:
        parse_instant(window)


Read = Callable[[Request], Awaitable[dict[str, Any]]]


def _endpoint(change: str, turns: asyncio.Semaphore, read: Read | None = None) -> Callable[..., Awaitable[Response]]:
    async def endpoint(request: Request, dag_id: str, user: GetUserDep) -> Response:
        use_case, _, kind = dag_id.rpartition(".")
        if kind != DagKind.PREDICT:
            raise HTTPException(404, f"{dag_id} is not the DAG of a use case that predicts.")
        window = request.path_params.get("window", "")  # an alert is about a use case
        try:
            if window:
                _named(window)
        except InvalidWindow as error:  # no process is started for that
            raise HTTPException(422, str(error)) from error
        body = await (read or _json_of)(request)
        asked = {"change": change, "use_case": use_case, "window": window, "actor": user.get_name(), "body": body}
        try:
            async with asyncio.timeout(PATIENCE):
                await turns.acquire()
        except TimeoutError as error:
            raise HTTPException(503, "Other changes are still being made. Nothing was changed.") from error
        try:
            return await made(asked)
        finally:
            turns.release()

    return endpoint


def _form(turns: asyncio.Semaphore) -> Callable[..., Awaitable[Response]]:
    """The answer of a browser without script: a form, after which the review queue is shown again."""
    change = _endpoint("answered", turns, _form_of)

    async def endpoint(request: Request, dag_id: str, user: GetUserDep) -> Response:
        answer = await change(request, dag_id, user)
        if answer.status_code == HTTPStatus.OK:
            base = request.scope["root_path"].rstrip("/")
            return RedirectResponse(f"{base}/dags/{quote(dag_id)}/review#queue", HTTPStatus.SEE_OTHER)
        told = json.loads(bytes(answer.body))
        return problem(request, answer.status_code, told["error"], told["detail"])

    return endpoint


async def _form_of(request: Request) -> dict[str, Any]:
    """The fields of the form that was sent. Errors: 413 when it is too long, 415 when it is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"Send a form, with the header Content-Type: {FORM}.")
    return dict(parse_qsl((await _sent(request)).decode(errors="replace"), keep_blank_values=True))


async def _json_of(request: Request) -> dict[str, Any]:
    """The object that was sent. Errors: 413 when it is too long, 400 when it is none."""
    sent = await _sent(request)
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "What was sent is not JSON.") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "Send a JSON object with the names and values of the form.")
    return found


async def _sent(request: Request) -> bytes:
    sent = b""
    async for part in request.stream():
        sent += part
        if len(sent) > MOST_BYTES:
            raise HTTPException(413, f"Send at most {MOST_BYTES:,} bytes.")
    return sent


async def made(asked: dict[str, Any]) -> Response:
    """What the process for this change answers, which is killed when it takes too long or nobody waits any more."""
    try:
        environment = await asyncio.to_thread(_environment)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "perennial.pages.change", stdin=PIPE, stdout=PIPE, env=environment
        )
        try:
            line = json.dumps(asked).encode() + b"\n"
            answered, _ = await asyncio.wait_for(process.communicate(line), PATIENCE)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        first, _, body = answered.partition(b"\n")
        head = json.loads(first)
        return Response(body, head["status"], media_type=head["media_type"])
    except PerennialError as error:  # a connection is missing
        return JSONResponse({"error": "The change was not made", "detail": str(error)}, 503)
    except (TimeoutError, OSError, ValueError, KeyError):
        log.exception("A change was not answered: %s of %s", asked["change"], asked["use_case"])
        known = "It is not known whether the change was made."
        detail = f"{known} Load the page again: it shows what is on record. Then try again."
        return JSONResponse({"error": "The change was not answered", "detail": detail}, 503)


def _environment() -> dict[str, str]:
    """This process's environment with the connections as Airflow keeps them, for one that does not import it."""
    connections = AirflowConnections()
    lake = Settings.from_environment().lake_connection
    names = [LEDGER_CONNECTION, PUBLISHED_CONNECTION, *([lake] if lake else [])]
    return child_environment({name: connections.url(name) for name in names})
