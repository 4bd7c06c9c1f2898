"""What Airflow's own tables say of the DAGs that the page of all use cases is about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import event, insert
from sqlalchemy.orm import Session

from perennial.encoding import as_json, from_json
from perennial.review.airflow_state import DagState, FailedRun
from perennial_airflow.pages.dag_states import LATELY, NAMED, dag_states

NOW = datetime(2024, 3, 9, 7, tzinfo=UTC)
PREDICT, EVALUATE = "flight_delays.predict", "flight_delays.evaluate"


@pytest.fixture
def session(session: Session) -> Session:
    session.add(DagBundleModel(name="dags"))
    for dag_id in (PREDICT, EVALUATE):
        session.add(DagModel(dag_id=dag_id, bundle_name="dags", is_paused=False, is_stale=False))
    session.commit()
    return session


def ran(session: Session, dag_id: str, day: int, state: DagRunState, ended: datetime = NOW) -> str:
    start = datetime(2024, 3, day, tzinfo=UTC)
    run_id = f"scheduled__{day}"
    session.add(
        DagRun(
            dag_id=dag_id,
            run_id=run_id,
            run_type=DagRunType.SCHEDULED,
            logical_date=start,
            data_interval=(start, start + timedelta(days=1)),
            run_after=start + timedelta(days=1),
            state=state,
            triggered_by=DagRunTriggeredByType.TEST,
        )
    )
    session.flush()
    session.query(DagRun).filter_by(dag_id=dag_id, run_id=run_id).update({"end_date": ended})
    session.commit()
    return run_id


def asks(session: Session, run_id: str, state: TaskInstanceState, answered: datetime | None = None) -> None:
    task, run = uuid4(), session.query(DagRun).filter_by(dag_id=PREDICT, run_id=run_id).one()
    told: dict[str, Any] = dict.fromkeys(("try_number", "max_tries", "priority_weight", "pool_slots"), 0)
    session.execute(
        insert(TaskInstance.__table__).values(
            id=task, task_id=f"approve_{task}", dag_id=PREDICT, run_id=run.run_id, state=state, pool="p", **told
        )
    )
    session.execute(
        insert(HITLDetail.__table__).values(
            ti_id=task, options=["Approve", "Reject"], subject="Deploy?", params={}, params_input={}, created_at=NOW,
            responded_at=answered,
        )
    )  # fmt: skip
    session.commit()


def states(session: Session) -> dict[str, DagState]:
    return {state.dag_id: state for state in dag_states(session, [PREDICT, EVALUATE, "gone.predict"], NOW)}


def test_paused_broken_and_the_next_run_are_told(session: Session) -> None:
    soon = NOW + timedelta(hours=3)
    session.query(DagModel).filter_by(dag_id=PREDICT).update({"next_dagrun_create_after": soon})
    session.query(DagModel).filter_by(dag_id=EVALUATE).update({"is_paused": True, "has_import_errors": True})
    session.commit()
    assert states(session) == {
        EVALUATE: DagState(EVALUATE, paused=True, broken=True),
        PREDICT: DagState(PREDICT, paused=False, next_run_at=soon),
    }


def test_a_dag_that_airflow_no_longer_has_is_left_out(session: Session) -> None:
    session.query(DagModel).filter_by(dag_id=EVALUATE).update({"is_stale": True})
    session.commit()
    assert set(states(session)) == {PREDICT}
    assert dag_states(session, [], NOW) == ()


def test_the_last_runs_that_failed_lately_are_named_and_all_are_counted(session: Session) -> None:
    for day in range(1, NAMED + 3):
        ran(session, PREDICT, day, DagRunState.FAILED, NOW - timedelta(hours=day))
    ran(session, PREDICT, 7, DagRunState.SUCCESS)
    ran(session, PREDICT, 8, DagRunState.FAILED, NOW - LATELY - timedelta(minutes=1))
    found = states(session)[PREDICT]
    assert found.failures == NAMED + 2
    assert [run.run_id for run in found.failed] == ["scheduled__1", "scheduled__2", "scheduled__3"]
    start = datetime(2024, 3, 1, tzinfo=UTC)
    assert found.failed[0] == FailedRun("scheduled__1", NOW - timedelta(hours=1), start, start + timedelta(days=1))
    assert states(session)[EVALUATE].failures == 0


def test_an_evaluation_that_failed_counts_until_a_later_one_succeeds(session: Session) -> None:
    ran(session, EVALUATE, 2, DagRunState.SUCCESS)
    ran(session, EVALUATE, 3, DagRunState.FAILED)
    assert states(session)[EVALUATE].failures == 1
    ran(session, EVALUATE, 4, DagRunState.SUCCESS)
    assert states(session)[EVALUATE].failures == 0


def test_questions_that_wait_for_an_answer_are_counted(session: Session) -> None:
    run_id = ran(session, PREDICT, 1, DagRunState.RUNNING)
    asks(session, run_id, TaskInstanceState.AWAITING_INPUT)
    asks(session, run_id, TaskInstanceState.DEFERRED)
    asks(session, run_id, TaskInstanceState.AWAITING_INPUT, answered=NOW)
    asks(session, run_id, TaskInstanceState.FAILED)
    found = states(session)
    assert (found[PREDICT].waiting, found[EVALUATE].waiting) == (2, 0)


def test_the_number_of_questions_to_the_database_does_not_grow(session: Session) -> None:
    for day in range(1, 9):
        ran(session, PREDICT, day, DagRunState.FAILED)
    asked: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *given: asked.append(given[2]))
    states(session)
    assert len(asked) == 3


def test_it_is_the_same_after_the_way_to_the_process_that_writes_the_pages(session: Session) -> None:
    ran(session, PREDICT, 1, DagRunState.FAILED)
    found = states(session)[PREDICT]
    assert from_json(DagState, as_json(found)) == found
