"""A use case's `airflow` section on the tasks of its DAGs: pool, queue, priority, retries and timeouts."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.mappedoperator import MappedOperator

from perennial.errors import InvalidSpec
from perennial.spec.airflow_options import AirflowOptions, TaskOptions
from perennial.spec.load import load_use_case, use_case_names

LAST_RETRY = timedelta(minutes=10)  # the longest pause before a retry


def apply(asked: AirflowOptions, tasks: Iterable[BaseOperator | MappedOperator]) -> None:
    """Set on each task what the spec says of all, and of it; what it does not say stays as it is."""
    nothing = TaskOptions.model_construct()
    for task in tasks:
        own = asked.tasks.get(task.task_id, nothing)
        if pool := own.pool or asked.pool:
            task.pool = pool
        if queue := own.queue or asked.queue:
            task.queue = queue
        if weight := own.priority_weight or asked.priority_weight:
            task.priority_weight = weight
        if own.retries is not None:
            task.retries = own.retries
        if own.retry_delay is not None:
            task.retry_delay, task.max_retry_delay = own.retry_delay, max(own.retry_delay, LAST_RETRY)
        if own.execution_timeout is not None:
            task.execution_timeout = own.execution_timeout


def pools_of(use_cases: Path) -> dict[str, list[str]]:
    """The pools that use cases in the folder ask for, and which do. One with a wrong spec has no tasks."""
    found: dict[str, list[str]] = {}
    for name in use_case_names(use_cases):
        try:
            asked = load_use_case(use_cases / name).spec.airflow
        except InvalidSpec:
            continue
        for pool in sorted({each.pool for each in (asked, *asked.tasks.values()) if each.pool is not None}):
            found.setdefault(pool, []).append(name)
    return found
