"""The gauges for Prometheus, at `perennial/metrics`: for who has the token of the settings, or may read DAGs.

A scraper has no account in Airflow and no login that lasts. So there may be a token (`PERENNIAL_METRICS_TOKEN`), which
opens this address and nothing else, and shows all use cases. Without it, and for everybody who has not got it, the
address asks for Airflow's login as every page does, and shows the use cases that the user may see. Nobody sees anything
without either.
"""

import asyncio
import logging
from hmac import compare_digest

from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from airflow.utils.session import create_session
from fastapi import Request, Response

from perennial import clock
from perennial.encoding import as_json
from perennial.errors import PerennialError
from perennial.settings import Settings
from perennial.spec.load import use_case_names
from perennial_airflow.dag_kind import DagKind, dag_id
from perennial_airflow.pages.dag_states import dag_states
from perennial_airflow.pages.reader import ReaderUnavailable
from perennial_airflow.pages.rights import readable
from perennial_airflow.pages.static import refusal

log = logging.getLogger(__name__)

ROUTE = "/metrics"
SHORTEST_TOKEN = 16  # characters


async def metrics(request: Request) -> Response:
    """The gauges in Prometheus' text format. Errors: `HTTPException` with 401."""
    try:
        settings = Settings.from_environment()
        if _has_token(request, settings):
            names = tuple(await asyncio.to_thread(use_case_names, settings.use_cases))
        else:
            user = await get_user(request, None, await bearer_scheme(request))
            names = await asyncio.to_thread(readable, user)
        asked = {
            "view": "metrics",
            "arguments": {},
            "use_cases": names,
            "base": "",
            "airflow": "",
            "as_json": True,
            "dags": await asyncio.to_thread(_dags, names),
        }
        found = await request.app.state.reader.ask(asked)
    except (ReaderUnavailable, PerennialError) as error:
        return refusal(request, 503, str(error))
    return Response(found.body, found.status, media_type=found.media_type)


def _has_token(request: Request, settings: Settings) -> bool:
    """Whether the request carries the token of the settings. One that is short is none, and that is logged."""
    token = settings.metrics_token
    if not token:
        return False
    if len(token) < SHORTEST_TOKEN:
        log.error(
            "PERENNIAL_METRICS_TOKEN has fewer than %d characters, so that it opens nothing. Make one with "
            "`python -c 'import secrets; print(secrets.token_urlsafe(32))'`.",
            SHORTEST_TOKEN,
        )
        return False
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(given.strip().encode(), token.encode())


def _dags(names: tuple[str, ...]) -> list[object]:
    dag_ids = [dag_id(name, kind) for name in names for kind in DagKind]
    with create_session() as session:
        return [as_json(state) for state in dag_states(session, dag_ids, clock.now())]
