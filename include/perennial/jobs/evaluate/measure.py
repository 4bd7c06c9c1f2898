"""Measure: how good the batches were, by the labels that had arrived, and whether that calls for retraining."""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perennial.jobs.evaluate import measure_by_people
from perennial.jobs.evaluate.measurement import BatchMeasurement, estimate_batch, label_drift, measure_batch
from perennial.lake.port import labels_table
from perennial.ledger.entries import Batch, DecisionKind, Performance, RecordedDecision
from perennial.log_context import about
from perennial.modeling.reference import ModelReference
from perennial.performance.labels import UnmatchedLabels
from perennial.performance.maturity import Maturity, maturity_of
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.labels import (
    learnt_share,
    more_labels_came,
    overdue_text,
    pending_batches,
    reopened_batches,
    unmatched_labels,
)
from perennial.records.retirement import refuse_ended
from perennial.records.retraining import decide_retraining
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window
from perennial.wording import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewestWindow:
    """The deciding metric in one window, in its own unit, with its 95% interval where that is finite."""

    window: Window
    metric: str
    value: float
    low: float | None
    high: float | None
    maturity: Maturity

    @classmethod
    def among(cls, entries: Sequence[Performance], metric: str) -> "NewestWindow | None":
        """That of the last window that has the metric."""
        known = [entry for entry in entries if metric in entry.metrics]
        if not known:
            return None
        last = max(known, key=lambda entry: entry.window)
        ends = (last.intervals.get(metric, {}).get(name) for name in ("low", "high"))
        low, high = (None if end is None or not math.isfinite(end) else end for end in ends)
        return cls(last.window, metric, last.metrics[metric], low, high, last.maturity)


@dataclass(frozen=True)
class Measured:
    """How many windows were measured, and what became of them; `outcome` says it in words.

    `reopened` counts windows that were final, and of which more labels came after all; `overdue` those whose labels
    should be there and are not, `given_up` those that are no longer waited for. `unmatched` counts labels whose key is
    that of no row, `without_outcome` rows of which it is known that no outcome will come. `drifted_labels` counts final
    windows whose labels are unlike those that the model was trained on; `newest` is the last of the measured windows
    that has the deciding metric.
    """

    as_of: datetime
    windows: int
    final: int
    outcome: str
    decision: RecordedDecision
    reopened: int = 0
    overdue: int = 0
    given_up: int = 0
    unmatched: int = 0
    without_outcome: int = 0
    drifted_labels: int = 0
    newest: NewestWindow | None = None


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, on_window: OnWindow = nobody) -> Measured:
    """Measure every window that waits for the truth, as it was known at `as_of`, and decide about retraining.

    Final windows of which more labels came are measured again. `on_window` hears how far it is.
    Errors: `StoreUnavailable`, `UseCaseEnded`.
    """
    spec = use_case.spec
    refuse_ended(spec.name, ports.ledger)
    waiting = pending_batches(spec, as_of, ports.ledger)
    reopened = reopened_batches(spec, as_of, ports.ledger, lambda _, last: more_labels_came(spec, last, ports))
    labels_version = ports.lake.version(labels_table(spec.name))
    found: list[tuple[Batch, BatchMeasurement]] = []
    with ports.lake.holding(labels_table(spec.name), labels_version):
        for batch in (to_measure := [*waiting, *reopened]):
            with about(window=batch.window.key, model=batch.model_version):
                found.append((batch, measure_batch(use_case, batch, as_of, ports, labels_version)))
            on_window(WindowsDone(len(found), len(to_measure), sum(measured.rows for _, measured in found)))
    share = learnt_share(spec, as_of, ports.ledger, _mature_shares(spec, found, as_of))
    recorded = []
    for batch, measured in found:
        with about(window=batch.window.key, model=batch.model_version):
            recorded.append(_record(use_case, batch, measured, share, as_of, ports, labels_version, run_id))
    strange = [
        each for batch, measured in found if (each := _unmatched(use_case, batch.window, measured, ports)) is not None
    ]
    counts = Counter(entry.maturity for entry in recorded)
    outcome = "; ".join(_told(recorded, len(reopened), strange)) or "no scored window waits for labels"
    if not_finite := sum(measured.not_finite for _, measured in found):
        verb = "was" if not_finite == 1 else "were"
        outcome += f"; {counted(not_finite, 'prediction')} {verb} infinite or NaN and {verb} left out"
    log.info("%s as of %s: %s", use_case.name, as_of, outcome)
    measure_by_people.run(use_case, as_of, ports, run_id)
    decision = decide_retraining(use_case, DecisionKind.RETRAIN_ON_PERFORMANCE, as_of.isoformat(), as_of, ports, run_id)
    return Measured(
        as_of=as_of,
        windows=len(recorded),
        final=counts[Maturity.FINAL],
        outcome=outcome,
        decision=decision,
        reopened=len(reopened),
        overdue=counts[Maturity.OVERDUE],
        given_up=counts[Maturity.GIVEN_UP],
        unmatched=sum(each.count for each in strange),
        without_outcome=sum(entry.without_outcome for entry in recorded),
        drifted_labels=sum(entry.label_drift.get("verdict") == Verdict.FAIL for entry in recorded),
        newest=NewestWindow.among(recorded, spec.training.metric),
    )


