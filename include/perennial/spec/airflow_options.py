"""How Airflow runs the use case's tasks: pool, queue, priority, runs at once, and timeouts and retries by task.

What is not said stays as it is for every use case, so that this section is needed by few.
"""

import math
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from perennial.spec.fields import Duration, Spec
from perennial.spec.problems import Problem, broken_rules, nearest
from perennial.window import Window

MOST_WAITING = 13

# By DAG. The tasks that ask people are not among them: `risk.answer_within` says how long those wait.
TASKS_OF_DAGS = {
    "predict": (
        *("ingest", "validate", "score", "monitor", "trigger_retrain"),
        *("select_for_review", "shadow", "late_data"),
    ),
    "evaluate": ("collect_labels", "measure", "trigger_retrain", "rollout"),
    "retrain": ("assemble", "check", "train", "judge", "show", "deploy"),
    "rollback": ("deploy", "score_again"),
}
TASKS = tuple(dict.fromkeys(task for tasks in TASKS_OF_DAGS.values() for task in tasks))

AirflowName = Annotated[str, Field(min_length=1, max_length=256)]  # as long as Airflow's column


class Placement(Spec):
    """Where tasks wait for their turn, and which comes first."""

    pool: AirflowName | None = Field(
        None, description="The Airflow pool whose slots they take. It must exist; `perennial doctor` checks that."
    )
    queue: AirflowName | None = Field(
        None, description="The queue whose workers run them. Executors without queues ignore it."
    )
    priority_weight: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="With a higher number, they start sooner when slots are scarce. Airflow's default is 1.",
    )


class TaskOptions(Placement):
    """What is different for one task."""

    retries: int | None = Field(None, ge=0, le=100, description="How often it is tried again. Without it: 4 times.")
    retry_delay: Duration | None = Field(
        None, description="Pause before the first retry; each later one is three times as long. Without it: 10 seconds."
    )
    execution_timeout: Duration | None = Field(
        None, description="How long one try may take. Without it: 2 hours, in the retrain DAG 6."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self == type(self).model_construct():
            raise broken_rules([Problem((), "changes nothing; give a pool, retries or the like, or leave it out")])
        return self


class AirflowOptions(Placement):
    """How Airflow runs the use case's DAGs."""

    max_active_runs: int | None = Field(
        None,
        ge=1,
        description="How many runs of the predict DAG are active at once, including those that wait for their "
        "window's rows. Without it: 3, and one for each window that may wait until its deadline. The "
        "other DAGs always have one run at a time, because each decision builds on the one before.",
    )
    tasks: dict[str, TaskOptions] = Field(
        {},
        description="By the task's name. If two DAGs have a task of that name, it means both.",
        json_schema_extra={"propertyNames": {"enum": [*sorted(TASKS)]}},
    )

    @model_validator(mode="after")
    def _known_tasks(self) -> Self:
        text = f"no such task; there are {', '.join(TASKS)}"
        if unknown := [name for name in self.tasks if name not in TASKS]:
            raise broken_rules([Problem(("tasks", name), text, nearest(name, TASKS)) for name in unknown])
        return self


def absent_tasks(asked: AirflowOptions, there: dict[str, bool]) -> list[Problem]:
    """The tasks that are asked about and that this use case has not; `there` says of some whether it has them."""
    text = "this use case has no such task, because its spec has no key that needs it; leave it out"
    return [Problem(("airflow", "tasks", name), text) for name in asked.tasks if not there.get(name, True)]


def too_few_runs(asked: AirflowOptions, waiting: int) -> list[Problem]:
    """Whether windows that wait for their rows would take the place of all others."""
    if asked.max_active_runs is None or asked.max_active_runs > waiting:
        return []
    text = (
        f"must be {waiting + 1} or more: until their deadline, {waiting} {'window' if waiting == 1 else 'windows'} "
        "may wait for their rows at once, and fewer runs would block windows whose rows are there"
    )
    return [Problem(("airflow", "max_active_runs"), text)]


def waiting_windows(window: Window, patience: timedelta | None) -> int:
    """How many windows may wait for their rows at once, when each waits for `patience` after it was due."""
    if patience is None:
        return 0
    return min(math.ceil(patience / (window.end - window.start)), MOST_WAITING)
