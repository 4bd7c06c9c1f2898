"""What a task may learn of the use case's DAGs and runs, asked of Airflow as tasks ask: it reads no database.

A run that failed is found by its state, whatever became of its tasks' processes; no callback has to have run.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from airflow.sdk.exceptions import AirflowRuntimeError

from perennial.review.airflow_state import AskingRun, DagState, FailedRun
from perennial_airflow.approval_tasks import TASKS
from perennial_airflow.dag_kind import DagKind, dag_id
from perennial_airflow.maintenance import DAG_ID as MAINTENANCE

LATELY = timedelta(days=7)
NAMED = 3  # failed runs of a DAG
LOOKED_AT = 20  # failed runs of a DAG, to find those of lately among them
FAILED, SUCCESS = "failed", "success"
WAITING = ("awaiting_input", "deferred")  # states of a task that asks people
NOT_FOUND = 404


class AskedAirflow(Protocol):
    """What Airflow answers tasks about DAGs; a task's own instance has it, but for `previous`."""

    def get_dag(self, dag_id: str) -> Any:
        """The DAG, with `is_paused`. Errors: `AirflowRuntimeError` when there is none."""

    def get_dr_count(self, dag_id: str, *, run_ids: list[str], states: list[str]) -> int:
        """How many of the runs are in one of the states."""

    def get_task_states(self, dag_id: str, *, run_ids: list[str]) -> Mapping[str, Mapping[str, str]]:
        """The states of the runs' tasks, by run and task."""


Previous = Callable[[str, datetime, str], Any]
"""The last run of a DAG before a moment of the data's time that is in a state; None when there is none."""


def previous_run(dag: str, before: datetime, state: str) -> Any:
    """`Previous`, asked over the line that every task has."""
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import GetPreviousDagRun, PreviousDagRunResult

    answer = task_runner.SUPERVISOR_COMMS.send(GetPreviousDagRun(dag_id=dag, logical_date=before, state=state))
    return answer.dag_run if isinstance(answer, PreviousDagRunResult) else None


@dataclass(frozen=True)
class KnownRuns:
    """What is asked about DAGs as of `now`."""

    asked: AskedAirflow
    previous: Previous
    now: datetime

    def states(self, use_case: str, retraining: str | None = None, asked_in: str | None = None) -> dict[str, DagState]:
        """The use case's DAGs that Airflow has, and the nightly maintenance if its tasks for it failed.

        `retraining` is the run that should have answered the last decision to retrain, and `asked_in` the one that
        asked people last. Such runs have no place in the data's time, so that only their names lead to them.
        """
        found = {}
        for kind in DagKind:
            name = dag_id(use_case, kind)
            paused = self._paused(name)
            if paused is None:
                continue
            failed = tuple(self._failed(name, each_counts=kind is DagKind.PREDICT))
            if kind is DagKind.RETRAIN and retraining is not None and self._has_failed(name, retraining):
                failed = (FailedRun(retraining, None), *(run for run in failed if run.run_id != retraining))
            asking = self._asking(name, asked_in) if kind is DagKind.RETRAIN and asked_in is not None else None
            waiting = len(asking.tasks) if asking else 0
            found[name] = DagState(name, paused, failures=len(failed), failed=failed, waiting=waiting, asking=asking)
        nightly = tuple(run for run in self._failed(MAINTENANCE, each_counts=False) if self._concerns(use_case, run))
        if nightly:
            found[MAINTENANCE] = DagState(MAINTENANCE, paused=False, failures=len(nightly), failed=nightly)
        return found

    def _paused(self, name: str) -> bool | None:
        try:
            return bool(self.asked.get_dag(name).is_paused)
        except AirflowRuntimeError as error:
            if (error.error.detail or {}).get("status_code") == NOT_FOUND:
                return None
            raise

    def _has_failed(self, name: str, run_id: str) -> bool:
        return self.asked.get_dr_count(name, run_ids=[run_id], states=[FAILED]) > 0

    def _asking(self, name: str, run_id: str) -> AskingRun | None:
        states = self.asked.get_task_states(name, run_ids=[run_id]).get(run_id, {})
        waiting = tuple(task for task in TASKS if states.get(task) in WAITING)
        return AskingRun(run_id, waiting) if waiting else None

    def _failed(self, name: str, *, each_counts: bool) -> Iterator[FailedRun]:
        """The last runs that failed lately, newest first; without `each_counts`, none that a later one made good."""
        good = None if each_counts else self.previous(name, self.now, SUCCESS)
        before, named = self.now, 0
        for _ in range(LOOKED_AT):
            run = self.previous(name, before, FAILED)
            if run is None or (good is not None and run.logical_date < good.logical_date) or named == NAMED:
                return
            ended = run.end_date or run.run_after
            if ended >= self.now - LATELY:
                named += 1
                yield FailedRun(run.run_id, ended, run.data_interval_start, run.data_interval_end)
            before = run.logical_date

    def _concerns(self, use_case: str, run: FailedRun) -> bool:
        states = self.asked.get_task_states(MAINTENANCE, run_ids=[run.run_id]).get(run.run_id, {})
        return any(task.startswith(f"{use_case}.") and state == FAILED for task, state in states.items())
