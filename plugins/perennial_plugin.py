"""What Airflow must know of Perennial before it reads a DAG: its timetable."""

from airflow.plugins_manager import AirflowPlugin

from perennial_airflow.timetable import DelayedWindows


class PerennialPlugin(AirflowPlugin):
    """Lets the scheduler and the API server read DAGs whose windows are scored after a delay."""

    name = "perennial"
    timetables = (DelayedWindows,)
