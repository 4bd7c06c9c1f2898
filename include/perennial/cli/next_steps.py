"""What to do next, as commands that can be pasted: after `run`, `monitor` and `evaluate`."""

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime

from perennial.jobs.predict.chain import Predicted, Step
from perennial.ledger.entries import RecordedDecision
from perennial.ledger.port import Ledger
from perennial.records.first_model import first_training, history_too_short
from perennial.records.retraining import answer_to
from perennial.spec.models import UseCase
from perennial.verdict import RETRAIN
from perennial.window import stamp
from perennial.wording import counted

NO_MODEL = "NoModel"


def after_decisions(use_case: str, decisions: Iterable[RecordedDecision], ledger: Ledger) -> list[str]:
    """How to start the retraining that was decided on, if any: nothing starts it by itself at the command line.

    Where one has been judged since, that is said instead. Errors: `StoreUnavailable`.
    """
    to_retrain = [decision for decision in decisions if decision.action == RETRAIN]
    if not to_retrain:
        return []
    last = max(to_retrain, key=lambda decision: decision.as_of)
    if (answer := answer_to(last, ledger, run_id="")) is not None:
        return [
            f"The decision is to retrain ({last.reasons[0].rstrip('.')}). That has been done: {answer.run_id} judged "
            f"its candidates as of {stamp(answer.as_of)} ({answer.action})."
        ]
    return [
        f"The decision is to retrain ({last.reasons[0].rstrip('.')}). Nothing has started it; to start it:",
        f"  perennial retrain {use_case} --as-of {stamp(last.as_of)} --reason {shlex.quote(last.reasons[0])}",
    ]


def after_run(spec: UseCase, found: Sequence[Predicted], ledger: Ledger) -> list[str]:
    """What to do after windows were taken through the steps. Errors: `StoreUnavailable`."""
    name = spec.name
    lines: list[str] = []
    refused = [each for each in found if each.stopped and each.stopped.step is Step.INGEST and not each.stopped.empty]
    if refused:
        lines += [
            f"{counted(len(refused), 'window')} could not be ingested. To see everything that does not fit at once:",
            f"  perennial check {name} --sample {stamp(refused[0].window.start)}",
        ]
    failed = [each for each in found if each.stopped and each.stopped.step is Step.VALIDATE]
    if failed:
        lines += [
            f"{counted(len(failed), 'window')} failed validation. To see every check of the first:",
            f"  perennial validation {name} --window {stamp(failed[0].window.start)}",
        ]
    without = [each for each in found if each.stopped and each.stopped.error == NO_MODEL]
    if without:
        lines += _first_model(spec, without)
    decisions = [each.monitored.decision for each in found if each.monitored]
    lines += after_decisions(name, decisions, ledger)
    if not lines and decisions:
        last = max(each.window.end for each in found)
        lines = measuring(spec, last)
    return lines


def measuring(spec: UseCase, end: datetime) -> list[str]:
    """How to measure the windows up to `end`."""
    return [
        "When outcomes have arrived, measure how good the predictions were:",
        f"  perennial evaluate {spec.name} --as-of {stamp(end + spec.labels.mature_after)}",
    ]


def _first_model(spec: UseCase, without: Sequence[Predicted]) -> list[str]:
    rows = [each.validated.rows - each.validated.rows_quarantined for each in without if each.validated]
    first = min(each.window.start for each in without)
    per_window = sum(rows) / len(rows) if rows else 0.0
    if too_short := history_too_short(spec, per_window):
        return [f"{counted(len(without), 'window')} could not be scored, because no model was in force; {too_short}."]
    as_of = first_training(spec, first, per_window)
    scored_from = stamp(as_of)
    lines = [
        f"{counted(len(without), 'window')} could not be scored, because no model was in force. Train one:",
        f"  perennial retrain {spec.name} --as-of {scored_from}",
    ]
    if as_of > first:
        lines.append(
            f"With less history there would hardly be training.min_rows = {spec.training.min_rows:,} labelled rows. "
            f"The model will score windows from {scored_from} on. Then:"
        )
    else:
        lines.append("Then, for the predictions:")
    begin, end = spec.grid.containing(as_of).start, max(each.window.end for each in without)
    if begin >= end:
        end = spec.grid.containing(begin).end
    lines.append(f"  perennial run {spec.name} --from {stamp(begin)} --to {stamp(end)}")
    return lines
