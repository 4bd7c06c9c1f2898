"""What Airflow knows of the use cases' DAGs, for the page that shows all of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from perennial.review.airflow_state import DagState, FailedRun
from perennial_airflow.dag_kind import DagKind

LATELY = timedelta(days=7)
NAMED = 3  # failed runs of a DAG; the others are counted
WAITING = (TaskInstanceState.AWAITING_INPUT, TaskInstanceState.DEFERRED)


def dag_states(session: Session, dag_ids: Sequence[str], now: datetime) -> tuple[DagState, ...]:
    """Those of the DAGs that Airflow has, by name: three questions, however many DAGs or runs there are."""
    if not dag_ids:
        return ()
    found = session.execute(
        select(DagModel.dag_id, DagModel.is_paused, DagModel.has_import_errors, DagModel.next_dagrun_create_after)
        .where(DagModel.dag_id.in_(dag_ids), DagModel.is_stale.is_(False))
        .order_by(DagModel.dag_id)
    ).all()
    waiting = _waiting(session, dag_ids)
    failed = _failed(session, dag_ids, now - LATELY)
    return tuple(
        DagState(
            dag_id=dag_id,
            paused=bool(paused),
            broken=bool(broken),
            next_run_at=next_run_at,
            waiting=waiting.get(dag_id, 0),
            failures=failed[dag_id][0] if dag_id in failed else 0,
            failed=tuple(failed[dag_id][1]) if dag_id in failed else (),
        )
        for dag_id, paused, broken, next_run_at in found
    )


def _waiting(session: Session, dag_ids: Iterable[str]) -> dict[str, int]:
    """How many questions to people are open, by DAG."""
    open_questions = (
        select(TaskInstance.dag_id, func.count())
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(
            TaskInstance.dag_id.in_(dag_ids),
            TaskInstance.state.in_(WAITING),
            HITLDetail.responded_at.is_(None),
        )
        .group_by(TaskInstance.dag_id)
    )
    return dict(session.execute(open_questions).all())


def _failed(session: Session, dag_ids: Iterable[str], since: datetime) -> dict[str, tuple[int, list[FailedRun]]]:
    """How many runs failed since then and still count as failed, and the last of them, by DAG."""
    place = func.row_number().over(partition_by=DagRun.dag_id, order_by=DagRun.end_date.desc()).label("place")
    count = func.count().over(partition_by=DagRun.dag_id).label("count")
    told = (DagRun.dag_id, DagRun.run_id, DagRun.end_date, DagRun.data_interval_start, DagRun.data_interval_end)
    newest = (
        select(*told, place, count)
        .where(
            DagRun.dag_id.in_(dag_ids),
            DagRun.state == DagRunState.FAILED,
            DagRun.end_date >= since,
            _not_made_good(),
        )
        .subquery()
    )
    found: dict[str, tuple[int, list[FailedRun]]] = {}
    last = select(newest).where(newest.c.place <= NAMED).order_by(newest.c.dag_id, newest.c.place)
    for dag_id, run_id, ended_at, start, end, _, failures in session.execute(last):
        found.setdefault(dag_id, (failures, []))[1].append(FailedRun(run_id, ended_at, start, end))
    return found


def _not_made_good() -> ColumnElement[bool]:
    """Runs of `predict` have windows of their own; of the others a later run does what an earlier one could not."""
    later = aliased(DagRun)
    return or_(
        DagRun.dag_id.endswith(f".{DagKind.PREDICT}", autoescape=True),
        ~exists().where(
            later.dag_id == DagRun.dag_id, later.state == DagRunState.SUCCESS, later.run_after > DagRun.run_after
        ),
    )
