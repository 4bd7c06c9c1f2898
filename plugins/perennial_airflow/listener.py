"""When a run of ours has ended, its note is written from the lines that its tasks left.

When one begins whose tasks take slots of a pool that Airflow doesn't have, its note says that: such tasks wait for
ever, and Airflow tells only the scheduler's log.

Airflow calls these functions in the scheduler, or in the API server when somebody marks a run, with the run's row in
the session that it is about to commit. What goes wrong here must not hold a scheduler up: everything is done behind a
savepoint and logged. A note that a person wrote is left alone. Every process that loads the plugin imports this module,
so what is heavy is imported when a run has ended.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

from perennial_airflow.note import FAILED, KEY, Line, note_of
from perennial_airflow.report_link import report_link

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

STUCK, LOST = "stuck in queued tries exceeded", "state mismatch"  # events in Airflow's audit log
TAG = "perennial"  # of every DAG of ours
AUTHOR = "perennial"  # of the notes that are written here; a person's have the person's name


@hookimpl
def on_dag_run_running(dag_run: "DagRun") -> None:
    """The run begins."""
    _with_session(dag_run, _missing_pools)


@hookimpl
def on_dag_run_success(dag_run: "DagRun") -> None:
    """The run has ended well."""
    _with_session(dag_run, _ended)


@hookimpl
def on_dag_run_failed(dag_run: "DagRun") -> None:
    """The run has failed."""
    _with_session(dag_run, _ended)


def _with_session(dag_run: "DagRun", note: Callable[["DagRun", "Session"], str]) -> None:
    """Write the run's note, if `note` has anything to say."""
    if dag_run.dag is None or TAG not in dag_run.dag.tags:
        return
    try:
        from sqlalchemy.orm import object_session

        session = object_session(dag_run)
        if session is None:
            log.warning("%s %s gets no note: it belongs to no session of Airflow.", dag_run.dag_id, dag_run.run_id)
            return
        # A savepoint of the session would ask for a commit, which the scheduler forbids; one of its connection doesn't.
        with session.no_autoflush, session.connection().begin_nested():
            _replace_note(dag_run, note(dag_run, session), session)
    except Exception:
        log.exception(
            "%s %s gets no note. Its tasks' XComs named %r have the lines; nothing else depends on them.",
            *(dag_run.dag_id, dag_run.run_id, KEY),
        )


def _ended(dag_run: "DagRun", session: "Session") -> str:
    return note_of(_lines(dag_run, session), report_link(dag_run.dag_id, dag_run.run_id))


def _missing_pools(dag_run: "DagRun", session: "Session") -> str:
    """Which tasks wait for a pool that is not there; "" where each can begin, which costs no query by default."""
    from airflow.models.pool import Pool
    from sqlalchemy import select

    tasks = [] if dag_run.dag is None else dag_run.dag.tasks
    asked = {task.task_id: task.pool for task in tasks if task.pool != Pool.DEFAULT_POOL_NAME}
    there = set(session.scalars(select(Pool.pool).where(Pool.pool.in_(set(asked.values()))))) if asked else set()
    missing = {task: pool for task, pool in asked.items() if pool not in there}
    if not missing:
        return ""
    pools = ", ".join(sorted(set(missing.values())))
    said = (
        f"{FAILED} to begin: there is no pool {pools}, so {', '.join(missing)} will wait forever. Add it under Admin, "
        "Pools, or by `airflow pools set`; then they go on by themselves"
    )
    log.error("%s %s %s.", dag_run.dag_id, dag_run.run_id, said)
    return note_of([Line(first=said)], report_link(dag_run.dag_id, dag_run.run_id))


def _lines(dag_run: "DagRun", session: "Session") -> list[Line]:
    """What the run's tasks left, in the order in which they left it; and which failed without a word."""
    from airflow.models.log import Log
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from sqlalchemy import select

    of_run = (XComModel.dag_id == dag_run.dag_id, XComModel.run_id == dag_run.run_id, XComModel.key == KEY)
    left = session.execute(
        select(XComModel.task_id, XComModel.value).where(*of_run).order_by(XComModel.timestamp)
    ).all()
    failed = session.execute(
        select(TaskInstance.task_id, TaskInstance.try_number)
        .where(TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id)
        .where(TaskInstance.state == "failed")
        .order_by(TaskInstance.end_date)
    )
    told = {task_id for task_id, _ in left}
    silent = {task_id: number for task_id, number in failed if task_id not in told}
    noticed = session.execute(
        select(Log.task_id, Log.try_number, Log.event, Log.extra)
        .where(Log.dag_id == dag_run.dag_id, Log.run_id == dag_run.run_id)
        .where(Log.event.in_((STUCK, LOST)), Log.task_id.in_(silent))
        .order_by(Log.id)
    )
    why = {
        task_id: _why(event, extra or "")
        for task_id, number, event, extra in noticed
        if task_id is not None and number == silent[task_id]
    }
    return [
        *(Line.from_json(value) for _, value in left),
        *(Line(first=f"{FAILED} {task_id}: {why.get(task_id, 'see its log')}") for task_id in silent),
    ]


def _why(event: str, extra: str) -> str:
    """What Airflow itself noticed of a task that left no log, or none to its end."""
    if event == STUCK:
        return "it never started: no worker or pod took it in time"
    reason = extra.partition("Extra info: ")[2]
    return f"its process was lost{f' ({reason})' if reason else ''}"


def _replace_note(dag_run: "DagRun", text: str, session: "Session") -> None:
    from airflow.models.dagrun import DagRunNote
    from sqlalchemy import insert, update

    there = dag_run.dag_run_note
    if not text or (there is not None and there.user_id != AUTHOR):
        return
    if there is None:
        session.execute(insert(DagRunNote.__table__).values(dag_run_id=dag_run.id, content=text, user_id=AUTHOR))
    else:
        mine = DagRunNote.__table__.c.dag_run_id == dag_run.id
        session.execute(update(DagRunNote.__table__).where(mine).values(content=text))
    session.expire(dag_run, ["dag_run_note"])
