"""`platform.alerts`: every five minutes, tells people what needs them, where a use case says whom to tell."""

from collections.abc import Sequence
from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from perennial.spec.broken import BrokenUseCase
from perennial.spec.load import LoadedUseCase
from perennial_airflow import docs
from perennial_airflow.platform_dag import platform_dag
from perennial_airflow.run import current_run
from perennial_airflow.xcom import Json

DAG_ID = "platform.alerts"


def alerts_dag(use_cases: Sequence[LoadedUseCase], broken: Sequence[BrokenUseCase] = ()) -> DAG | None:
    """The DAG, for the use cases whose spec names somebody to tell, also where it is wrong; None where none does."""
    telling = [use_case for use_case in use_cases if use_case.spec.alerts]
    without_spec = [use_case for use_case in broken if use_case.alerts]
    if not telling and not without_spec:
        return None
    with platform_dag(
        DAG_ID,
        "*/5 * * * *",
        "alerts",
        {"retries": 2, "execution_timeout": timedelta(minutes=15)},
        description="Tells people what needs them, over the routes of the use cases",
        doc_md=docs.alerts(),
    ) as dag:

        @task
        def tell() -> list[Json]:
            """Puts on record what is news, and delivers what waits; a receiver that is down is tried again later."""
            from perennial_airflow import telling as telling_tasks

            return telling_tasks.tell(telling, current_run(), get_current_context()["ti"], without_spec)

        tell()
    return dag
