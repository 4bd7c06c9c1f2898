"""The note that the scheduler writes when a run has ended, in Airflow's own tables."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.listeners.listener import get_listener_manager
from airflow.models.dagrun import DagRun, DagRunNote
from airflow.models.log import Log
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.sqlalchemy import prohibit_commit
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from perennial_airflow import listener
from perennial_airflow.note import KEY, Line

AT = datetime(2013, 3, 9, tzinfo=UTC)
LINK = "[Report](dags/flight_delays.predict/runs/run/plugin/perennial-report)"


@pytest.fixture
def dag_run(session: Session) -> DagRun:
    run = DagRun(
        dag_id="flight_delays.predict",
        run_id="run",
        run_type=DagRunType.MANUAL,
        run_after=AT,
        state=DagRunState.RUNNING,
        triggered_by=DagRunTriggeredByType.TEST,
    )
    session.add(run)
    session.commit()
    tagged: Any = SimpleNamespace(tags={"perennial", "predict"})
    run.dag = tagged
    return run


def leave(session: Session, run: DagRun, task: str, line: Any, second: int) -> None:
    value = line.to_json() if isinstance(line, Line) else line
    session.execute(
        insert(XComModel.__table__).values(
            dag_run_id=run.id, task_id=task, map_index=-1, key=KEY, dag_id=run.dag_id, run_id=run.run_id, value=value,
            timestamp=AT + timedelta(seconds=second),
        )
    )  # fmt: skip


def fail(session: Session, run: DagRun, task: str) -> None:
    session.execute(
        insert(TaskInstance.__table__).values(
            id=uuid4(), dag_id=run.dag_id, run_id=run.run_id, task_id=task, map_index=-1, state="failed",
            pool="default", pool_slots=1, try_number=1,
        )
    )  # fmt: skip


def end(session: Session, run: DagRun, state: DagRunState = DagRunState.SUCCESS) -> str | None:
    """End the run as the scheduler does, and read its note as somebody else would."""
    with prohibit_commit(session) as guard:
        run.state = state
        run.notify_dagrun_state_changed(msg="ended")
        guard.commit()
    found: str | None = session.scalar(select(DagRunNote.content).where(DagRunNote.dag_run_id == run.id))
    return found


def begin(session: Session, run: DagRun, **pools: str) -> str | None:
    """Begin a run whose tasks take slots of these pools, and read its note."""
    tasks = [SimpleNamespace(task_id=task, pool=pool) for task, pool in pools.items()]
    tagged: Any = SimpleNamespace(tags={"perennial", "predict"}, tasks=tasks)
    run.dag = tagged
    return end(session, run, DagRunState.RUNNING)


def test_a_run_that_waits_for_a_pool_that_is_not_there_says_so_until_it_has_ended(
    session: Session, dag_run: DagRun
) -> None:
    said = begin(session, dag_run, ingest="default_pool", score="scoring", train="training")
    assert said is not None
    assert "there is no pool scoring, training, so score, train will wait forever" in said
    assert "airflow pools set" in said
    leave(session, dag_run, "score", Line(then="scored by v1"), 1)
    assert "pool" not in (end(session, dag_run) or "")


def test_a_run_whose_pools_are_there_begins_without_a_note(session: Session, dag_run: DagRun) -> None:
    session.add(Pool(pool="scoring", slots=1, include_deferred=False))
    session.flush()
    assert begin(session, dag_run, ingest="default_pool", score="scoring") is None


def test_airflow_has_the_listener() -> None:
    assert listener in get_listener_manager().pm.get_plugins()


@pytest.mark.parametrize("state", [DagRunState.SUCCESS, DagRunState.FAILED])
def test_the_lines_are_joined_in_the_order_of_the_tasks_the_alarm_first(
    session: Session, dag_run: DagRun, state: DagRunState
) -> None:
    leave(session, dag_run, "score", Line(then="scored by v3"), 2)
    leave(session, dag_run, "ingest", Line(then="2013-03-08: 914 rows"), 1)
    leave(session, dag_run, "monitor", Line(first="ALARM: drift in origin"), 3)
    assert end(session, dag_run, state) == f"ALARM: drift in origin. 2013-03-08: 914 rows, scored by v3. {LINK}"
    assert session.get(DagRun, dag_run.id).state == state  # type: ignore[union-attr]


def test_a_task_that_died_without_a_word_is_named(session: Session, dag_run: DagRun) -> None:
    leave(session, dag_run, "validate", Line(first="FAILED validate: 3 rows"), 1)
    fail(session, dag_run, "validate")
    fail(session, dag_run, "late_data")
    assert (
        end(session, dag_run, DagRunState.FAILED) == f"FAILED validate: 3 rows; FAILED late_data: see its log. {LINK}"
    )


def notice(session: Session, run: DagRun, task: str, event: str, extra: str, try_number: int = 1) -> None:
    """As the scheduler writes it into the audit log."""
    session.execute(
        insert(Log.__table__).values(
            dttm=AT, dag_id=run.dag_id, run_id=run.run_id, task_id=task, map_index=-1, try_number=try_number,
            event=event, extra=extra,
        )
    )  # fmt: skip


def test_what_airflow_noticed_of_a_task_without_a_log_is_told(session: Session, dag_run: DagRun) -> None:
    for task in ("ingest", "validate", "score"):
        fail(session, dag_run, task)
    notice(session, dag_run, "ingest", "stuck in queued tries exceeded", "Task was requeued more than 2 times.")
    lost = "Executor x reported that … finished with state failed, but … is running."
    notice(session, dag_run, "validate", "state mismatch", f"{lost} Extra info: Pod failed because of Evicted")
    notice(session, dag_run, "score", "state mismatch", lost)
    said = end(session, dag_run, DagRunState.FAILED)
    assert said == (
        "FAILED ingest: it never started: no worker or pod took it in time; FAILED validate: its process was lost "
        f"(Pod failed because of Evicted); FAILED score: its process was lost. {LINK}"
    )


def test_what_airflow_noticed_of_an_earlier_try_is_not_why_the_last_one_failed(
    session: Session, dag_run: DagRun
) -> None:
    fail(session, dag_run, "score")
    notice(session, dag_run, "score", "state mismatch", "lost", try_number=0)
    assert end(session, dag_run, DagRunState.FAILED) == f"FAILED score: see its log. {LINK}"


def test_what_a_person_wrote_stays(session: Session, dag_run: DagRun) -> None:
    leave(session, dag_run, "ingest", Line(then="914 rows"), 1)
    dag_run.note = ("I look into it", "ada")
    session.commit()
    assert end(session, dag_run) == "I look into it"


def test_what_a_person_writes_in_the_request_that_ends_the_run_stays(session: Session, dag_run: DagRun) -> None:
    leave(session, dag_run, "ingest", Line(then="914 rows"), 1)
    session.commit()
    dag_run.note = ("marked, because the source was wrong", "ada")
    assert end(session, dag_run) == "marked, because the source was wrong"


def test_a_run_that_is_repeated_has_the_last_note(session: Session, dag_run: DagRun) -> None:
    leave(session, dag_run, "ingest", Line(then="914 rows"), 1)
    assert end(session, dag_run) == f"914 rows. {LINK}"
    session.execute(XComModel.__table__.delete())  # as Airflow does when a task starts again
    leave(session, dag_run, "ingest", Line(then="920 rows"), 2)
    assert end(session, dag_run) == f"920 rows. {LINK}"


def test_runs_without_lines_and_dags_of_others_have_no_note(session: Session, dag_run: DagRun) -> None:
    assert end(session, dag_run) is None
    leave(session, dag_run, "ingest", Line(then="914 rows"), 1)
    others: Any = SimpleNamespace(tags={"theirs"})
    dag_run.dag = others
    assert end(session, dag_run) is None


def test_an_error_is_logged_and_holds_no_scheduler_up(
    session: Session, dag_run: DagRun, caplog: pytest.LogCaptureFixture
) -> None:
    leave(session, dag_run, "ingest", {"something": "else"}, 1)
    assert end(session, dag_run) is None
    assert session.get(DagRun, dag_run.id).state == DagRunState.SUCCESS  # type: ignore[union-attr]
    assert "flight_delays.predict run gets no note. Its tasks' XComs named 'verdict' have the lines" in caplog.text
    assert "KeyError" in caplog.text


def test_a_note_that_can_not_be_written_leaves_the_transaction_usable(
    session: Session, dag_run: DagRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person's note that came in the same moment: the database refuses a second one."""
    leave(session, dag_run, "ingest", Line(then="914 rows"), 1)

    def twice(run: DagRun, text: str, session: Session) -> None:
        for _ in range(2):
            session.execute(insert(DagRunNote.__table__).values(dag_run_id=run.id, content=text))

    monkeypatch.setattr(listener, "_replace_note", twice)
    assert end(session, dag_run) is None
    assert session.get(DagRun, dag_run.id).state == DagRunState.SUCCESS  # type: ignore[union-attr]


def test_the_listener_brings_nothing_heavy_into_every_process() -> None:
    script = """
import sys
import airflow.listeners
before = set(sys.modules)
import perennial_airflow.listener
new = {name for name in set(sys.modules) - before if not name.startswith("perennial")}
assert not [name for name in new if name.partition(".")[0] in ("sqlalchemy", "pandas", "pyarrow", "numpy")], new
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
