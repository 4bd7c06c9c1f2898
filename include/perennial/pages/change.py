"""`python -m perennial.pages.change`: makes one change that a person asked for on a page, and ends.

The process that writes the pages only reads. A change comes seldom, so it gets a process of its own, with connections
that may write: what it imports and what may fail in it stay out of the server, as with the pages. A person waits for
it, so it imports nothing that reads sources or makes models, which would take most of the time.
"""

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from perennial import clock
from perennial.alerting import words
from perennial.encoding import as_json, from_json
from perennial.errors import (
    AlertChanged,
    AlreadyAccepted,
    AlwaysHolds,
    InvalidWindow,
    MayNotAnswer,
    NotAsked,
    NotEnoughData,
    NotIngested,
    PerennialError,
    QuestionClosed,
    SnapshotChanged,
    TransientError,
    WindowBusy,
)
from perennial.jobs.retrain import approval
from perennial.jobs.upkeep import quarantine
from perennial.ledger.entries import REVIEW_PAGE
from perennial.pages.asked import Answer, Asked, NothingThere, asked_use_case, asked_window
from perennial.ports import Ports
from perennial.records import human_labels
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial.wiring_records import open_records
from perennial.wording import counted

JSON = "application/json"
OK, FORBIDDEN, NOT_FOUND, CONFLICT, UNPROCESSABLE, BROKEN, UNAVAILABLE = 200, 403, 404, 409, 422, 500, 503
LONGEST_REASON = 1_000
PATIENCE = 10.0  # seconds that a person waits for a run that holds the window
INTERNAL = "The change was not made, as far as is known; the server's log says why. Look at the page again."

REFUSALS: dict[type[PerennialError], tuple[int, str]] = {
    MayNotAnswer: (FORBIDDEN, "This answer would not count"),
    QuestionClosed: (CONFLICT, "This can't be answered any more"),
    AlertChanged: (CONFLICT, "The alert has changed: look again"),
    SnapshotChanged: (CONFLICT, "The window has changed: look again"),
    AlreadyAccepted: (CONFLICT, "Somebody did so before: look again"),
    WindowBusy: (CONFLICT, "A run is working on this window right now"),
    AlwaysHolds: (UNPROCESSABLE, "Nobody can accept what this rule caught"),
    NotAsked: (UNPROCESSABLE, "The answer can't be taken"),
    NotEnoughData: (UNPROCESSABLE, "There is nothing to accept"),
    NotIngested: (UNPROCESSABLE, "The window has no rows yet"),
    InvalidWindow: (UNPROCESSABLE, "This address names no window"),
    TransientError: (UNAVAILABLE, "The records can't be written right now"),
    PerennialError: (BROKEN, "The change can't be made"),
}


def _sensible(reason: str) -> str:
    given = reason.replace("\r\n", "\n").strip()
    if not given:
        raise ValueError("say why; it is kept beside your name")
    if any(not each.isprintable() and each not in "\n\t\u200d\u200c" for each in given):
        raise ValueError("it holds characters that can't be shown; write it without them")
    return given


Reason = Annotated[str, Field(max_length=LONGEST_REASON), AfterValidator(_sensible)]


class AcceptForm(BaseModel):
    """What a person sends to let in what a rule caught: in the rows of the `snapshot` that the page showed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    rule: Annotated[str, Field(min_length=1, max_length=500)]
    snapshot: Annotated[str, Field(min_length=1, max_length=100)]
    reason: Reason


class AcknowledgeForm(BaseModel):
    """What a person sends to say that they know of an alert: of what it was about when the page showed it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    key: Annotated[str, Field(min_length=1, max_length=500)]
    seen: Annotated[str, Field(min_length=1, max_length=100)]
    reason: Reason


class SilenceForm(BaseModel):
    """What a person sends to hear nothing of an alert for a while."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    key: Annotated[str, Field(min_length=1, max_length=500)]
    length: Literal["1h", "4h", "1d", "7d", "30d"]
    reason: Reason


class ApprovalForm(BaseModel):
    """A person's answer to whether a model may be deployed.

    The server fills it in, from what it knows of the person; of what was sent it takes the option and the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    run: Annotated[str, Field(min_length=1, max_length=1_000)]
    option: Literal["Approve", "Reject"]
    reason: Reason
    person_id: Annotated[str, Field(min_length=1, max_length=500)]
    roles: list[str]
    shown: Annotated[str, Field(max_length=100_000)]
    place: Annotated[str, Field(min_length=1, max_length=2_000)]


class ReplayForm(BaseModel):
    """What a person sends to have a window replayed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    reason: Reason


class AnswerForm(BaseModel):
    """What a person sends to say what the outcome of a row is; an `answer` of "" takes theirs back."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    entity: Annotated[str, Field(min_length=1, max_length=500)]
    answer: Annotated[str, Field(max_length=50)]


@dataclass(frozen=True)
class ChangeAsked:
    """The change that the user `actor` asks for: one of `CHANGES`, with what was sent as its `body`.

    One of `ALERT_CHANGES`, and `APPROVAL`, is about no `window`, which is "" then.
    """

    change: str
    use_case: str
    window: str
    actor: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Changed:
    """What is on record now, and in whose name; `said` tells it in a sentence."""

    use_case: str
    window: Window | None
    actor: str
    run_id: str
    said: str
    format: Literal[1] = 1


def _accepted(use_case: LoadedUseCase, window: Window, body: dict[str, Any], ports: Ports, actor: str, run: str) -> str:
    form = AcceptForm.model_validate(body)
    found = quarantine.accept(
        use_case, window, form.rule, ports, run, actor=actor, reason=form.reason, looked_at=form.snapshot
    )
    return f"{counted(found.rows, 'row')} accepted by {actor}. They are let in when the window is validated again."


