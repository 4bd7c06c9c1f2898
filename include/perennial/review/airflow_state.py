"""What Airflow knows of a use case's DAGs, as plain data: whoever shows a page asks Airflow, and nothing here does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class FailedRun:
    """A run that failed and has not been run again. `start` and `end` are its data interval, if it has one."""

    run_id: str
    ended_at: datetime | None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class AskingRun:
    """A run that asks people for their approval of a new model: which of its `tasks` wait for an answer."""

    run_id: str
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class DagState:
    """A DAG as Airflow sees it now.

    `next_run_at`: when its next scheduled run is created, None without a schedule or when it is over. `broken`: its
    file could not be read the last time. `failed`: the last runs that failed lately, newest first, at most a few;
    `failures` counts all of them. `waiting`: questions to people that wait for an answer; `asking` is the run that
    does, where that is known.
    """

    dag_id: str
    paused: bool
    broken: bool = False
    next_run_at: datetime | None = None
    waiting: int = 0
    failures: int = 0
    failed: tuple[FailedRun, ...] = ()
    asking: AskingRun | None = None


def by_dag_id(states: Sequence[DagState]) -> dict[str, DagState]:
    """The states by the DAG that they are of."""
    return {state.dag_id: state for state in states}
