"""The kinds of DAG that every use case has, and what all of them share."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow.sdk import DAG, Param

from perennial.spec.ended import Ended
from perennial.spec.models import UseCase
from perennial.window import Grid
from perennial_airflow.placement import LAST_RETRY, apply
from perennial_airflow.pods import executor_config
from perennial_airflow.schedule import WindowTimetable

RETRIES = 4
_FIRST_RETRY = timedelta(seconds=10)
_RETRY_FACTOR = 3.0


class DagKind(StrEnum):
    """What a DAG does for its use case."""

    PREDICT = "predict"
    EVALUATE = "evaluate"
    RETRAIN = "retrain"
    ROLLBACK = "rollback"


def dag_id(use_case: str, kind: DagKind) -> str:
    """The name of the DAG."""
    return f"{use_case}.{kind}"


@contextmanager
def use_case_dag(
    spec: UseCase,
    kind: DagKind,
    *,
    description: str,
    doc_md: str,
    params: dict[str, Param],
    max_active_runs: int,
    execution_timeout: timedelta,
    timetable: WindowTimetable | None = None,
    runs_until: datetime | None = None,
    ended: Ended | None = None,
) -> Iterator[DAG]:
    """A DAG of the use case, to add tasks to; without a schedule unless it has a timetable.

    With `runs_until`, the last run is that of the last window that starts before it. One that has `ended` says so and
    has no schedule: its runs stay to be looked at, and one that somebody starts is refused by the ledger.

    Its tasks are retried after 10, 30, 90 and 270 seconds; what a retry can't help fails at once (see `outcomes`).
    A DAG without a schedule does nothing by itself, so it starts unpaused: what triggers it need not wait for anyone.
    """
    defaults: dict[str, Any] = {
        "owner": spec.owner,
        "retries": RETRIES,
        "retry_delay": _FIRST_RETRY,
        "retry_exponential_backoff": _RETRY_FACTOR,
        "max_retry_delay": LAST_RETRY,
        "execution_timeout": execution_timeout,
    }
    if asked := executor_config(spec):
        defaults["executor_config"] = asked
    if ended is not None:
        timetable, description = None, f"{spec.title}: {ended}"
        doc_md = (
            f"**This use case was {ended}.** Nothing of it is scheduled, and nothing new is made for it.\n\n{doc_md}"
        )
    with DAG(
        dag_id(spec.name, kind),
        description=description,
        doc_md=doc_md,
        schedule=timetable,
        start_date=spec.start if timetable else None,
        end_date=last_start(spec.grid, runs_until) if timetable and runs_until else None,
        catchup=False,
        max_active_runs=max_active_runs,
        is_paused_upon_creation=None if timetable else False,
        default_args=defaults,
        tags=sorted({*spec.tags, "perennial", str(kind), *(["ended"] if ended else [])}),
    ) as dag:
        yield dag
    apply(spec.airflow, dag.tasks)
    # Set when the tasks are there: each would take copies of its own, which is a third of the time to build a DAG.
    # Copied once, because a Param keeps the value that it was last resolved to.
    dag.params.update(deepcopy(params))


def last_start(grid: Grid, before: datetime) -> datetime:
    """The start of the last window that starts before the instant: Airflow's `end_date`."""
    return grid.back(grid.containing(before - timedelta(microseconds=1)).end, 1)
