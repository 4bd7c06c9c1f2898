"""What a task learns of runs that failed, as Airflow answers tasks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, GetPreviousDagRun, PreviousDagRunResult

from perennial.review.airflow_state import AskingRun, DagState, FailedRun
from perennial_airflow.known_runs import KnownRuns, previous_run

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

NOW = datetime(2013, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def run(name: str, day: int, state: str = "failed", ended: datetime | None = None) -> Any:
    start = datetime(2013, 6, day, tzinfo=UTC)
    return SimpleNamespace(
        run_id=name, logical_date=start, state=state, run_after=start + DAY, data_interval_start=start,
        data_interval_end=start + DAY, end_date=ended or NOW - DAY,
    )  # fmt: skip


@dataclass
class Airflow:
    """Runs by DAG, and what is asked about them."""

    runs: Mapping[str, list[Any]] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    tasks: Mapping[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def get_dag(self, dag_id: str) -> Any:
        if dag_id in self.missing:
            detail = {"status_code": 404}
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))
        return SimpleNamespace(is_paused=dag_id.endswith(".evaluate"))

    def get_dr_count(self, dag_id: str, *, run_ids: list[str], states: list[str]) -> int:
        assert states == ["failed"]
        return len(self.counted & set(run_ids))

    def get_task_states(self, dag_id: str, *, run_ids: list[str]) -> Mapping[str, Mapping[str, str]]:
        return dict.fromkeys(run_ids, self.tasks)

    def previous(self, dag_id: str, before: datetime, state: str) -> Any:
        found = [each for each in self.runs.get(dag_id, ()) if each.state == state and each.logical_date < before]
        return max(found, key=lambda each: each.logical_date, default=None)

    def states(self, retraining: str | None = None, asked_in: str | None = None) -> dict[str, DagState]:
        return KnownRuns(self, self.previous, NOW).states("parcels", retraining, asked_in)


def test_dags_that_are_well() -> None:
    kinds = ("predict", "evaluate", "retrain", "rollback")
    assert Airflow().states() == {f"parcels.{k}": DagState(f"parcels.{k}", paused=k == "evaluate") for k in kinds}


def test_a_dag_that_airflow_has_not_read_yet_is_left_out() -> None:
    assert "parcels.retrain" not in Airflow(missing={"parcels.retrain"}).states()


def test_another_error_is_no_answer() -> None:
    class Broken(Airflow):
        def get_dag(self, dag_id: str) -> Any:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.PERMISSION_DENIED))

    with pytest.raises(AirflowRuntimeError):
        Broken().states()


def test_the_last_runs_that_failed_lately_are_named_the_newest_first() -> None:
    runs = [run(f"day-{day}", day) for day in (2, 5, 9, 20)] + [run("old", 19, ended=NOW - 8 * DAY)]
    state = Airflow({"parcels.predict": [*runs, run("good", 25, "success")]}).states()["parcels.predict"]
    assert [each.run_id for each in state.failed] == ["day-20", "day-9", "day-5"]
    day = datetime(2013, 6, 20, tzinfo=UTC)
    assert state.failed[0] == FailedRun("day-20", NOW - DAY, day, day + DAY)


def test_of_evaluate_a_later_run_makes_an_earlier_one_good() -> None:
    runs = [run("bad", 20), run("good", 21, "success")]
    assert Airflow({"parcels.evaluate": runs}).states()["parcels.evaluate"].failed == ()
    later = [*runs, run("worse", 22)]
    found = Airflow({"parcels.evaluate": later}).states()["parcels.evaluate"].failed
    assert [each.run_id for each in found] == ["worse"]


def test_a_retraining_is_found_by_its_name() -> None:
    state = Airflow(counted={"drift__1"}).states("drift__1")["parcels.retrain"]
    assert state.failed == (FailedRun("drift__1", None),)
    assert Airflow().states("drift__1")["parcels.retrain"].failed == ()


@pytest.mark.parametrize(
    ("tasks", "told"),
    [({"parcels.maintain": "failed"}, True), ({"parcels_2.maintain": "failed", "parcels.maintain": "success"}, False)],
)
def test_maintenance_concerns_whose_task_failed(tasks: Mapping[str, str], told: bool) -> None:
    states = Airflow({"platform.maintenance": [run("night", 29)]}, tasks=tasks).states()
    assert ("platform.maintenance" in states) == told


def test_airflow_is_asked_over_the_tasks_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Line:
        def send(self, msg: Any) -> Any:
            asked.append(msg)
            return PreviousDagRunResult(dag_run=None)

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Line(), raising=False)
    assert previous_run("parcels.predict", NOW, "failed") is None
    assert asked == [GetPreviousDagRun(dag_id="parcels.predict", logical_date=NOW, state="failed")]


def test_a_run_that_asks_people_says_which_of_its_tasks_wait() -> None:
    tasks = {"judge": "success", "approve": "success", "approve_second": "awaiting_input"}
    state = Airflow(tasks=tasks).states(asked_in="manual__1")["parcels.retrain"]
    assert (state.waiting, state.asking) == (1, AskingRun("manual__1", ("approve_second",)))
    assert Airflow(tasks=tasks).states()["parcels.retrain"].asking is None
    assert Airflow(tasks={"approve": "failed"}).states(asked_in="manual__1")["parcels.retrain"].asking is None