def _replayed(use_case: LoadedUseCase, window: Window, body: dict[str, Any], ports: Ports, actor: str, run: str) -> str:
    form = ReplayForm.model_validate(body)
    quarantine.ask_replay(use_case, window, ports, run, actor=actor, reason=form.reason)
    return f"It is on record that {actor} asked for a replay."


def _answered(use_case: LoadedUseCase, window: Window, body: dict[str, Any], ports: Ports, actor: str, run: str) -> str:
    form = AnswerForm.model_validate(body)
    human_labels.answer(
        use_case,
        window,
        form.entity,
        human_labels.outcome_of(use_case.spec, form.answer) if form.answer else None,
        ports,
        run,
        author=actor,
        answered_at=clock.now(),
        origin="page",
    )
    if not form.answer:
        return f"{actor} took the answer back. The row is asked about again."
    prediction = human_labels.question_about(use_case, window, form.entity, ports).prediction
    return f"{actor} answered {form.answer}. The model had predicted {prediction:.3g}."


CHANGES: dict[str, Callable[[LoadedUseCase, Window, dict[str, Any], Ports, str, str], str]] = {
    "accepted": _accepted,
    "replayed": _replayed,
    "answered": _answered,
}
LENGTHS = {"1h": 1, "4h": 4, "1d": 24, "7d": 7 * 24, "30d": 30 * 24}  # hours


def _acknowledged(use_case: LoadedUseCase, body: dict[str, Any], ports: Ports, actor: str, run: str) -> str:
    form = AcknowledgeForm.model_validate(body)
    words.acknowledge(use_case.spec, form.key, form.seen, ports.ledger, run, actor=actor, reason=form.reason)
    return f"It is on record that {actor} knows of it. If something is added to it, people are told again."


def _silenced(use_case: LoadedUseCase, body: dict[str, Any], ports: Ports, actor: str, run: str) -> str:
    form = SilenceForm.model_validate(body)
    until = clock.now() + timedelta(hours=LENGTHS[form.length])
    words.silence(use_case.spec, form.key, until, ports.ledger, run, actor=actor, reason=form.reason)
    return f"{actor} silenced it until {until:%Y-%m-%d %H:%M} UTC."


APPROVAL = "approval"  # no route takes it from a browser: see `perennial_airflow.answers`


def _approval(use_case: LoadedUseCase, asked: ChangeAsked, settings: Settings, ports: Ports, run: str) -> str:
    form = ApprovalForm.model_validate(asked.body)
    given = approval.Answered(
        approve=form.option == "Approve",
        person_id=form.person_id,
        person=asked.actor,
        roles=tuple(form.roles),
        reason=form.reason,
        shown=form.shown,
        place=form.place,
    )
    kept = approval.answer(use_case, form.run, given, settings.approver_roles, ports.ledger, run)
    return f"It is on record that {kept.approver} {kept.answer} it, as {kept.role}."


ALERT_CHANGES: dict[str, Callable[[LoadedUseCase, dict[str, Any], Ports, str, str], str]] = {
    "acknowledged": _acknowledged,
    "silenced": _silenced,
}


def change(asked: ChangeAsked, settings: Settings, ports: Ports) -> Answer:
    """Make the change. What can't be done is an answer, too, that says why and what to do."""
    place = Asked("change", {"use_case": asked.use_case, "window": asked.window}, (asked.use_case,), "", "")
    run_id = f"{REVIEW_PAGE}{clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"
    try:
        use_case = asked_use_case(place, settings)
        window = None if asked.change in {*ALERT_CHANGES, APPROVAL} else asked_window(place, use_case)
        if asked.change == APPROVAL:
            said = _approval(use_case, asked, settings, ports, run_id)
        elif window is None:
            said = ALERT_CHANGES[asked.change](use_case, asked.body, ports, asked.actor, run_id)
        else:
            said = CHANGES[asked.change](use_case, window, asked.body, ports, asked.actor, run_id)
    except NothingThere as error:
        return refusal(NOT_FOUND, "There is no such page", str(error))
    except ValidationError as error:
        return refusal(UNPROCESSABLE, "The change is not clear", _problems(error))
    except PerennialError as error:
        status, title = next(told for kind, told in REFUSALS.items() if isinstance(error, kind))
        return refusal(status, title, str(error))
    made = Changed(use_case.name, window, asked.actor, run_id, said)
    return Answer(OK, JSON, json.dumps(as_json(made)).encode())


def refusal(status: int, error: str, detail: str) -> Answer:
    """That nothing was changed, why, and what to do."""
    return Answer(status, JSON, json.dumps({"error": error, "detail": detail}).encode())


def _problems(error: ValidationError) -> str:
    found = (
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_url=False, include_input=False)
    )
    return "; ".join(found) + "."


def main() -> int:
    """Make the change that is asked for in the line on the input; the answer is a line with its head, then its body."""
    try:
        found = _changed(sys.stdin.buffer.readline())
    except Exception as error:  # noqa: BLE001 - whoever asked gets an answer, and the log the whole story
        sys.stderr.write(f"A change failed: {error!r}\n{traceback.format_exc()}")
        found = refusal(BROKEN, "The change can't be made", INTERNAL)
    head = asdict(found) | {"body": None, "length": len(found.body)}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + found.body)
    return 0


def _changed(line: bytes) -> Answer:
    asked = from_json(ChangeAsked, json.loads(line))
    try:
        settings = Settings.from_environment()
        connections = EnvironmentConnections(settings.environment)
        ports = open_records(settings, connections, lock_timeout=PATIENCE)
    except PerennialError as error:
        return refusal(UNAVAILABLE, "The records can't be written right now", str(error))
    return change(asked, settings, ports)


if __name__ == "__main__":
    sys.exit(main())
