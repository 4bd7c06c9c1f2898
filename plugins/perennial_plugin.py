"""What Airflow must know of Perennial: its timetable before it reads a DAG, who writes the notes of runs, its pages."""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from perennial_airflow import listener
from perennial_airflow.pages.views import PREFIX, VIEWS
from perennial_airflow.timetable import DelayedWindows


class PerennialPlugin(AirflowPlugin):
    """Windows that are scored after a delay, notes on runs that have ended, and the review pages."""

    name = "perennial"
    timetables = (DelayedWindows,)
    listeners = (listener,)
    external_views = VIEWS

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The pages; made only where they are asked for, which is in the API server."""
        from perennial_airflow.pages.app import create_app  # noqa: PLC0415 - a web server, in one process only

        return [{"app": create_app(), "url_prefix": PREFIX, "name": "Perennial"}]

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """What puts people's answers on record before Airflow takes them; asked for in the API server only."""
        from perennial_airflow.answers import AnswersOnRecord  # noqa: PLC0415 - as above

        return [{"middleware": AnswersOnRecord, "args": [], "kwargs": {}, "name": "Answers on record"}]
