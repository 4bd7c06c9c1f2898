"""Label Studio: rows to label in the form that it imports, and answers in the form that it exports.

Each task carries the name of its row (`perennial`), so that an answer finds its row whatever number Label Studio gave
the task. A task exported twice, or answered in two projects, is still one row.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from perennial.errors import InvalidWindow, NotAsked, SourceRejected
from perennial.handover.label_studio_api import LabelStudio
from perennial.ledger.port import Ledger
from perennial.ports import Ports
from perennial.records import human_labels
from perennial.review.open_questions import OpenQuestion, OpenQuestions
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.window import Window
from perennial.wording import counted

MOST = 1_000  # rows handed over at once
CONTROL, OBJECT = "outcome", "row"


class _Named(BaseModel):
    use_case: str
    window: str
    entity: str


class _Data(BaseModel):
    perennial: _Named | None = None


class _Person(BaseModel):
    email: str


class _Value(BaseModel):
    choices: tuple[str, ...] = ()
    number: float | None = None


class _Result(BaseModel):
    from_name: str = ""
    value: _Value = _Value()


class _Annotation(BaseModel):
    completed_by: int | _Person | None = None
    was_cancelled: bool = False
    updated_at: AwareDatetime
    result: tuple[_Result, ...] = ()


class ExportedTask(BaseModel):
    """A task as Label Studio exports it (exportType=JSON), as far as it is needed here."""

    id: int
    data: _Data
    annotations: tuple[_Annotation, ...] = ()


_EXPORT = TypeAdapter(tuple[ExportedTask, ...])


@dataclass(frozen=True)
class Pushed:
    """How many rows were sent, and how many the project had before."""

    sent: int
    there: int


@dataclass(frozen=True)
class Taken:
    """How many answers are `new`, and how many were taken before (`known`).

    `skipped` tasks have no answer, or one that somebody gave up; `others` are no rows of this use case. `refused` says
    of each answer that can't be used, why.
    """

    new: int
    known: int
    skipped: int
    others: int
    refused: tuple[str, ...]
    format: Literal[1] = 1


def interface(spec: UseCase) -> str:
    """The labelling interface of a project for the use case, in Label Studio's XML.

    Its table shows the row; the prediction is not in it.
    """
    title = quoteattr(f"{spec.title}: {spec.labels.column}?")
    if spec.task is Task.BINARY_CLASSIFICATION:
        control = (
            f'<Choices name="{CONTROL}" toName="{OBJECT}" choice="single" required="true" showInline="true">'
            '<Choice value="yes" hotkey="y"/><Choice value="no" hotkey="n"/></Choices>'
        )
    else:
        control = f'<Number name="{CONTROL}" toName="{OBJECT}" required="true"/>'
    return f'<View><Header value={title}/><Table name="{OBJECT}" value="${OBJECT}"/>{control}</View>'


def tasks(found: OpenQuestions) -> list[dict[str, Any]]:
    """The rows that wait for an answer, as Label Studio imports them."""
    return [_task(found, each) for each in found.questions]


def _task(found: OpenQuestions, question: OpenQuestion) -> dict[str, Any]:
    shown = {name: "" if value is None else str(value) for name, value in question.values.items()}
    named = {"use_case": found.use_case, "window": question.window.key, "entity": question.entity}
    return {"data": {"perennial": named, OBJECT: {found.key: question.entity, **shown}}}


def read(content: bytes) -> Sequence[ExportedTask]:
    """What Label Studio exported. Errors: `SourceRejected` when it is not its JSON."""
    try:
        return _EXPORT.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        mistakes = counted(error.error_count(), "mistake")
        raise SourceRejected(
            f"This is not what Label Studio exports as JSON: {place}: {first['msg']} ({mistakes}). Choose JSON, not "
            "JSON-MIN or CSV, when you export."
        ) from error


def push(found: OpenQuestions, server: LabelStudio, project: int) -> Pushed:
    """Send the rows that the project does not have. Errors: `SourceUnavailable`, `SourceRejected`."""
    named = [each.data.perennial for each in read(server.exported(project))]
    names = {(each.use_case, each.window, each.entity) for each in named if each is not None}
    new = [
        task
        for task, question in zip(tasks(found), found.questions, strict=True)
        if (found.use_case, question.window.key, question.entity) not in names
    ]
    if new:
        server.send(project, json.dumps(new).encode())
    return Pushed(len(new), len(found.questions) - len(new))


def take(
    use_case: LoadedUseCase,
    exported: Sequence[ExportedTask],
    people: Mapping[int, str],
    ports: Ports,
    run_id: str,
    now: datetime,
) -> Taken:
    """Put the answers on record as they were given: at Label Studio's time, in the name of who gave them.

    `people` maps Label Studio's numbers of users to their e-mail addresses. Errors: `StoreUnavailable`.
    """
    new = known = skipped = others = 0
    refused: list[str] = []
    for task in exported:
        named = task.data.perennial
        if named is None or named.use_case != use_case.name:
            others += 1
            continue
        if not [each for each in task.annotations if each.result and not each.was_cancelled]:
            skipped += 1
        for each in task.annotations:
            if each.was_cancelled or not each.result:
                continue
            try:
                is_new = _take(use_case, named, each, people, ports, run_id, now)
            except (NotAsked, InvalidWindow) as error:
                refused.append(f"task {task.id}: {error}")
            else:
                new, known = new + is_new, known + (not is_new)
    return Taken(new, known, skipped, others, tuple(refused))


def _take(
    use_case: LoadedUseCase,
    named: _Named,
    given: _Annotation,
    people: Mapping[int, str],
    ports: Ports,
    run_id: str,
    now: datetime,
) -> bool:
    """Whether the answer is new. Errors: `NotAsked`."""
    window = Window.parse(named.window)
    if given.updated_at > now:
        raise NotAsked(f"its time, {given.updated_at:%Y-%m-%d %H:%M:%S %Z}, is in the future.")
    result = next((each for each in given.result if each.from_name == CONTROL), None)
    if result is None:
        raise NotAsked(f"it does not answer {CONTROL!r}: the interface is not what `perennial review export` prints.")
    said = result.value.choices[0] if result.value.choices else str(result.value.number)
    author = given.completed_by
    name = author.email if isinstance(author, _Person) else people.get(author or 0, f"user {author}")
    value = human_labels.outcome_of(use_case.spec, said)
    before = _answers(use_case.name, window, ports.ledger)
    found = human_labels.answer(
        use_case,
        window,
        named.entity,
        value,
        ports,
        run_id,
        author=name,
        answered_at=given.updated_at,
        origin="Label Studio",
    )
    return found.id not in before


def _answers(use_case: str, window: Window, ledger: Ledger) -> set[int | None]:
    return {each.id for each in ledger.human_labels_between(use_case, window.start, window.end)}
