"""What the task of the alerts' DAG does: for each use case, whatever becomes of the others and of the receivers."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.unit.airflow.receivers import Hook, Mailbox, mail_server, web_server
from tests.unit.airflow.test_known_runs import Airflow
from tests.unit.airflow.test_known_runs import run as failed_run
from tests.unit.airflow.test_notifiers import NO_RETRY
from tests.unit.jobs.test_approval import at
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import START, World, make_world

from perennial.errors import StoreUnavailable, ValidationFailed, WindowBusy
from perennial.ledger.entries import ApprovalRequest
from perennial.spec.alerts import Route, Severity
from perennial.spec.broken import BrokenUseCase
from perennial.spec.load import LoadedUseCase
from perennial_airflow.note import Line

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

NOW = START + timedelta(days=33, hours=1)
ROUTE = Route(connection="hook", severities=tuple(Severity))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Days 30 and 31 are scored, 32 is refused."""
    world = make_world(tmp_path_factory.mktemp("lived"))
    first_model(world)
    for day in (30, 31):
        predict(world, day)
    world.change(32, "weight", -99.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 32)
    return world


@pytest.fixture
def use_case(lived: World) -> LoadedUseCase:
    return replace(lived.use_case, spec=lived.use_case.spec.model_copy(update={"alerts": (ROUTE,)}))


