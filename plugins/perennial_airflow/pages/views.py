"""Where the pages appear in Airflow's web interface."""

from typing import Any

from perennial_airflow.report_link import REPORT_ROUTE, WINDOWS_ROUTE

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
        "url_route": WINDOWS_ROUTE,
    },
    {
        "name": "Report",
        "href": f"{PREFIX}/dags/{{DAG_ID}}/runs/{{RUN_ID}}",
        "destination": "dag_run",
        "url_route": REPORT_ROUTE,
    },
    {
        "name": "Windows",
        "href": f"{PREFIX}/dags/{{DAG_ID}}",
        "destination": "task",
        "url_route": "perennial-task-windows",
    },
    {
        "name": "Report",
        "href": f"{PREFIX}/dags/{{DAG_ID}}/runs/{{RUN_ID}}?task={{TASK_ID}}",
        "destination": "task_instance",
        "url_route": "perennial-task-report",
    },
]

# The part of its run's report that a task's page opens at.
SECTION_OF_TASK: dict[str, str] = {
    "ingest": "rows",
    "validate": "validation",
    "score": "predictions",
    "monitor": "drift",
    "trigger_retrain": "decision",
    "late_data": "rows",
    "collect_labels": "performance",
    "measure": "performance",
    "assemble": "training",
    "check": "decision",
    "train": "comparison",
    "judge": "decision",
    "approve": "decision",
    "approve_second": "decision",
    "show": "candidates",
    "deploy": "deployment",
}
