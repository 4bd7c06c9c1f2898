"""What Airflow must know of Perennial: its timetable before it reads a DAG, and who writes the notes of runs."""

from airflow.plugins_manager import AirflowPlugin

from perennial_airflow import listener
from perennial_airflow.timetable import DelayedWindows


class PerennialPlugin(AirflowPlugin):
    """Lets the scheduler and the API server read DAGs whose windows are scored after a delay, and write run notes."""

    name = "perennial"
    timetables = (DelayedWindows,)
    listeners = (listener,)
