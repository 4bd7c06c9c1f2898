"""Measure by people: what the sample that people were asked about says of all predictions of the newest model.

A sampled row counts with its outcome where the source's came, and else with what people answered. Which outcomes come
first is no accident, so rows without one stand for each other alone: those that were answered get the weight of those
that were not. Questions are asked in random order, so the answered ones are a random part of them.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from perennial.encoding import as_json
from perennial.ledger.entries import Batch, Performance, ReviewMeasurement, ReviewSelection
from perennial.performance.agreement import Judged, agreement
from perennial.performance.design_based import Sampled, design_based, effective_rows
from perennial.performance.interval import Interval, trailing
from perennial.performance.labels import truth_of, with_outcome
from perennial.performance.maturity import Maturity
from perennial.ports import Ports
from perennial.records.human_labels import Answers, Question, answers_of, questions_of
from perennial.records.labels import settled_labels
from perennial.records.retained import batch_table, removals
from perennial.spec.load import LoadedUseCase
from perennial.spec.retirement import RowClass
from perennial.window import Window, stamp

log = logging.getLogger(__name__)

LOOKED_AT = 60  # selections: the last windows, most of which have one


@dataclass(frozen=True)
class _Measured:
    """What is known of one window; `sample` is None where some of its rows have no answer that stands for them."""

    window: Window
    rows: int
    questions: int
    outcomes: int
    sample: Sampled | None
    judged: tuple[Judged, ...]


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str) -> ReviewMeasurement | None:
    """Measure the last windows that the newest model scored, and put it on record; None where nobody was asked.

    Errors: `StoreUnavailable`.
    """
    spec, ledger = use_case.spec, ports.ledger
    selections = ledger.last_selections(spec.name, LOOKED_AT, until=as_of) if spec.review is not None else []
    if not selections:
        return None
    since, until = selections[-1].window.start, selections[0].window.end
    live = {each.window: each for each in ledger.batches_between(spec.name, since, until)}
    newest = live[selections[0].window]
    chosen: dict[Window, list[ReviewSelection]] = defaultdict(list)
    for each in reversed(selections):
        if live[each.window].model_digest == newest.model_digest:
            chosen[each.window].append(each)
    answers = answers_of(ledger.human_labels_between(spec.name, since, until, answered_by=as_of))
    removed = removals(spec, as_of, ledger)
    measured = [
        _measure(use_case, live[window], questions_of(of_window), answers, as_of, ports)
        for window, of_window in chosen.items()
        if of_window[-1].revision == live[window].revision  # else rows came that nobody has been asked about yet
        and not removed.has(RowClass.PREDICTIONS, window, live[window].recorded_at)
    ]
    used = [each for each in measured if each.sample is not None]
    samples = [each.sample for each in used if each.sample is not None]
    judged = [each for window in measured for each in window.judged]
    found = ledger.record_review_measurement(
        ReviewMeasurement(
            use_case=spec.name,
            as_of=as_of,
            since=min(chosen).start,
            until=until,
            model_version=newest.model_version,
            windows=len(used),
            left_out=len(chosen) - len(used),
            rows=sum(each.rows for each in used),
            questions=sum(each.questions for each in measured),
            answered=len(judged),
            outcomes=sum(each.outcomes for each in measured),
            effective_rows=effective_rows(samples),
            metrics={name: asdict(each) for name, each in design_based(spec.task, samples).items()},
            ordinary=_ordinary(ledger.performance_between(spec.name, since, until, as_of=as_of), used),
            agreement=as_json(agreement(spec.task, judged)),
            run_id=run_id,
        )
    )
    log.info(
        "%s as of %s: people answered %d of %d questions; %s",
        spec.name, stamp(as_of), found.answered, found.questions, found.metrics or "too few to measure by",
    )  # fmt: skip
    return found


def _measure(
    use_case: LoadedUseCase,
    batch: Batch,
    questions: Sequence[Question],
    answers: Answers,
    as_of: datetime,
    ports: Ports,
) -> _Measured:
    spec, window = use_case.spec, batch.window
    settled = settled_labels(use_case, window, as_of, ports)
    outcomes = with_outcome(settled, spec.labels.column)
    truth = truth_of(spec.task, outcomes.column(spec.labels.column)) if outcomes.num_rows else np.zeros(0)
    known = dict(zip(outcomes.column(spec.key).cast(pa.string()).to_pylist(), truth.tolist(), strict=True))
    never = set(settled.column(spec.key).cast(pa.string()).to_pylist()) - known.keys()  # no outcome will come of them
    rows = batch_table(batch, ports)
    scored = zip(
        rows.column(spec.key).cast(pa.string()).to_pylist(), rows.column("prediction").to_pylist(), strict=True
    )
    prediction = {entity: value for entity, value in scored if entity not in never}
    there = [each for each in questions if each.entity in prediction]
    said = {each.entity: tuple(a.value for a in answers[window, each.entity] if a.value is not None)
            for each in there if (window, each.entity) in answers}  # fmt: skip
    asked, answered = [0, 0], [0, 0]  # of rows without an outcome, those that are doubtful last
    for each in there:
        if each.entity not in known:
            asked[each.doubtful] += 1
            answered[each.doubtful] += each.entity in said
    sample = None
    if there and all(answered[kind] or not asked[kind] for kind in (False, True)):
        used = [each for each in there if each.entity in known or each.entity in said]
        raised = [1.0 if e.entity in known else asked[e.doubtful] / answered[e.doubtful] for e in used]
        sample = Sampled(
            predictions=np.array(list(prediction.values())),
            truth=np.array([known.get(each.entity, said.get(each.entity, (np.nan,))[-1]) for each in used]),
            prediction=np.array([prediction[each.entity] for each in used]),
            weight=np.array([more / each.probability for more, each in zip(raised, used, strict=True)]),
        )
    judged = tuple(
        Judged(said[e.entity], prediction[e.entity], 1 / e.probability, known.get(e.entity))
        for e in there
        if e.entity in said
    )
    outcomes_of_sample = sum(each.entity in known for each in there)
    return _Measured(window, len(prediction), len(there), outcomes_of_sample, sample, judged)


def _ordinary(entries: Sequence[Performance], used: Sequence[_Measured]) -> dict[str, object]:
    """What the source's labels alone say of the windows, as far as they are final."""
    windows = {each.window for each in used}
    parts: dict[str, list[tuple[Interval, int]]] = defaultdict(list)
    for entry in entries:
        if entry.window in windows and entry.maturity is Maturity.FINAL and entry.labelled:
            for name, value in entry.metrics.items():
                error = entry.intervals.get(name, {}).get("standard_error")
                if error is not None:
                    parts[name].append((Interval(value, value, value, error), entry.labelled))
    return {name: {**asdict(trailing(name, each)), "windows": len(each)} for name, each in parts.items()}
