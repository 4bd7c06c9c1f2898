"""A window that is not there yet is waited for until its deadline, without a worker's place."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from perennial import errors
from perennial.jobs.predict.ingest import Ingested
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial_airflow.ingest import Ingest, StillToCome, next_look

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

WINDOW = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
DONE = Ingested(WINDOW, "d" * 64, 0, 9, changed=True)
DELAY, DEADLINE = timedelta(hours=2), timedelta(hours=8)


def patient(use_case: LoadedUseCase, *, allow_empty: bool = False) -> LoadedUseCase:
    schedule = use_case.spec.schedule.model_copy(update={"delay": DELAY, "deadline": DEADLINE})
    changes = {"schedule": schedule, "allow_empty": allow_empty}
    return replace(use_case, spec=use_case.spec.model_copy(update=changes))


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    from perennial_airflow import tasks

    monkeypatch.setattr(tasks, "open_ports", lambda settings, connections: object())
    return tasks


def source_answers(tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, answer: Any, after_end: timedelta) -> None:
    """The job's answer, so long after the window's end."""

    def run(*given: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("perennial.jobs.predict.ingest.run", run)
    monkeypatch.setattr(tasks.clock, "now", lambda: WINDOW.end + after_end)


ABSENT = [errors.EmptyWindow("no rows"), errors.NotReady("no marker")]


@pytest.mark.parametrize("absent", ABSENT)
@pytest.mark.parametrize("allow_empty", [False, True])
def test_before_the_deadline_it_is_asked_for_again(
    tasks: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    use_case: LoadedUseCase,
    make_run: Any,
    absent: Exception,
    allow_empty: bool,
) -> None:
    source_answers(tasks, monkeypatch, absent, timedelta(hours=3))
    with pytest.raises(StillToCome, match=str(absent)) as caught:
        tasks.ingest(patient(use_case, allow_empty=allow_empty), make_run("scheduled", (WINDOW.start, WINDOW.end)))
    assert caught.value.moment == WINDOW.end + timedelta(hours=3, minutes=6)


def test_at_the_deadline_it_fails_with_what_was_missing(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    source_answers(tasks, monkeypatch, errors.NotReady("there is no _SUCCESS yet"), DEADLINE)
    text = r"NotReady: .*there is no _SUCCESS yet The deadline of the window, 2013-03-02 08:00 UTC, has passed"
    with pytest.raises(AirflowFailException, match=text):
        tasks.ingest(patient(use_case), make_run("scheduled", (WINDOW.start, WINDOW.end)))


def test_an_empty_window_counts_as_empty_only_at_the_deadline(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    source_answers(tasks, monkeypatch, errors.EmptyWindow("no rows"), DEADLINE)
    monkeypatch.setattr("perennial.jobs.predict.ingest.note_empty", lambda *given: None)
    run = make_run("scheduled", (WINDOW.start, WINDOW.end))
    with pytest.raises(AirflowSkipException, match="no rows"):
        tasks.ingest(patient(use_case, allow_empty=True), run)
    with pytest.raises(AirflowFailException, match="no rows"):
        tasks.ingest(patient(use_case), run)


def test_without_a_deadline_it_is_asked_for_once(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    source_answers(tasks, monkeypatch, errors.EmptyWindow("no rows"), timedelta(0))
    with pytest.raises(AirflowFailException, match=r"EmptyWindow: 2013.*no rows$"):
        tasks.ingest(use_case, make_run("scheduled", (WINDOW.start, WINDOW.end)))


def test_the_task_is_deferred_to_a_clock_and_goes_on_where_the_window_is_there(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase
) -> None:
    with DAG("flight_delays.predict", schedule=None):
        task = Ingest(use_case=patient(use_case), task_id="ingest")
    dag_run = SimpleNamespace(
        dag_id="flight_delays.predict", run_id="r", run_type=SimpleNamespace(value="scheduled"),
        data_interval_start=WINDOW.start, data_interval_end=WINDOW.end, run_after=WINDOW.end,
        triggering_user_name=None,
    )  # fmt: skip
    context: Any = {"dag_run": dag_run, "params": {}}
    source_answers(tasks, monkeypatch, errors.EmptyWindow("no rows"), DELAY)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(context)
    trigger: Any = caught.value.trigger
    path, arguments = trigger.serialize()
    assert path == "airflow.providers.standard.triggers.temporal.DateTimeTrigger"
    assert arguments["moment"] == WINDOW.end + DELAY + timedelta(seconds=30)
    assert (trigger.moment, caught.value.method_name) == (WINDOW.end + DELAY + timedelta(seconds=30), "ask_again")
    source_answers(tasks, monkeypatch, DONE, DELAY + timedelta(seconds=30))
    assert task.ask_again(context, event=None)[0]["rows"] == 9


def test_pauses_grow_and_the_last_look_is_at_the_deadline() -> None:
    due, deadline = WINDOW.end, WINDOW.end + timedelta(days=1)
    now, looks = due, []
    while (following := next_look(due, deadline, now)) is not None:
        looks.append(following - now)
        now = following
    assert now == deadline
    assert looks[0] == timedelta(seconds=30)
    assert max(looks) == timedelta(minutes=10)
    assert looks[:-1] == sorted(looks[:-1])
    assert len(looks) < 24 * 8
    assert next_look(due, None, due) is None
