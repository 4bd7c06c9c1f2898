"""What the DAGs that serve all use cases have in common."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable


def platform_dag(dag_id: str, cron: str, tag: str, tries: dict[str, Any], **about: Any) -> DAG:
    """A DAG that runs by itself from the beginning on, one run at a time, by a cron expression in UTC.

    `tries` says how often and for how long its tasks are tried; `about` is what else the DAG says of itself.
    """
    return DAG(
        dag_id,
        schedule=CronDataIntervalTimetable(cron, timezone="UTC"),
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        default_args={"owner": "perennial", "retry_delay": timedelta(seconds=10), **tries},
        tags=["perennial", tag],
        **about,
    )
