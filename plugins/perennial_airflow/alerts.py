"""`platform.alerts`: every five minutes, tells people what needs them, where a use case says whom to tell."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, get_current_context, task

from perennial.spec.load import LoadedUseCase
from perennial_airflow import docs
from perennial_airflow.run import current_run
from perennial_airflow.xcom import Json

DAG_ID = "platform.alerts"


def alerts_dag(use_cases: Sequence[LoadedUseCase]) -> DAG | None:
    """The DAG, for the use cases whose spec names somebody to tell; None where none does."""
    telling = [use_case for use_case in use_cases if use_case.spec.alerts]
    if not telling:
        return None
    with DAG(
        DAG_ID,
        description="Tells people what needs them, over the routes of the use cases",
        doc_md=docs.alerts(),
        schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        default_args={
            "owner": "perennial",
            "retries": 2,
            "retry_delay": timedelta(seconds=10),
            "execution_timeout": timedelta(minutes=15),
        },
        tags=["perennial", "alerts"],
    ) as dag:

        @task
        def tell() -> list[Json]:
            """Puts on record what is news, and delivers what waits; a receiver that is down is tried again later."""
            from perennial_airflow import telling as telling_tasks

            return telling_tasks.tell(telling, current_run(), get_current_context()["ti"])

        tell()
    return dag
