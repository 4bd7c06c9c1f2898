"""People's labels: what was asked of a window's rows, what people answered, and which answers count as labels.

The outcome that the source delivers stands when it comes, also against what a person said: it is what the label means,
and people answer before it is known. Until then an answer is the row's label, which arrived when it was given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NotAsked
from perennial.features.build import LARGEST_FEATURE
from perennial.ledger.entries import HumanLabel, ReviewSelection
from perennial.ports import Ports
from perennial.quality.labels import label_schema
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.window import Window


@dataclass(frozen=True)
class Question:
    """A row that people are asked about; see `ReviewSelection`, whose `revision` it was chosen in."""

    window: Window
    entity: str
    prediction: float
    probability: float
    doubtful: bool
    uniform: bool
    model_digest: str
    revision: int


Answers = Mapping[tuple[Window, str], Sequence[HumanLabel]]
"""By window and entity the last answer of each person that was not withdrawn, in the order in which they were given."""


def questions_of(selections: Iterable[ReviewSelection]) -> list[Question]:
    """The questions of the selections, in their order."""
    return [
        Question(window=each.window, revision=each.revision, **question)
        for each in selections
        for question in each.questions
    ]


def answers_of(labels: Iterable[HumanLabel]) -> Answers:
    """Which answers stand, of entries in the order in which they were given: the last of them counts."""
    found: dict[tuple[Window, str], dict[str, HumanLabel]] = {}
    for each in labels:
        of_row = found.setdefault((each.window, each.entity), {})
        of_row.pop(each.author, None)
        if each.value is not None:
            of_row[each.author] = each
    return {row: tuple(of_row.values()) for row, of_row in found.items() if of_row}


def human_outcomes(spec: UseCase, window: Window, as_of: datetime, ports: Ports) -> pa.Table:
    """The answers about the window's rows that count at `as_of`, as labels; of a spec without `review`, none.

    Errors: `StoreUnavailable`.
    """
    schema = label_schema(spec)
    if spec.review is None:
        return schema.empty_table()
    entries = ports.ledger.human_labels_between(spec.name, window.start, window.end, answered_by=as_of)
    last = [said[-1] for said in answers_of(entries).values()]
    values = [each.value for each in last]
    columns = {
        spec.key: pa.array([each.entity for each in last], pa.string()).cast(schema.field(spec.key).type),
        spec.labels.column: pa.array(values, pa.float64()).cast(schema.field(spec.labels.column).type),
        spec.labels.arrival_time: pa.array([each.answered_at for each in last], pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns).select(schema.names).cast(schema)


def beside(settled: pa.Table, human: pa.Table, key: str) -> pa.Table:
    """Of people's outcomes those of rows that the source says nothing of."""
    if human.num_rows == 0 or settled.num_rows == 0:
        return human
    known = settled.column(key).cast(human.schema.field(key).type).combine_chunks()
    return human.filter(pc.invert(pc.is_in(human.column(key), value_set=known)))


def chosen_as_doubtful(spec: UseCase, window: Window, ports: Ports) -> frozenset[str]:
    """The rows that were asked about because their predictions were doubtful, and not as part of the random share."""
    selections = ports.ledger.selections_between(spec.name, window.start, window.end)
    return frozenset(each.entity for each in questions_of(selections) if not each.uniform)


def question_about(use_case: LoadedUseCase, window: Window, entity: str, ports: Ports) -> Question:
    """What people are asked about the row. Errors: `NotAsked`, `StoreUnavailable`."""
    name = use_case.name
    selections = ports.ledger.selections_between(name, window.start, window.end)
    found = next((each for each in questions_of(selections) if each.entity == entity), None)
    if found is None:
        raise NotAsked(
            f"Nobody is asked about {use_case.spec.key} {entity} of {name} {window}. `perennial review list {name}` "
            "lists the questions. An answer to another row would make the estimate biased."
        )
    return found


def answer(
    use_case: LoadedUseCase,
    window: Window,
    entity: str,
    value: float | None,
    ports: Ports,
    run_id: str,
    *,
    author: str,
    answered_at: datetime,
    origin: str,
) -> HumanLabel:
    """Put on record what a person says the outcome of a row is, or with None that the answer is withdrawn.

    `value` is 1 or 0 for a classification. The same answer, given again, is the one that is there.
    Errors: `NotAsked` when nobody was asked about the row, the value is no outcome, or there is no answer of the author
    to withdraw; `StoreUnavailable`.
    """
    spec = use_case.spec
    if value is not None and not _is_outcome(spec.task, value):
        wanted = (
            "1 (yes) or 0 (no)" if spec.task is Task.BINARY_CLASSIFICATION else f"a number up to {LARGEST_FEATURE:.3g}"
        )
        raise NotAsked(f"{value} is no outcome of {spec.name}: answer with {wanted}.")
    found = question_about(use_case, window, entity, ports)
    if value is None:
        before = answers_of(ports.ledger.human_labels_between(spec.name, window.start, window.end))
        if author not in {each.author for each in before.get((window, entity), ())}:
            raise NotAsked(f"{author} has no answer about {spec.key} {entity} of {spec.name} {window} to take back.")
    return ports.ledger.record_human_label(
        HumanLabel(
            use_case=spec.name,
            window=window,
            entity=entity,
            author=author,
            answered_at=answered_at,
            value=value,
            revision=found.revision,
            model_digest=found.model_digest,
            probability=found.probability,
            origin=origin,
            run_id=run_id,
        )
    )


WORDS = {"yes": 1.0, "no": 0.0, "1": 1.0, "0": 0.0}


def outcome_of(spec: UseCase, said: str) -> float:
    """The outcome that a person wrote: yes or no, 1 or 0; of a regression, a number. Errors: `NotAsked` for others."""
    if spec.task is Task.BINARY_CLASSIFICATION:
        found = WORDS.get(said.strip().lower())
    else:
        try:
            found = float(said)
        except ValueError:
            found = None
    if found is None:
        wanted = "yes or no" if spec.task is Task.BINARY_CLASSIFICATION else "a number, such as 12.5"
        raise NotAsked(f"{said!r} is no outcome of {spec.name}: answer with {wanted}.")
    return found


def _is_outcome(task: Task, value: Any) -> bool:
    if task is Task.BINARY_CLASSIFICATION:
        return value in (0, 1)
    return bool(abs(value) <= LARGEST_FEATURE)  # beyond it no model can be judged, as by the source's own outcomes
