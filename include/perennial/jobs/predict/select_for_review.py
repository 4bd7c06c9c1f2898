"""Select for review: the rows of a scored window that people are asked about, each with a known probability."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NotScored, RowsRemoved
from perennial.lake.port import window_partition
from perennial.ledger.entries import Batch, ReviewSelection
from perennial.policy import sampling
from perennial.ports import Ports
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

log = logging.getLogger(__name__)

SALT = "perennial/review/1"


@dataclass(frozen=True)
class SelectedForReview:
    """How many of the window's rows people are asked about, as of its live revision.

    `rows` were to choose from, `doubtful` of them in the band. `changed` is false when they had been chosen before.
    """

    window: Window
    revision: int
    rows: int
    doubtful: int
    questions: int
    changed: bool


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> SelectedForReview:
    """Choose among the rows of the window's live revision that no earlier one had.

    What became of a row once is not decided again: another revision changes neither what was asked nor how likely it
    was to be. Without `review` in the spec, nothing is chosen and nothing recorded.
    Errors: `NotScored`, `StoreUnavailable`, `WindowBusy`, `LeaseLost`.
    """
    name = use_case.name
    if use_case.spec.review is None:
        return SelectedForReview(window, 0, 0, 0, 0, changed=False)
    with ports.ledger.working_on(f"{name}/review", window, run_id) as lease:
        batches = ports.ledger.batches(name, window)
        if not batches:
            raise NotScored(f"{name} {window} has no predictions yet, so there is nothing to ask people about.")
        made = ports.ledger.selections_between(name, window.start, window.end)
        before = next((each for each in made if each.revision == batches[-1].revision), None)
        if before is not None:
            return _selected(before, changed=False)
        decided = {each.revision for each in made}
        found = _select(use_case, batches[-1], [each for each in batches if each.revision in decided], ports, run_id)
        recorded = ports.ledger.record_selection(found, lease)
    log.info(
        "%s %s: people are asked about %d of %d rows, %d of which are doubtful",
        name, window, len(recorded.questions), recorded.rows, recorded.doubtful,
    )  # fmt: skip
    return _selected(recorded, changed=True)


def _select(
    use_case: LoadedUseCase, batch: Batch, earlier: Sequence[Batch], ports: Ports, run_id: str
) -> ReviewSelection:
    spec, review = use_case.spec, use_case.spec.review
    assert review is not None, "asked by `run`"
    rows = _undecided(_rows(batch, ports), spec.key, earlier, ports)
    predictions = rows.column("prediction").to_numpy()
    plan = sampling.plan(predictions, review.band, review.random_share, review.limit)
    entities = rows.column(spec.key).cast(pa.string()).to_pylist()
    number = sampling.numbers(entities, SALT, spec.name, batch.window.key)
    digests = rows.column("model_digest").to_pylist()
    return ReviewSelection(
        use_case=spec.name,
        window=batch.window,
        revision=batch.revision,
        rows=rows.num_rows,
        doubtful=int(np.count_nonzero(plan.doubtful)),
        questions=tuple(
            {
                "entity": entities[at],
                "prediction": float(predictions[at]),
                "probability": float(plan.probability[at]),
                "doubtful": bool(plan.doubtful[at]),
                "uniform": bool(number[at] < plan.uniform),
                "model_digest": digests[at],
            }
            for at in sampling.chosen(number, plan.probability)
        ),
        run_id=run_id,
    )


def _rows(batch: Batch, ports: Ports) -> pa.Table:
    return ports.lake.read(batch.table, window_partition(batch.window), version=batch.version)


def _undecided(rows: pa.Table, key: str, earlier: Sequence[Batch], ports: Ports) -> pa.Table:
    """The rows that no earlier selection could choose from, with a prediction that is a number."""
    for batch in earlier:
        try:
            known = _rows(batch, ports).column(key).combine_chunks()
        except RowsRemoved:  # so long ago that nobody is asked any more
            return rows.slice(0, 0)
        rows = rows.filter(pc.invert(pc.is_in(rows.column(key), value_set=known)))
    return rows.filter(pc.is_finite(rows.column("prediction")))


def _selected(entry: ReviewSelection, *, changed: bool) -> SelectedForReview:
    questions = len(entry.questions)
    return SelectedForReview(entry.window, entry.revision, entry.rows, entry.doubtful, questions, changed)
