"""One change that a person asked for on a page: what is recorded, and what is answered when it can't be made."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import settings_of

from perennial.errors import InvalidSettings, StoreUnavailable, WindowBusy
from perennial.jobs.predict import ingest, validate
from perennial.ledger.entries import REVIEW_PAGE, ApprovalRequest, InterventionKind
from perennial.pages import change as changing
from perennial.pages.change import ChangeAsked, change

RULE = "expect_column_values_to_be_between(weight)"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path)
    made.put("weight", {made.rows_of(31)[3]: -60.0})
    ingest_and_validate(made, 31)
    return made


def digest(world: World) -> str:
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(31))
    assert snapshot is not None
    return snapshot.digest


def ask(world: World, what: str = "accepted", **different: Any) -> tuple[int, dict[str, str]]:
    body = {"rule": RULE, "snapshot": digest(world), "reason": "a new kind"}
    given = {"use_case": "parcels", "window": world.day(31).key, "actor": "ada", "body": body} | different
    found = change(ChangeAsked(what, **given), settings_of(world), world.ports)
    assert found.media_type == "application/json"
    return found.status, json.loads(found.body)


def accepting(world: World, **different: Any) -> dict[str, Any]:
    return {"rule": RULE, "snapshot": digest(world), "reason": "a new kind", **different}


def recorded(world: World) -> int:
    return len(world.ports.ledger.interventions("parcels"))


def test_what_was_accepted_is_on_record_under_the_users_name_and_from_the_pages(world: World) -> None:
    status, told = ask(world, body=accepting(world, reason="  a new\r\nkind "))
    assert (status, told["actor"], told["format"]) == (200, "ada", 1)
    assert told["said"] == "1 row accepted by ada. They are let in when the window is validated again."
    (entry,) = world.ports.ledger.interventions("parcels", InterventionKind.ROWS_ACCEPTED)
    assert (entry.actor, entry.reason, entry.details["snapshot_digest"]) == ("ada", "a new\nkind", digest(world))
    assert entry.run_id == told["run_id"]
    assert entry.run_id.startswith(REVIEW_PAGE)


def test_a_replay_that_was_asked_for_is_on_record(world: World) -> None:
    status, told = ask(world, "replayed", body={"reason": "the source was mended"})
    assert (status, told["said"]) == (200, "It is on record that ada asked for a replay.")
    (entry,) = world.ports.ledger.interventions("parcels")
    assert (entry.kind, entry.actor, entry.subject) == (InterventionKind.REPLAY_ASKED, "ada", world.day(31).key)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reason": " \n "}, "reason: say why; it is kept beside your name."),
        ({"reason": "x" * 1001}, "reason: String should have at most 1000 characters."),
        ({"reason": "null\x00byte"}, "reason: it holds characters that can't be shown; write it without them."),
        ({"reason": "turned \u202e round"}, "reason: it holds characters that can't be shown; write it without them."),
        ({"reason": "\ud800"}, "reason: "),
        ({"reason": 5}, "reason: Input should be a valid string."),
        ({"rule": ["a"]}, "rule: Input should be a valid string."),
        ({"actor": "somebody else"}, "actor: Extra inputs are not permitted."),
        ({"snapshot": ""}, "snapshot: String should have at least 1 character."),
    ],
)
def test_what_is_not_clear_is_refused(world: World, wrong: dict[str, Any], said: str) -> None:
    status, told = ask(world, body=accepting(world, **wrong))
    assert (status, told["error"]) == (422, "The change is not clear")
    assert told["detail"].startswith(said)
    assert recorded(world) == 0


def test_nothing_is_changed_without_a_reason_or_a_rule(world: World) -> None:
    for what, body in (("accepted", {}), ("replayed", {}), ("replayed", {"reason": "r", "rule": "x"})):
        assert ask(world, what, body=body)[0] == 422
    assert recorded(world) == 0


def test_a_second_person_is_told_that_the_first_did_it(world: World) -> None:
    assert ask(world)[0] == 200
    status, told = ask(world, actor="grace")
    assert (status, told["error"]) == (409, "Somebody did so before: look again")
    assert told["detail"].startswith("ada accepted what ")
    assert recorded(world) == 1


def test_rows_that_came_since_are_to_be_looked_at_first(world: World) -> None:
    seen = accepting(world)
    world.change(31, "service", "rail")
    ingest.run(world.use_case, world.day(31), world.ports, "test")
    validate.run(world.use_case, world.day(31), world.ports, "test")
    status, told = ask(world, body=seen)
    assert (status, told["error"]) == (409, "The window has changed: look again")
    assert recorded(world) == 0


@pytest.mark.parametrize(
    ("rule", "error"),
    [("unique_key(parcel)", "There is nothing to accept"), ("'; DROP TABLE ledger", "There is nothing to accept")],
)
def test_what_caught_nothing_cannot_be_accepted(world: World, rule: str, error: str) -> None:
    status, told = ask(world, body=accepting(world, rule=rule))
    assert (status, told["error"]) == (422, error)
    assert recorded(world) == 0


def test_rules_that_always_hold_say_what_to_do(world: World) -> None:
    first, second = world.rows_of(31)[:2]
    world.put("parcel", {first: second})  # a parcel's number is its position
    ingest_and_validate(world, 31)
    status, told = ask(world, body=accepting(world, rule="unique_key(parcel)"))
    assert (status, told["error"]) == (422, "Nobody can accept what this rule caught")
    assert "Correct the source" in told["detail"]


@pytest.mark.parametrize("what", changing.CHANGES)
@pytest.mark.parametrize(
    ("place", "status"),
    [
        ({"window": "nonsense"}, 422),
        ({"window": "../../etc/passwd"}, 422),
        ({"window": "2024-02-01T00:00Z--2024-02-03T00:00Z"}, 422),
        ({"window": "2024-02-20T00:00Z--2024-02-21T00:00Z"}, 422),  # never ingested
        ({"use_case": "other"}, 404),
        ({"use_case": "../parcels"}, 404),
    ],
)
def test_what_is_not_there_cannot_be_changed(world: World, what: str, place: dict[str, str], status: int) -> None:
    body = {"reason": "r"} if what == "replayed" else accepting(world)
    assert ask(world, what, body=body, **place)[0] == status
    assert recorded(world) == 0


@pytest.mark.parametrize(("error", "status"), [(WindowBusy("busy"), 409), (StoreUnavailable("down"), 503)])
def test_a_run_that_holds_the_window_and_a_ledger_that_is_down_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    body = accepting(world)

    @contextmanager
    def refuses(*_: object) -> Iterator[None]:
        raise error
        yield

    monkeypatch.setattr(world.ports.ledger, "working_on", refuses)
    found, told = ask(world, body=body)
    assert (found, told["detail"]) == (status, str(error))


class Standard:
    """A stream as `sys.stdin` and `sys.stdout` are: what matters is its buffer."""

    def __init__(self, content: bytes = b"") -> None:
        self.buffer = io.BytesIO(content)


def run_process(monkeypatch: pytest.MonkeyPatch, line: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    out = Standard()
    monkeypatch.setattr(sys, "stdin", Standard(line))
    monkeypatch.setattr(sys, "stdout", out)
    assert changing.main() == 0
    head, _, body = out.buffer.getvalue().partition(b"\n")
    found = json.loads(head)
    assert found["length"] == len(body)
    return found, json.loads(body)


def test_the_process_answers_a_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PERENNIAL_LEDGER", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("PERENNIAL_USE_CASES", str(world.use_case.folder.parent))
    monkeypatch.setattr(changing, "open_records", lambda *_, **__: world.ports)
    asked = {"change": "accepted", "use_case": "parcels", "window": world.day(31).key, "actor": "ada"}
    line = json.dumps({**asked, "body": accepting(world)}).encode() + b"\n"
    head, told = run_process(monkeypatch, line)
    assert (head["status"], head["media_type"], told["actor"]) == (200, "application/json", "ada")
    assert recorded(world) == 1


def test_the_process_imports_nothing_that_makes_models_or_reads_sources() -> None:
    heavy = ("sklearn", "scipy", "mlflow", "skops", "boto3", "great_expectations")
    code = f"import sys, perennial.pages.change; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_the_process_answers_also_when_nothing_works(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise InvalidSettings("there is no connection")

    monkeypatch.setenv("AIRFLOW_CONN_PERENNIAL_LEDGER", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setattr(changing, "open_records", missing)
    asked = {"change": "replayed", "use_case": "parcels", "window": world.day(31).key, "actor": "a", "body": {}}
    head, told = run_process(monkeypatch, json.dumps(asked).encode())
    assert (head["status"], told["detail"]) == (503, "there is no connection")
    head, told = run_process(monkeypatch, b"nonsense")
    assert (head["status"], told["error"]) == (500, "The change can't be made")
    assert "A change failed" in capsys.readouterr().err


def test_a_window_can_be_accepted_while_it_is_scored_already(world: World) -> None:
    first_model(world)
    predict(world, 31)
    assert ask(world)[0] == 200


def answering(world: World, **different: Any) -> dict[str, Any]:
    request = world.ports.ledger.approval_request("parcels", "parcels.retrain/one")
    shown = f"Question {request.subject[:12] if request else ''}"
    return {
        "run": "parcels.retrain/one", "option": "Approve", "reason": " better ", "person_id": "7",
        "roles": ["Viewer", "Approver"], "shown": shown, "place": "parcels.retrain/one/approve", **different,
    }  # fmt: skip


@pytest.fixture
def asked(world: World) -> World:
    """A world of which a run asks whether a model may be deployed."""
    world.ports.ledger.record_approval_request(
        ApprovalRequest("parcels", "s" * 64, "t", "m", "e", None, "medium", 1, "ann", {}, "parcels.retrain/one")
    )
    return world


def test_an_answer_to_an_approval_is_on_record_with_person_role_and_reason(asked: World) -> None:
    status, told = ask(asked, "approval", window="", body=answering(asked))
    assert (status, told["said"]) == (200, "It is on record that ada approved it, as Approver.")
    (entry,) = asked.ports.ledger.approvals("parcels")
    assert (entry.approver, entry.approver_id, entry.role, entry.reason) == ("ada", "7", "Approver", "better")
    assert entry.run_id.startswith(REVIEW_PAGE)


@pytest.mark.parametrize(
    ("different", "status", "said"),
    [
        ({"roles": ["Viewer"]}, 403, "ada has the roles Viewer; an answer counts from Admin or Approver"),
        ({"roles": []}, 403, "ada has no role that is known here"),
        ({"reason": " "}, 422, "say why"),
        ({"option": "Perhaps"}, 422, "Approve"),
        ({"run": "parcels.retrain/two"}, 409, "asks nothing"),
        ({"shown": "Question 0000"}, 409, "has judged again since"),
    ],
)
def test_an_answer_that_would_not_count_is_refused(
    asked: World, different: dict[str, Any], status: int, said: str
) -> None:
    found, told = ask(asked, "approval", window="", body=answering(asked, **different))
    assert (found, said in told["detail"]) == (status, True), told
    assert asked.ports.ledger.approvals("parcels") == []


def test_the_roles_whose_answers_count_are_a_setting(asked: World) -> None:
    settings = replace(settings_of(asked), approver_roles=("Risk",))
    given = ChangeAsked("approval", "parcels", "", "ada", answering(asked))
    assert change(given, settings, asked.ports).status == 403
    given = ChangeAsked("approval", "parcels", "", "ada", answering(asked, roles=["risk"]))
    assert change(given, settings, asked.ports).status == 200
