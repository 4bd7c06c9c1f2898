"""The pages as a FastAPI application: who may see what, and the headers of every answer.

Airflow mounts it without any authentication of its own (see its documentation of plugins), so that every route asks:
the application asks who the user is, and each page of a DAG whether that user may read it (see `rights`).
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dagrun import DagRun
from fastapi import Depends, FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from starlette.exceptions import HTTPException

from perennial.errors import PerennialError
from perennial_airflow.dag_kind import DagKind
from perennial_airflow.pages import metrics
from perennial_airflow.pages.changes import add_changes, note_what_the_user_may
from perennial_airflow.pages.dags import readable_dags
from perennial_airflow.pages.reader import Reader, ReaderUnavailable
from perennial_airflow.pages.rights import may_read, readable, sensible
from perennial_airflow.pages.static import as_json, file, refusal
from perennial_airflow.pages.views import PREFIX, SECTION_OF_TASK

log = logging.getLogger(__name__)

WITH_INTERVAL = ("scheduled", "backfill")
VIEW_OF_RUN: dict[str, str] = {
    DagKind.PREDICT: "interval",
    DagKind.EVALUATE: "evaluation",
    DagKind.RETRAIN: "retraining",
}
FILTERS = ("owner", "tag", "state", "sort")
PART_OF_WINDOW = ("column", "only", "page")  # what is shown of a long report, also in the page of its run
# The pages of one DAG: the path, the view that answers, and what it takes from the query.
PAGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("/dags/{dag_id}", "use_case", ("until", "show")),
    ("/dags/{dag_id}/windows/{window}", "window", ("column", "only", "page")),
    ("/dags/{dag_id}/windows/{window}/quarantine", "quarantine", ()),
    ("/dags/{dag_id}/compare", "compare", ("window", "model", "revision", "with")),
    ("/dags/{dag_id}/quarantined", "quarantined", ("window", "entity", "row")),
    ("/dags/{dag_id}/preview", "preview", ("from", "to", "model", "version")),
    ("/dags/{dag_id}/evidence", "evidence", ("entity", "window")),
    ("/dags/{dag_id}/alerts", "alerts", ()),
    ("/dags/{dag_id}/review", "review", ("until",)),
    ("/dags/{dag_id}/card", "card", ("version",)),
    ("/dags/{dag_id}/suggestions", "suggestions", ("from", "to")),
)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def create_app() -> FastAPI:
    """The application that Airflow mounts at `perennial_airflow.pages.views.PREFIX`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user), Depends(sensible)])
    app.state.reader = Reader()  # its process ends with this one
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.middleware("http")(_with_headers)
    app.get("/home")(home)
    app.get("/dags/{dag_id}/runs/{run_id}", dependencies=[MAY_READ])(dag_run)
    for path, view, query in PAGES:
        app.get(path, dependencies=[MAY_READ, Depends(note_what_the_user_may)])(page_of_dag(view, query))
    add_changes(app)
    app.add_route(metrics.ROUTE, metrics.metrics)  # asks by itself: a scraper has no user in Airflow
    app.get("/{name:path}")(file)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(Exception)(_failed)
    return app


MAY_READ = Depends(may_read)


def _about(dag_id: str, run_id: str, session: SessionDep) -> dict[str, str]:
    """What a run is about, for the view that shows it: an interval of data, or a moment.

    Errors: `HTTPException` with 404 for a run that Airflow does not have.
    """
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if run is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    conf = run.conf if isinstance(run.conf, dict) else {}
    start, end = conf.get("window_from"), conf.get("window_to")
    if run.run_type in WITH_INTERVAL and run.data_interval_start and run.data_interval_end:
        start, end = run.data_interval_start.isoformat(), run.data_interval_end.isoformat()
    interval = {"start": start, "end": end} if isinstance(start, str) and isinstance(end, str) else {}
    moments = (interval.get("end"), conf.get("as_of"), run.run_after.isoformat())
    return {**interval, "as_of": next(each for each in moments if each and isinstance(each, str))}


async def home(
    request: Request,
    use_cases: Annotated[tuple[str, ...], Depends(readable)],
    dags: Annotated[list[dict[str, Any]], Depends(readable_dags)],
) -> Response:
    """Every use case that the user may see, and what Airflow knows of its DAGs."""
    return await _page(request, "home", _given(request, FILTERS), use_cases, dags)


def page_of_dag(view: str, query: tuple[str, ...]) -> Callable[..., Awaitable[Response]]:
    """The endpoint of a view of one DAG: it gets what the path names, and of the query what is named here."""

    async def endpoint(request: Request, dag_id: str) -> Response:
        named = {name: value for name, value in request.path_params.items() if name != "dag_id"}
        return await _of_dag(request, dag_id, view, {**_given(request, query), **named})

    return endpoint


async def dag_run(
    request: Request, dag_id: str, run_id: str, about: Annotated[dict[str, str], Depends(_about)]
) -> Response:
    """What the run did: the report of its window, or its windows; what it measured; what it trained.

    Asked from the page of a task, it opens at the part that is about the task.
    """
    section = SECTION_OF_TASK.get(request.query_params.get("task", ""))
    if section is not None:
        return RedirectResponse(f"./{quote(run_id, safe='')}#{section}")
    kind = dag_id.rpartition(".")[2]
    view = VIEW_OF_RUN.get(kind, "use_case")
    if view == "interval" and "start" not in about:
        view = "use_case"
    return await _of_dag(
        request, dag_id, view, {**_given(request, PART_OF_WINDOW), **about, "run_id": f"{dag_id}/{run_id}"}
    )


def _given(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    return {name: request.query_params[name] for name in names if name in request.query_params}


async def _of_dag(request: Request, dag_id: str, view: str, arguments: dict[str, str]) -> Response:
    name, _, kind = dag_id.rpartition(".")
    if kind not in set(DagKind):
        return refusal(request, 404, f"{dag_id} is not a DAG of a Perennial use case.")
    return await _page(request, view, {"use_case": name, **arguments}, (name,))


async def _page(
    request: Request,
    view: str,
    arguments: dict[str, str],
    use_cases: tuple[str, ...],
    dags: Sequence[dict[str, Any]] = (),
) -> Response:
    base = request.scope["root_path"].rstrip("/")
    asked: dict[str, Any] = {
        "view": view,
        "arguments": arguments,
        "use_cases": use_cases,
        "base": base,
        "airflow": base.removesuffix(PREFIX),
        "as_json": as_json(request),
        "dags": dags,
        "may_change": getattr(request.state, "may_change", False),
    }
    try:
        found = await request.app.state.reader.ask(asked)
    except (ReaderUnavailable, PerennialError) as error:
        return refusal(request, 503, str(error))
    return Response(found.body, found.status, media_type=found.media_type)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    usual = error.status_code == HTTPStatus.UNAUTHORIZED or error.detail == HTTPStatus(error.status_code).phrase
    answer = refusal(request, error.status_code, None if usual else error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def _failed(request: Request, error: Exception) -> Response:
    """What nobody expected; it is answered outside of what adds the headers to all other answers."""
    log.error("A page failed", exc_info=error)
    answer = refusal(request, HTTPStatus.INTERNAL_SERVER_ERROR)
    answer.headers.update(HEADERS)
    return answer


async def _with_headers(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    answer = await go_on(request)
    answer.headers.update(HEADERS)
    return answer