def _mature_shares(spec: UseCase, found: Sequence[tuple[Batch, BatchMeasurement]], as_of: datetime) -> list[float]:
    """Of windows old enough to be final that have any label, the share of rows that are settled."""
    return [
        each.settled / each.rows
        for batch, each in found
        if as_of >= batch.window.end + spec.labels.mature_after and each.settled
    ]


def _record(
    use_case: LoadedUseCase,
    batch: Batch,
    found: BatchMeasurement,
    share: float | None,
    as_of: datetime,
    ports: Ports,
    labels_version: int | None,
    run_id: str,
) -> Performance:
    spec = use_case.spec
    maturity = maturity_of(
        as_of - batch.window.end,
        mature_after=spec.labels.mature_after,
        give_up_after=spec.labels.give_up_after,
        settled=found.settled,
        rows=found.rows,
        usual_share=share,
    )
    _warn(spec, batch, found, maturity, share, as_of)
    final = maturity is Maturity.FINAL
    reference = ModelReference.from_json(ports.registry.reference(spec.name, batch.model_version, batch.model_digest))
    drift = label_drift(use_case, found.labels, reference) if final else {}
    if drift.get("verdict") == Verdict.FAIL:
        log.warning("%s %s: labels have drifted. %s", spec.name, batch.window, " ".join(drift["reasons"]))
    return ports.ledger.record_performance(
        Performance(
            use_case=spec.name,
            window=batch.window,
            revision=batch.revision,
            model_version=batch.model_version,
            model_digest=batch.model_digest,
            as_of=as_of,
            maturity=maturity,
            rows=found.rows,
            labelled=found.labelled,
            without_outcome=found.without_outcome,
            completeness=found.settled / found.rows if found.rows else 1.0,
            verdict=Verdict.PASS if spec.training.metric in found.metrics else Verdict.INSUFFICIENT,
            metrics=found.metrics,
            intervals=found.intervals,
            estimates=estimate_batch(use_case, batch, reference, ports),
            arrivals=found.arrivals if final else (),
            label_drift=drift,
            labels_version=labels_version,
            run_id=run_id,
        )
    )


def _warn(
    spec: UseCase, batch: Batch, found: BatchMeasurement, maturity: Maturity, share: float | None, as_of: datetime
) -> None:
    """Log what a person should look at: labels that should have come, and predictions that are no numbers."""
    if maturity is Maturity.OVERDUE:
        log.warning(
            "%s %s: labels are overdue: %s, %s after the window's end. They are asked for again until %s.",
            spec.name,
            batch.window,
            overdue_text(found.labelled, found.without_outcome, found.rows, share),
            as_of - batch.window.end,
            batch.window.end + spec.labels.mature_after + spec.labels.give_up_after,
        )
    if maturity is Maturity.GIVEN_UP:
        log.warning(
            "%s %s: labels never came: %s. The window is given up (labels.give_up_after) and judges nothing.",
            spec.name,
            batch.window,
            overdue_text(found.labelled, found.without_outcome, found.rows, share),
        )
    if found.not_finite:
        log.warning(
            "%s %s: %d of %d predictions of revision %d are infinite or NaN and were left out; score the window again.",
            spec.name,
            batch.window,
            found.not_finite,
            found.rows,
            batch.revision,
        )


def _unmatched(
    use_case: LoadedUseCase, window: Window, found: BatchMeasurement, ports: Ports
) -> UnmatchedLabels | None:
    """Labels of the window that no row has the key of; rows that were quarantined have theirs."""
    if found.labels_known.num_rows == found.settled:
        return None
    strange = unmatched_labels(use_case, window, found.labels_known, ports)
    if strange is not None:
        log.warning("%s %s: %s.", use_case.name, window, strange)
    return strange


def _told(recorded: Sequence[Performance], reopened: int, strange: Sequence[UnmatchedLabels]) -> list[str]:
    """What was found, in words."""
    if not recorded:
        return []
    by_maturity = {
        kind: [entry for entry in recorded if entry.maturity is kind] for kind in (Maturity.OVERDUE, Maturity.GIVEN_UP)
    }
    final = sum(entry.maturity is Maturity.FINAL for entry in recorded)
    told = [f"{counted(len(recorded), 'window')} measured, {final} of them finally"]
    if reopened:
        told.append(f"more labels came of {counted(reopened, 'window')} that had been final")
    for kind, what in ((Maturity.OVERDUE, "are overdue"), (Maturity.GIVEN_UP, "never came and are given up")):
        late = by_maturity[kind]
        if late:
            labelled, rows = sum(entry.labelled for entry in late), sum(entry.rows for entry in late)
            without = sum(entry.without_outcome for entry in late)
            told.append(
                f"labels of {counted(len(late), 'window')} {what} ({overdue_text(labelled, without, rows, None)}; the "
                f"last is {late[-1].window})"
            )
    if without := sum(entry.without_outcome for entry in recorded):
        told.append(f"of {counted(without, 'row')} no outcome will come")
    if strange:
        told.append(f"in {counted(len(strange), 'window')} labels match no row: {strange[-1]}")
    return told
