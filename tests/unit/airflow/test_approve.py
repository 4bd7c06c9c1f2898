"""The tasks that ask people: what they show, and that they go by the ledger and not by what Airflow says."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput

from perennial.encoding import as_json
from perennial.jobs.retrain import approval
from perennial.jobs.retrain.approval import Answered
from perennial.jobs.retrain.judge import Judged
from perennial.jobs.retrain.train import Trained
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.spec.load import LoadedUseCase
from perennial.spec.risk import Risk
from perennial.verdict import ApprovalAnswer
from perennial_airflow import approve, asked
from perennial_airflow.approve import AskPeople
from perennial_airflow.run import Run

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

RUN = "flight_delays.retrain/manual__1"
TRAINED = Trained("boosting", "a" * 64, {"roc_auc": 0.7}, 100, 20, 1.5)
JUDGED = Judged("the set", "promote", ("better by [0.02](https://evil.example)",), {}, None, TRAINED, "b" * 64)
BEN = {"id": "7", "name": "ben"}
WENT_ON, ASKED = "went on", "asked"
ASK, GO_ON = HITLOperator.execute, ApprovalOperator.execute_complete  # Airflow's own


@dataclass
class Task:
    """The task in a run, with what came before it on record."""

    operator: AskPeople
    ledger: InMemoryLedger
    use_case: LoadedUseCase
    judged: dict[str, Any]
    lines: list[dict[str, str]] = field(default_factory=list)

    @property
    def context(self) -> Any:
        return {"ti": SimpleNamespace(xcom_pull=lambda task_ids: self.judged)}

    def execute(self) -> Any:
        return self.operator.execute(self.context)

    def resume(self, option: str, person: dict[str, str] | None = BEN) -> Any:
        event = {"chosen_options": [option], "params_input": {"why": "r"}, "responded_by_user": person}
        return self.operator.execute_complete(self.context, event)

    def answer(self, person: str, *, option: bool = True, task: str = "approve") -> None:
        request = self.ledger.approval_request("flight_delays", RUN)
        assert request is not None
        given = Answered(option, f"id of {person}", person, ("Admin",), "why not", request.subject, f"{RUN}/{task}")
        approval.answer(self.use_case, RUN, given, ("Admin",), self.ledger, "page__1")


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, use_case: LoadedUseCase, make_run: Callable[..., Run]) -> Callable[..., Task]:
    def made(number: int = 1, judged: Judged = JUDGED, *, on_record: bool = True) -> Task:
        risk = Risk.model_validate(
            {"purpose": "p", "impact": "high", "likelihood": "high", "autonomy": "decides", "personal_data": False}
        )
        risky = replace(use_case, spec=use_case.spec.model_copy(update={"risk": risk}))
        run = make_run()
        ledger = InMemoryLedger(lambda: run.run_after)
        numbers = {
            "metric": "roc_auc", "verdict": "better", "gain": 0.0213, "low": 0.011, "high": 0.031, "confidence": 0.95,
            "rows_compared": 12_000, "windows": 14, "slices": 5, "slices_worse": 0, "slices_not_judged": 2,
            "winner_digest": "a" * 64, "tested_value": 0.7, "rival_value": 0.6787,
        }  # fmt: skip
        ledger.record_decision(
            RecordedDecision(
                "flight_delays",
                DecisionKind.PROMOTE,
                "the set against none",
                run.run_after,
                "promote",
                (),
                numbers,
                RUN,
            )
        )
        if on_record:
            approval.ask(risky, judged, run.run_after, ledger, RUN, requester="ann")
        task = Task(AskPeople(use_case=risky, number=number), ledger, risky, as_json(judged))
        own = replace(run, name=RUN, leave=lambda line: task.lines.append(line.to_json()))
        monkeypatch.setattr(Run, "of", lambda context: own)
        monkeypatch.setattr(asked, "open_ports", lambda settings, connections: SimpleNamespace(ledger=ledger))
        monkeypatch.setattr(ApprovalOperator, "execute", lambda self, context: ASKED)
        monkeypatch.setattr(ApprovalOperator, "execute_complete", lambda self, context, event: (WENT_ON, event))
        return task

    return made


def test_what_people_are_shown_is_what_the_ledger_has(make: Callable[..., Task]) -> None:
    task = make()
    assert task.execute() == ASKED
    request = task.ledger.approval_request("flight_delays", RUN)
    assert request is not None
    assert task.operator.subject == "Late arrivals of flights from New York: deploy boosting? (1 of 2)"
    body = str(task.operator.body)
    for said in (
        "| verdict | better than a prediction without skill |",
        "| gain in ROC AUC | 0.021 (0.011 to 0.031, 95%) |",
        "| compared on | 12,000 rows of 14 windows |",
        "| ROC AUC | 0.700, without skill 0.679 |",
        "| slices | 5, none worse by more than the margin, 2 not judged: see below |",
        "| instead of | none: it is the first |",
        "| risk tier | high: 2 people must approve |",
        "| asked for by | ann |",
        "[Report](dags/flight_delays.retrain/runs/manual__1/plugin/perennial-report)",
        f"Question `{request.subject[:12]}`",
    ):
        assert said in body
    assert "[0.02](https" not in body
    assert "\\[0.02\\](https://evil.example)" in body


def test_what_a_later_model_is_compared_with_is_the_champion(make: Callable[..., Task]) -> None:
    task = make()
    request = task.ledger.approval_request("flight_delays", RUN)
    assert request is not None
    _, body = asked.texts(task.use_case, asked.Question(RUN, "", request=replace(request, champion_id=3)), 1)
    for said in (
        "| verdict | better than the champion |",
        "| ROC AUC | 0.700, the champion's 0.679 |",
        "| instead of | deployment 3 |",
    ):
        assert said in body


def test_where_the_champion_stays_nobody_is_asked(make: Callable[..., Task]) -> None:
    stays = Judged("the set", "reject", ("no gain",), {}, 1, None, None)
    with pytest.raises(AirflowSkipException, match="the champion stays: there is nothing to approve"):
        make(judged=stays).execute()


def test_the_second_person_is_asked_after_the_first(make: Callable[..., Task]) -> None:
    task = make(2)
    task.answer("ben")
    assert task.execute() == ASKED
    assert "(2 of 2)" in task.operator.subject
    assert "| approved by | ben |" in str(task.operator.body)


def test_what_was_approved_on_record_is_not_asked_again(make: Callable[..., Task]) -> None:
    task = make()
    task.answer("ben")
    assert task.execute() is None
    second = make(2)
    second.answer("ben")
    second.answer("carla", task="approve_second")
    assert second.execute() is None


def test_what_was_rejected_is_not_asked_again(make: Callable[..., Task]) -> None:
    task = make()
    task.answer("ben", option=False)
    with pytest.raises(AirflowSkipException, match="ben rejected it: why not"):
        task.execute()


@pytest.mark.parametrize("on_record", [True, False])
def test_what_judge_did_not_put_on_record_is_asked_of_nobody(make: Callable[..., Task], on_record: bool) -> None:
    task = make(on_record=on_record)
    task.judged = as_json(replace(JUDGED, winner=replace(TRAINED, digest="c" * 64)))
    with pytest.raises(AirflowFailException, match=r"is not the one that it recorded.*Clear the task `judge`"):
        task.execute()


def test_a_run_without_a_result_of_judge_says_so(make: Callable[..., Task]) -> None:
    task = make()
    task.judged = None  # type: ignore[assignment]
    with pytest.raises(AirflowFailException, match="`judge` has passed on no result"):
        task.execute()


def test_an_approval_on_record_lets_the_run_go_on(make: Callable[..., Task]) -> None:
    task = make()
    task.answer("ben")
    assert task.resume("Approve")[0] == WENT_ON


def test_an_answer_that_is_on_no_record_fails_the_task_and_is_told(make: Callable[..., Task]) -> None:
    task = make()
    with pytest.raises(AirflowFailException, match=r"has an answer of ben, and the ledger has no approval.*Clear this"):
        task.resume("Approve")
    assert task.lines[0]["first"].startswith("FAILED approve: Airflow has an answer of ben")


def test_one_approval_is_not_enough_for_the_second_task(make: Callable[..., Task]) -> None:
    task = make(2)
    task.answer("ben")
    with pytest.raises(AirflowFailException, match="no approval that counts"):
        task.resume("Approve")


def test_a_rejection_is_told_with_its_reason_and_skips_what_follows(make: Callable[..., Task]) -> None:
    task = make()
    task.answer("ben", option=False)
    assert task.resume("Reject")[0] == WENT_ON  # Airflow's own operator skips what follows
    assert task.lines[0]["first"] == "not approved, and the champion stays: ben rejected it: why not"


@pytest.mark.parametrize("option", ["Reject", "Approve"])
def test_that_nobody_answered_goes_on_record_whatever_is_said(make: Callable[..., Task], option: str) -> None:
    task = make()
    went_on, event = task.resume(option, person=None)
    assert (went_on, event["chosen_options"]) == (WENT_ON, ["Reject"])
    assert event["params_input"] == {}  # the form is empty, which its own rule would refuse
    (entry,) = task.ledger.approvals("flight_delays")
    assert (entry.answer, entry.approver, entry.answered_in) == (ApprovalAnswer.EXPIRED, "", f"{RUN}/approve")
    assert "nobody answered approve in time" in task.lines[0]["first"]
    assert task.execute() == ASKED  # when it is cleared


def test_there_are_as_many_tasks_as_people(make: Callable[..., Task]) -> None:
    assert [task.task_id for task in approve.ask_people(make().use_case)] == ["approve", "approve_second"]


def test_airflows_own_operator_puts_the_question_and_waits(
    make: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, put = make(), {}
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **given: put.update(given))
    monkeypatch.setattr(ApprovalOperator, "execute", ASK)
    monkeypatch.setattr(
        Task,
        "context",
        {"ti": SimpleNamespace(xcom_pull=lambda task_ids: task.judged), "task_instance": SimpleNamespace(id=1)},
    )
    with pytest.raises(TaskAwaitingInput):
        task.execute()
    assert (put["options"], put["defaults"], put["multiple"]) == (["Approve", "Reject"], ["Reject"], False)
    assert "| verdict | better than a prediction without skill |" in put["body"]
    assert put["params"]["why"]["value"] is None


@pytest.mark.parametrize(("option", "skipped"), [(True, []), (False, ["deploy"])])
def test_airflows_own_operator_skips_what_follows_a_rejection_only(
    make: Callable[..., Task], monkeypatch: pytest.MonkeyPatch, option: bool, skipped: list[str]
) -> None:
    task, found = make(), []
    task.answer("ben", option=option)
    monkeypatch.setattr(ApprovalOperator, "execute_complete", GO_ON)
    monkeypatch.setattr(ApprovalOperator, "skip", lambda self, ti, tasks: found.extend(each.task_id for each in tasks))
    with DAG("flight_delays.retrain", schedule=None) as dag:
        dag.add_task(task.operator)
        task.operator >> EmptyOperator(task_id="deploy")
    context = {"ti": SimpleNamespace(xcom_pull=lambda task_ids: task.judged), "task": task.operator}
    monkeypatch.setattr(Task, "context", context)
    event = {
        "chosen_options": ["Approve" if option else "Reject"], "params_input": {"why": "r"}, "responded_by_user": BEN,
        "responded_at": datetime(2030, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    task.operator.execute_complete(task.context, event)
    assert found == skipped
