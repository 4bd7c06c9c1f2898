"""From a DAG run to the jobs' arguments, and from their results to XCom."""

import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from perennial.errors import EmptyWindow
from perennial.jobs.predict.late import LateData
from perennial.jobs.retrain.judge import Judged
from perennial.jobs.retrain.train import Trained
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial_airflow.note import Line

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

PORTS = SimpleNamespace(ledger=InMemoryLedger(lambda: WINDOW.end))
WINDOW = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
AT = {"window": {"start": "2013-03-01T00:00:00Z", "end": "2013-03-02T00:00:00Z"}}


@dataclass(frozen=True)
class Done:
    window: Window


class Job:
    """Stands in for a job and keeps what it was given."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.calls.append((given, named))
        return self.result


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    from perennial_airflow import tasks

    monkeypatch.setattr(tasks, "open_ports", lambda settings, connections: PORTS)
    return tasks


ROOMS = {
    **dict.fromkeys(("ingest", "validate", "score", "monitor", "late"), "jobs.predict"),
    **dict.fromkeys(("collect_labels", "measure"), "jobs.evaluate"),
    **dict.fromkeys(("assemble", "check", "train", "judge", "show", "deploy", "rollback"), "jobs.retrain"),
    **dict.fromkeys(("reconcile", "maintain", "archive"), "jobs.upkeep"),
    "preview": "review",
}


def stand_in(monkeypatch: pytest.MonkeyPatch, job: str, result: Any) -> Job:
    job_run = Job(result)
    monkeypatch.setattr(f"perennial.{ROOMS[job]}.{job}.run", job_run)
    return job_run


@pytest.mark.parametrize("name", ["validate", "monitor"])
def test_a_window_task_works_on_what_the_task_before_did(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any, name: str
) -> None:
    job = stand_in(monkeypatch, name, Done(WINDOW))
    run = make_run()
    assert getattr(tasks, name)(use_case, run, [AT]) == [AT]
    assert job.calls == [((use_case, WINDOW, PORTS, run.name), {})]


def test_ingest_takes_its_windows_from_the_run(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    job = stand_in(monkeypatch, "ingest", Done(WINDOW))
    assert tasks.ingest(use_case, make_run("backfill", (WINDOW.start, WINDOW.end))) == [AT]
    assert job.calls[0][0][1] == WINDOW
    with pytest.raises(AirflowFailException, match=r"InvalidWindow: .* must say which windows"):
        tasks.ingest(use_case, make_run())


def test_score_uses_the_model_that_the_params_choose(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    job = stand_in(monkeypatch, "score", Done(WINDOW))
    assert tasks.score(use_case, make_run(model="pinned", model_version="7"), [AT | {"verdict": "warn"}]) == [
        AT | {"verdict": "warn"}
    ]
    assert str(job.calls[0][1]["model"]) == "pinned:7"
    with pytest.raises(AirflowFailException, match="NoModel"):
        tasks.score(use_case, make_run(model="pinned"), [AT])


@pytest.mark.parametrize("name", ["collect_labels", "assemble"])
def test_a_task_as_of_a_moment_takes_it_from_the_run(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any, name: str
) -> None:
    job = stand_in(monkeypatch, name, Done(WINDOW))
    run = make_run(as_of="2013-03-01")
    assert getattr(tasks, name)(use_case, run) == AT
    assert job.calls == [((use_case, datetime(2013, 3, 1, tzinfo=UTC), PORTS, run.name), {})]


def test_the_run_of_a_decision_that_was_answered_while_it_was_queued_is_skipped(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    """Somebody retrained by hand, in Airflow or at the command line, while the run was waiting for its turn."""
    job = stand_in(monkeypatch, "assemble", Done(WINDOW))
    ledger = InMemoryLedger(lambda: WINDOW.end)
    monkeypatch.setattr(tasks, "_open_ports", lambda: SimpleNamespace(ledger=ledger))
    as_of = WINDOW.end

    def record(kind: DecisionKind, action: str, run_id: str) -> None:
        ledger.record_decision(RecordedDecision("flight_delays", kind, run_id, as_of, action, ("why",), {}, run_id))

    record(DecisionKind.RETRAIN_ON_DRIFT, "retrain", "flight_delays.predict/one")
    queued = replace(make_run(as_of=as_of.isoformat()), name="flight_delays.retrain/drift__2013-03-02T00:00Z")
    record(DecisionKind.PROMOTE, "reject", queued.name)
    assert tasks.assemble(use_case, queued) == AT  # cleared by somebody: its own judgement is no answer
    record(DecisionKind.PROMOTE, "promote", "cli__by_hand")
    with pytest.raises(AirflowSkipException, match="carried out: cli__by_hand judged its candidates"):
        tasks.assemble(use_case, queued)
    by_hand = replace(queued, name="flight_delays.retrain/manual__2")
    assert tasks.assemble(use_case, by_hand) == AT  # who asks for it by hand gets it
    assert len(job.calls) == 2


def test_measure_fails_for_labels_that_were_refused_after_all_others_were_measured(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    job = stand_in(monkeypatch, "measure", Done(WINDOW))
    run = make_run(as_of="2013-03-01")
    assert tasks.measure(use_case, run, {"refused": []}) == AT
    assert job.calls == [((use_case, datetime(2013, 3, 1, tzinfo=UTC), PORTS, run.name), {})]
    with pytest.raises(AirflowFailException, match=r"(?s)labels of 1 window can't be used.*- March: column late"):
        tasks.measure(use_case, run, {"refused": ["March: column late holds 'maybe'"]})
    assert len(job.calls) == 2


def test_candidates_travel_through_xcom_to_the_judge_and_the_winner_to_deploy(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    trained = Trained("boosting", "a" * 64, {"roc_auc": 0.7}, 100, 20, 1.5)
    training = stand_in(monkeypatch, "train", trained)
    decided = Judged("the set", "promote", ("better",), {}, None, trained, "b" * 64)
    judging = stand_in(monkeypatch, "judge", decided)
    deploying = stand_in(monkeypatch, "deploy", Done(WINDOW))
    run = make_run(reason="drift: 4 alarms")

    result = tasks.train(use_case, run, {"training_id": "the set"}, "boosting")
    judged = tasks.judge(use_case, run, {"training_id": "the set"}, iter([result]))
    tasks.deploy(use_case, run, judged)

    assert training.calls[0][0][1:3] == ("the set", "boosting")
    assert judging.calls[0][0][1:3] == ("the set", [trained])
    (_, winner, _, _), named = deploying.calls[0]
    assert winner == decided
    assert named == {"actor": "ada", "reason": "drift: 4 alarms"}


def test_where_the_champion_stays_deploy_is_skipped_with_the_reasons(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    deploying = stand_in(monkeypatch, "deploy", None)
    judged = tasks.as_json(Judged("the set", "reject", ("No gain.", "Few rows."), {}, 1, None, None))
    with pytest.raises(AirflowSkipException, match=r"The champion stays: No gain\. Few rows\."):
        tasks.deploy(use_case, make_run(reason="by hand"), judged)
    assert deploying.calls == []


@pytest.mark.parametrize(("effective_from", "moment"), [(None, None), ("2013-04-01", datetime(2013, 4, 1, tzinfo=UTC))])
def test_a_rollback_passes_on_version_reason_and_moment(
    tasks: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    use_case: LoadedUseCase,
    make_run: Any,
    effective_from: str | None,
    moment: datetime | None,
) -> None:
    job = stand_in(monkeypatch, "rollback", Done(WINDOW))
    run = make_run(version="3", reason="complaints", effective_from=effective_from)
    tasks.rollback(use_case, run)
    given = {"actor": "ada", "reason": "complaints", "effective_from": moment, "rescore_from": None}
    assert job.calls == [((use_case, "3", PORTS, run.name), given)]
    params = {"version": None, "reason": "complaints", "effective_from": None, "rescore_from": "2013-04-01"}
    tasks.rollback(use_case, make_run(**params))
    assert job.calls[-1][0][1] is None
    assert job.calls[-1][1]["rescore_from"] == datetime(2013, 4, 1, tzinfo=UTC)


def test_what_was_rolled_back_is_scored_again_and_said_so_or_fails(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    from perennial.jobs.evaluate import rescore
    from perennial.jobs.evaluate.rescore import Rescored

    lines: list[Line] = []
    run = replace(make_run(), leave=lines.append)
    with pytest.raises(AirflowSkipException, match="No window is to be scored again"):
        tasks.score_again(use_case, run)
    monkeypatch.setattr(rescore, "run", Job(Rescored(3, (), 61.4)))
    assert tasks.score_again(use_case, run) == {"windows": 3, "failed": [], "seconds": 61.4}
    assert lines[-1].then == "3 windows scored again, 61 s after the decision"
    monkeypatch.setattr(rescore, "run", Job(Rescored(2, ("2013-03-01: NoModel: gone",), None)))
    with pytest.raises(AirflowFailException, match=r"1 window of a rollback can't be scored again.*NoModel: gone"):
        tasks.score_again(use_case, run)


def test_without_stages_in_the_spec_measuring_ends_a_roll_out_and_the_note_says_so(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    from perennial.jobs.evaluate import rollout
    from perennial.jobs.evaluate.rollout import RolledOut

    lines: list[Line] = []
    stand_in(monkeypatch, "measure", Done(WINDOW))
    ended = Job(RolledOut(WINDOW.end, "version 2 leaves the shadow; the champion stays", "2", 0, "stop"))
    monkeypatch.setattr(rollout, "run", ended)
    tasks.measure(use_case, replace(make_run(as_of="2013-03-01"), leave=lines.append), {"refused": []})
    assert len(ended.calls) == 1
    assert lines[0].first == "roll-out: version 2 leaves the shadow; the champion stays"


def test_a_task_imports_its_own_job_only() -> None:
    script = """
