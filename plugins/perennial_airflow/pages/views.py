"""Where the pages appear in Airflow's web interface."""

from typing import Any

PREFIX = "/perennial"

VIEWS: list[dict[str, Any]] = [
    {
        "name": "Perennial",
        "href": f"{PREFIX}/home",
        "destination": "nav",
        "category": "browse",
        "url_route": "perennial",
    },
    {
        "name": "Windows",
        "href": f"{PREFIX}/dags/{{DAG_ID}}",
        "destination": "dag",
        "url_route": "perennial-windows",
    },
    {
        "name": "Report",
        "href": f"{PREFIX}/dags/{{DAG_ID}}/runs/{{RUN_ID}}",
        "destination": "dag_run",
        "url_route": "perennial-report",
    },
]
