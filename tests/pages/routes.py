"""Every route of the pages, and how the tests fill its path. A route that is not here fails them.

To add a route, write its method and path here, an address that the page can answer for the use case `seen`, and with
which status. Then it is walked for every role, with hostile values in each of its parameters.
"""

from dataclasses import dataclass

from fastapi.routing import APIRoute
from starlette.routing import Route
from tests.pages.prepare_airflow import RUN

from perennial_airflow.pages import metrics
from perennial_airflow.pages.app import FILTERS, PAGES, create_app
from perennial_airflow.pages.views import PREFIX

WINDOW = "2013-03-05T00:00Z--2013-03-06T00:00Z"


@dataclass(frozen=True)
class Filled:
    """Values of the path's parameters (but the DAG's), a query, and what is answered to who may see the DAG."""

    values: dict[str, str]
    query: str = ""
    status: int = 200

    def answered(self, method: str) -> tuple[int, ...]:
        """How those who may see the DAG are answered. To see it is not enough for what changes something."""
        return (self.status,) if method == "GET" else (self.status, 403)


BY_THEMSELVES = (metrics.ROUTE,)  # what asks for rights in a way of its own has its own tests: test_metrics.py
FILLED: dict[tuple[str, str], Filled] = {
    ("GET", "/home"): Filled({}),
    ("GET", "/dags/{dag_id}"): Filled({}),
    ("GET", "/dags/{dag_id}/runs/{run_id}"): Filled({"run_id": RUN}),
    ("GET", "/dags/{dag_id}/windows/{window}"): Filled({"window": WINDOW}),
    ("GET", "/dags/{dag_id}/windows/{window}/quarantine"): Filled({"window": WINDOW}),
    ("PUT", "/dags/{dag_id}/windows/{window}/accepted"): Filled({"window": WINDOW}, status=400),  # it lacks our header
    ("PUT", "/dags/{dag_id}/windows/{window}/replayed"): Filled({"window": WINDOW}, status=400),
    ("PUT", "/dags/{dag_id}/windows/{window}/answered"): Filled({"window": WINDOW}, status=400),
    ("POST", "/dags/{dag_id}/windows/{window}/answered"): Filled({"window": WINDOW}, status=403),  # it lacks an Origin
    ("GET", "/dags/{dag_id}/review"): Filled({}),
    ("GET", "/dags/{dag_id}/compare"): Filled({}),
    ("GET", "/dags/{dag_id}/quarantined"): Filled({}, f"?window={WINDOW}&entity=1", 404),  # nothing was ingested yet
    ("GET", "/dags/{dag_id}/alerts"): Filled({}),
    ("GET", "/dags/{dag_id}/card"): Filled({}, status=404),  # no model was deployed yet
    ("PUT", "/dags/{dag_id}/alerts/acknowledged"): Filled({}, status=400),  # it lacks our header
    ("PUT", "/dags/{dag_id}/alerts/silenced"): Filled({}, status=400),
    ("GET", "/dags/{dag_id}/suggestions"): Filled({}, "?from=2013-03-05&to=2013-03-05"),
    ("GET", "/dags/{dag_id}/preview"): Filled({}, "?from=2013-03-05&to=2013-03-05&model=as_was"),
    ("GET", "/dags/{dag_id}/evidence"): Filled({}, f"?entity=1&window={WINDOW}", 404),  # nothing was scored yet
    ("GET", "/{name:path}"): Filled({"name:path": "style.css"}),
}
QUERIES: dict[str, tuple[str, ...]] = {path: query for path, _, query in PAGES} | {"/home": FILTERS}


def routes() -> list[tuple[str, str]]:
    """Method and path of every route of the application as it is mounted."""
    found = []
    for route in create_app().routes:
        if isinstance(route, Route) and not isinstance(route, APIRoute) and route.path in BY_THEMSELVES:
            continue
        assert isinstance(route, APIRoute), f"{route} is not a route whose rights the tests know how to ask for"
        found += [(method, route.path) for method in sorted(route.methods)]
    return found


def address(path: str, filled: Filled, dag_id: str = "seen.predict") -> str:
    """The address of the page of that DAG."""
    for name, value in {"dag_id": dag_id, **filled.values}.items():
        path = path.replace("{" + name + "}", value)
    assert "{" not in path, path
    return f"{PREFIX}{path}{filled.query}"