@pytest.fixture
def telling(lived: World, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    from perennial import clock
    from perennial_airflow import telling

    ports = replace(lived.ports, ledger=lived.ports.ledger.copy())  # type: ignore[attr-defined]
    monkeypatch.setattr(telling, "open_ports", lambda settings, connections: ports)
    monkeypatch.setattr(telling, "previous_run", lambda dag, before, state: None)
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return telling


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    receiver = Hook()
    with web_server(receiver) as port:
        monkeypatch.setenv("AIRFLOW_CONN_HOOK", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/team")
        yield receiver


@pytest.fixture
def left() -> list[Line]:
    return []


@pytest.fixture
def run(left: list[Line], make_run: Any) -> Any:
    return replace(make_run("scheduled"), name="platform.alerts/one", leave=left.append)


def test_a_refused_window_reaches_the_receiver(
    telling: ModuleType, use_case: LoadedUseCase, hook: Hook, run: Any, left: list[Line]
) -> None:
    (found,) = telling.tell([use_case], run, Airflow())
    assert (found["noticed"], found["delivered"], found["waiting"]) == (1, 1, [])
    ((_, _, body),) = hook.requests
    alerts = {each["alert"]["key"]: each["alert"] for each in body["news"]}
    refused = alerts["windows_refused"]
    assert refused["severity"] == "critical"
    assert refused["subjects"] == ["2024-02-02T00:00Z--2024-02-03T00:00Z"]
    assert "weight" in refused["cause"]
    assert "https://airflow.example.org/team/perennial/dags/parcels.predict/windows/2024-02-02T00" in body["text"]
    assert left == [Line(then="1 delivered")]


def test_a_run_that_failed_is_told_with_its_place(
    telling: ModuleType, use_case: LoadedUseCase, hook: Hook, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = NOW - timedelta(hours=2)
    failed = failed_run("scheduled__1", 1, ended=at)
    airflow = Airflow({"parcels.evaluate": [failed]})
    monkeypatch.setattr(telling, "previous_run", airflow.previous)
    telling.tell([use_case], run, airflow)
    alerts = {each["alert"]["key"]: each["alert"] for each in hook.requests[0][2]["news"]}
    told = alerts["run_failed:parcels.evaluate"]
    assert told["where"] == "run scheduled__1 of parcels.evaluate"
    assert told["link"] == "dags/parcels.evaluate/runs/scheduled__1"
    assert told["since"] == at.isoformat().replace("+00:00", "Z")


def test_a_receiver_that_is_down_fails_no_task_and_is_in_the_note(
    telling: ModuleType, use_case: LoadedUseCase, hook: Hook, run: Any, left: list[Line],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    hook.statuses = [500]
    with caplog.at_level(logging.WARNING):
        (found,) = telling.tell([use_case], run, Airflow())
    assert found["delivered"] == 0
    assert left[0].first.startswith("FAILED to deliver, tried again later: hook, notice 1, attempt 1:")
    assert "was not delivered to hook" in caplog.text


def test_one_that_goes_wrong_holds_no_other_back(
    telling: ModuleType, use_case: LoadedUseCase, hook: Hook, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = telling.outbox.run

    def unavailable(spec: Any, *args: Any, **kwargs: Any) -> Any:
        if spec.name == "broken":
            raise StoreUnavailable("The ledger did not answer.")
        return usual(spec, *args, **kwargs)

    monkeypatch.setattr(telling, "outbox", SimpleNamespace(run=unavailable, Delivered=telling.outbox.Delivered))
    broken = replace(use_case, spec=use_case.spec.model_copy(update={"name": "broken"}))
    with pytest.raises(StoreUnavailable):
        telling.tell([broken, use_case], run, Airflow())
    assert len(hook.requests) == 1


def test_while_another_process_tells_this_one_does_not(
    telling: ModuleType, use_case: LoadedUseCase, hook: Hook, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any, **__: Any) -> Any:
        raise WindowBusy("Another run holds it.")

    monkeypatch.setattr(telling, "outbox", SimpleNamespace(run=busy, Delivered=telling.outbox.Delivered))
    assert telling.tell([use_case], run, Airflow()) == []


def test_a_wrong_spec_reaches_the_receiver_that_it_names(
    telling: ModuleType, use_case: LoadedUseCase, hook: Hook, run: Any
) -> None:
    wrong = BrokenUseCase("orders", "Orders", (ROUTE,), ("use_case.yaml:4: onwer: unknown key",))
    found = telling.tell([use_case], run, Airflow(), [wrong])
    assert [(each["use_case"], each["delivered"]) for each in found] == [("parcels", 1), ("orders", 1)]
    (told,) = hook.requests[1][2]["news"]
    assert (told["alert"]["key"], told["alert"]["cause"]) == ("invalid_spec", "use_case.yaml:4: onwer: unknown key.")


APPROVERS = Route(connection="mail", recipients=("approvers@example.org",), approvals_only=True)
ASKED_IN = "parcels.retrain/drift__2024-02-01T00:00Z"
WAITING = "A new model waits for a person's approval."


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    with mail_server(box) as port:
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", f"smtp://127.0.0.1:{port}/?{NO_RETRY}")
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/team")
        yield box


@pytest.fixture
def asking(lived: World, telling: ModuleType) -> LoadedUseCase:
    """A use case of high risk, whose retraining has asked people; its approvers are mailed."""
    ledger = telling.open_ports(None, None).ledger
    shown = {"candidate": "trees", "reasons": ["trees is better than the champion: 0.02 in roc_auc."]}
    ledger._clock = lambda: NOW - timedelta(hours=2)
    ledger.record_approval_request(
        ApprovalRequest("parcels", "s1", "t1", "m2", "e1", None, "high", 2, "ann", shown, ASKED_IN)
    )
    spec = at(lived, "high").use_case.spec.model_copy(update={"alerts": (APPROVERS,)})
    return replace(lived.use_case, spec=spec)


def html_of(mail: EmailMessage) -> str:
    html = mail.get_body(("html",))
    assert html is not None
    return str(html.get_content())


def told(telling: ModuleType, use_case: LoadedUseCase, run: Any, states: dict[str, str]) -> None:
    telling.tell([use_case], run, Airflow(tasks=states))


def test_an_open_question_is_mailed_once_to_approvers_until_it_is_answered(
    telling: ModuleType, asking: LoadedUseCase, mailbox: Mailbox, run: Any
) -> None:
    for _ in range(2):
        told(telling, asking, run, {"judge": "success", "approve": "awaiting_input"})
    (mail,), (envelope,) = mailbox.messages, mailbox.envelopes
    assert envelope.rcpt_tos == ["approvers@example.org"]
    assert mail["Subject"].endswith(f": warning, new: {WAITING}")
    said = html_of(mail)
    for part in (
        "run drift__2024-02-01T00:00Z of parcels.retrain",
        f"{NOW - timedelta(hours=2):%Y-%m-%d %H:%M} UTC",
        "trees is better than the champion: 0.02 in roc_auc.",
        "Compare it with the champion, then approve or reject it in Airflow, with a reason. 2 different people must "
        "approve, ann, who asked for it, not among them. Without an answer within 72 h the champion stays.",
        "https://airflow.example.org/team/dags/parcels.retrain/runs/drift__2024-02-01T00%3A00Z/tasks/approve/required_actions",
    ):
        assert part in said, part
    told(telling, asking, run, {"approve": "success", "approve_second": "awaiting_input"})
    assert len(mailbox.messages) == 2  # another person is asked
    assert "tasks/approve_second/required_actions" in html_of(mailbox.messages[1])
    told(telling, asking, run, {"approve": "success", "approve_second": "success", "deploy": "running"})
    assert mailbox.messages[2]["Subject"].endswith(f"resolved: {WAITING}")
    told(telling, asking, run, {"approve": "success", "approve_second": "success", "deploy": "success"})
    assert len(mailbox.messages) == 3


def test_other_receivers_get_the_question_beside_the_rest(
    telling: ModuleType, asking: LoadedUseCase, hook: Hook, run: Any
) -> None:
    asking = replace(asking, spec=asking.spec.model_copy(update={"alerts": (ROUTE,)}))
    told(telling, asking, run, {"approve": "deferred"})
    assert {"questions:parcels.retrain", "windows_refused"} <= {
        each["alert"]["key"] for each in hook.requests[0][2]["news"]
    }


def test_a_question_of_a_run_that_waits_no_more_is_nothing_to_answer(
    telling: ModuleType, asking: LoadedUseCase, mailbox: Mailbox, run: Any
) -> None:
    told(telling, asking, run, {"approve": "failed"})
    told(telling, asking, run, {})
    assert mailbox.messages == []
