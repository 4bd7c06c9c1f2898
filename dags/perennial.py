"""Every DAG of every use case, for Airflow. A use case is a folder with a spec; nothing is written here for it."""

from airflow.sdk import get_parsing_context

from perennial.settings import Settings
from perennial_airflow.dag_factory import build_dags

for dag in build_dags(Settings.from_environment().use_cases, only=get_parsing_context().dag_id):
    globals()[dag.dag_id] = dag