import sys
from perennial_airflow import tasks
jobs = {name for name in sys.modules if name.startswith("perennial.jobs.")}
assert jobs <= {"perennial.encoding"}, jobs
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_only_a_scheduled_run_looks_for_late_data(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    job = stand_in(monkeypatch, "late", LateData(WINDOW, 3, (), 0, 0, 0, 0, ()))
    run = make_run("scheduled", (WINDOW.start, WINDOW.end))
    assert tasks.late_data(use_case, run)["windows"] == 3
    assert job.calls == [((use_case, WINDOW, PORTS, run.name), {})]
    for other in (make_run("backfill", (WINDOW.start, WINDOW.end)), make_run(window_from="2013-03-01")):
        with pytest.raises(AirflowSkipException, match="Only scheduled runs"):
            tasks.late_data(use_case, other)
    assert len(job.calls) == 1


def test_late_data_that_cannot_be_scored_fails_the_task(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Any
) -> None:
    stand_in(monkeypatch, "late", LateData(WINDOW, 3, (), 0, 0, 0, 0, (f"{WINDOW}: ValidationFailed: no",)))
    with pytest.raises(AirflowFailException, match=f"Late data .*: {WINDOW}: ValidationFailed: no"):
        tasks.late_data(use_case, make_run("scheduled", (WINDOW.start, WINDOW.end)))


@pytest.mark.parametrize("allowed", [True, False])
def test_a_window_that_may_be_empty_goes_on_record_as_such(
    tasks: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    use_case: LoadedUseCase,
    sparse_use_case: LoadedUseCase,
    make_run: Any,
    allowed: bool,
) -> None:
    def empty(*given: Any) -> None:
        raise EmptyWindow("no rows")

    monkeypatch.setattr("perennial.jobs.predict.ingest.run", empty)
    noted: list[Window] = []
    monkeypatch.setattr(
        "perennial.jobs.predict.ingest.note_empty", lambda use_case, window, ports, run_id: noted.append(window)
    )
    with pytest.raises((AirflowSkipException, AirflowFailException)):
        tasks.ingest(sparse_use_case if allowed else use_case, make_run("scheduled", (WINDOW.start, WINDOW.end)))
    assert noted == ([WINDOW] if allowed else [])
