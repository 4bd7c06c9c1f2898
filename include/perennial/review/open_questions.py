"""The review queue as people read it: the rows that wait for an answer, with what a reviewer sees of them.

The model's prediction is not among it until the row was answered: who reads it first tends to agree with it, and then
the agreement tells nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import RowsExpired
from perennial.ledger.entries import HumanLabel, ReviewMeasurement
from perennial.ports import Ports
from perennial.quality.outcome import json_safe
from perennial.records.human_labels import Question, answers_of, questions_of
from perennial.records.labels import settled_labels
from perennial.records.retained import snapshot_table
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.window import Window

LOOKED_AT = 60  # selections, the newest first, where fewer windows are read
SHOWN = 25  # rows on one page
WINDOWS_READ = 15  # for one page
RECENT = 10  # answers that can be corrected


@dataclass(frozen=True)
class OpenQuestion:
    """A row that waits for an answer; `values` are the columns that a reviewer sees, None where one is missing."""

    window: Window
    entity: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """An answer that stands, with what the model had predicted; `others` gave another one."""

    window: Window
    entity: str
    value: float
    author: str
    answered_at: datetime
    prediction: float
    others: tuple[str, ...]


@dataclass(frozen=True)
class OpenQuestions:
    """The queue of a use case, the newest window first.

    `waiting` rows of these `windows` wait for an answer, `questions` are the first of them; `answered` ones have one.
    Of `decided` rows the source's outcome came, so that nobody needs to answer. `earlier` is what to ask for as `until`
    to see the windows before these, None where there are none. `recent` are the last answers, the newest first.
    `measured` is what evaluation made of the answers, None before.
    """

    use_case: str
    key: str
    task: Task
    asks: bool
    windows: int
    waiting: int
    decided: int
    answered: int
    questions: tuple[OpenQuestion, ...]
    recent: tuple[Answered, ...]
    earlier: datetime | None
    measured: ReviewMeasurement | None
    format: Literal[1] = 1


def run(
    use_case: LoadedUseCase,
    now: datetime,
    ports: Ports,
    until: datetime | None = None,
    *,
    most: int = SHOWN,
    windows_read: int = WINDOWS_READ,
) -> OpenQuestions:
    """The queue of the windows that ended by `until` (default: the newest), as many as it takes to find `most` rows.

    Of at most `windows_read` of them the outcomes that came are read, which is what a page costs.
    Errors: `StoreUnavailable`.
    """
    spec, ledger = use_case.spec, ports.ledger
    looked_at = max(LOOKED_AT, windows_read)
    selections = ledger.last_selections(spec.name, looked_at, until)
    windows = sorted({each.window for each in selections}, reverse=True)
    by_window: dict[Window, list[Question]] = {window: [] for window in windows}
    for question in questions_of(sorted(selections, key=lambda each: (each.window, each.revision))):
        by_window[question.window].append(question)
    entries: Sequence[HumanLabel] = []
    if windows:
        entries = ledger.human_labels_between(spec.name, windows[-1].start, windows[0].end)
    answers = answers_of(entries)
    shown: list[OpenQuestion] = []
    covered = read = waiting = decided = answered = 0
    for window, questions in by_window.items():
        if len(shown) == most or read == windows_read:
            break
        covered += 1
        unanswered = [each for each in questions if (window, each.entity) not in answers]
        answered += len(questions) - len(unanswered)
        if not unanswered:
            continue
        read += 1
        known = _decided(use_case, window, now, ports)
        left = [each for each in unanswered if each.entity not in known]
        decided += len(unanswered) - len(left)
        waiting += len(left)
        if left:
            shown += _shown(spec, window, left[: most - len(shown)], ports)
    more = covered < len(windows) or len(selections) == looked_at
    return OpenQuestions(
        use_case=spec.name,
        key=spec.key,
        task=spec.task,
        asks=spec.review is not None,
        windows=covered,
        waiting=waiting,
        decided=decided,
        answered=answered,
        questions=tuple(shown),
        recent=_recent(answers.values(), by_window),
        earlier=windows[covered - 1].start if windows and more else None,
        measured=ledger.last_review_measurement(spec.name),
    )


def _decided(use_case: LoadedUseCase, window: Window, now: datetime, ports: Ports) -> frozenset[str]:
    """The rows whose outcome the source has delivered, or of which it said that none will come."""
    settled = settled_labels(use_case, window, now, ports)
    return frozenset(settled.column(use_case.spec.key).cast(pa.string()).to_pylist())


def _shown(spec: UseCase, window: Window, questions: Sequence[Question], ports: Ports) -> list[OpenQuestion]:
    """The questions with their rows, as the window's last snapshot has them."""
    snapshot = ports.ledger.latest_snapshot(spec.name, window)
    assert snapshot is not None, "what was scored was ingested"
    try:
        rows = snapshot_table(snapshot, ports)
    except RowsExpired:  # nobody can judge what nobody can see
        return []
    wanted = pa.array([each.entity for each in questions], pa.string())
    keys = rows.column(spec.key).cast(pa.string())
    found = rows.filter(pc.is_in(keys, value_set=wanted))
    columns = [name for name in seen_columns(spec) if name in found.column_names]
    entities = found.column(spec.key).cast(pa.string()).to_pylist()
    values = dict(zip(entities, found.select(columns).to_pylist(), strict=True))
    return [
        OpenQuestion(window, e.entity, {name: json_safe(v) for name, v in values.get(e.entity, {}).items()})
        for e in questions
    ]


def seen_columns(spec: UseCase) -> list[str]:
    """The columns that a reviewer sees beside the key: those that the spec names, or all; none that is personal."""
    named = spec.review.columns if spec.review is not None else ()
    return [name for name in named or spec.columns if name != spec.key and not spec.columns[name].personal]


def _recent(answers: Iterable[Sequence[HumanLabel]], questions: dict[Window, list[Question]]) -> tuple[Answered, ...]:
    last = sorted(answers, key=lambda said: said[-1].answered_at, reverse=True)[:RECENT]
    predictions = {(each.window, each.entity): each.prediction for of in questions.values() for each in of}
    return tuple(
        Answered(
            said[-1].window,
            said[-1].entity,
            said[-1].value,
            said[-1].author,
            said[-1].answered_at,
            predictions[said[-1].window, said[-1].entity],
            tuple(each.author for each in said[:-1] if each.value != said[-1].value),
        )
        for said in last
        if said[-1].value is not None and (said[-1].window, said[-1].entity) in predictions
    )
