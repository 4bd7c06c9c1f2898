"""Two revisions of a window side by side: what they were made of, and which predictions moved."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from perennial.ledger.entries import Batch
from perennial.ports import Ports
from perennial.records.batch import decision_rule
from perennial.records.scorers import challengers_part
from perennial.review import history
from perennial.review.comparison.difference import Difference, Rank, ranked, sentence
from perennial.review.history import ChangedRow, Revision
from perennial.spec.load import LoadedUseCase
from perennial.spec.names import Task
from perennial.window import Window
from perennial.wording import counted

SHA = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
SHOWN = 12  # characters of a digest
MOST_ROWS = 20  # that moved most are shown
DIGEST = "model digest"  # follows from the model, which is told
THRESHOLD = 0.5  # of a probability: the use case does not say which one its readers act on


@dataclass(frozen=True)
class MadeOf:
    """One thing that a revision is made of or by; `changed` says whether the two differ in it."""

    name: str
    before: str
    after: str
    changed: bool


@dataclass(frozen=True)
class RevisionsCompared:
    """Two revisions of a window. `sentence` says the most important of the `differences`, which are ranked.

    `same`, `changed`, `added` and `removed` count rows. Of the changed ones, `crossed` went to the other side of
    `threshold`; both are None where predictions are no probabilities. `rows` are the few that moved most.
    """

    use_case: str
    title: str
    window: Window
    before: Revision
    after: Revision
    sentence: str
    differences: tuple[Difference, ...]
    made_of: tuple[MadeOf, ...]
    same: int
    changed: int
    added: int
    removed: int
    mean_absolute_difference: float | None
    greatest_difference: float | None
    threshold: float | None
    crossed: int | None
    rows: tuple[ChangedRow, ...]
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, window: Window, before: int, after: int, ports: Ports) -> RevisionsCompared:
    """Compare two revisions. Errors: `NotScored` when there is no such one, `RowsRemoved`, `StoreUnavailable`."""
    spec = use_case.spec
    threshold = THRESHOLD if spec.task is Task.BINARY_CLASSIFICATION else None
    moved = history.diff(use_case, window, before, after, ports, most=MOST_ROWS, threshold=threshold)
    revisions = {each.revision: each for each in history.run(use_case, window, ports)}
    batches = {each.revision: each for each in ports.ledger.batches(spec.name, window)}
    made_of = _made_of(batches[before], batches[after])
    differences = ranked([*_of_rows(moved), *_of_parts(made_of)])
    return RevisionsCompared(
        use_case=spec.name,
        title=spec.title,
        window=window,
        before=revisions[before],
        after=revisions[after],
        sentence=sentence(differences, f"Revisions {before} and {after} have the same predictions, made of the same."),
        differences=differences,
        made_of=made_of,
        same=moved.same,
        changed=moved.changed,
        added=moved.added,
        removed=moved.removed,
        mean_absolute_difference=moved.mean_absolute_difference,
        greatest_difference=moved.greatest_difference,
        threshold=threshold,
        crossed=moved.crossed,
        rows=moved.rows,
    )


def _made_of(before: Batch, after: Batch) -> tuple[MadeOf, ...]:
    pairs = (
        ("rows that were ingested", before.snapshot_digest, after.snapshot_digest),
        ("model", f"version {before.model_version}", f"version {after.model_version}"),
        (DIGEST, before.model_digest, after.model_digest),
        ("challenger in roll-out", _challenger(before), _challenger(after)),
        ("expectations", before.suite_digest, after.suite_digest),
        ("what scoring depends on in the spec", before.scoring_digest, after.scoring_digest),
        ("decision", _decision_text(before), _decision_text(after)),
        ("how the model was chosen", before.resolution, after.resolution),
        ("code", before.code_version, after.code_version),
        ("dependencies", before.lock_digest, after.lock_digest),
    )
    return tuple(MadeOf(name, one, other, one != other) for name, one, other in pairs)


def _decision_text(batch: Batch) -> str:
    rule = decision_rule(batch)
    return rule.text if rule else "none"


def _challenger(batch: Batch) -> str:
    part = challengers_part(batch)
    return f"version {part.model_version} at {part.share}%" if part else "none"


def _of_rows(moved: history.Difference) -> Iterator[Difference]:
    if moved.crossed:
        said = f"{counted(moved.crossed, 'prediction')} went to the other side of {THRESHOLD}"
        yield Difference(Rank.OUTCOME, f"{said}.", "rows", moved.crossed)
    if moved.changed and moved.mean_absolute_difference is not None:
        by = f"{moved.mean_absolute_difference:.3g} on average, {moved.greatest_difference:.3g} at most"
        said = f"{counted(moved.changed, 'prediction')} moved, by {by}; {moved.same:,} stayed"
        yield Difference(Rank.DRIFT, f"{said}.", "rows", moved.changed)
    if moved.added:
        yield Difference(Rank.COLUMNS, f"{counted(moved.added, 'row')} came in.", "rows", moved.added)
    if moved.removed:
        yield Difference(Rank.COLUMNS, f"{counted(moved.removed, 'row')} went out.", "rows", moved.removed)


def _of_parts(made_of: tuple[MadeOf, ...]) -> Iterator[Difference]:
    for each in made_of:
        if each.changed and each.name != DIGEST:
            said = f"{each.name[0].upper()}{each.name[1:]}: {_short(each.after)} after {_short(each.before)}."
            yield Difference(Rank.MADE_OF, said, "made-of")


def _short(text: str) -> str:
    """A digest by its first characters, which name it; any other text whole."""
    return text[:SHOWN] if SHA.fullmatch(text) else text
