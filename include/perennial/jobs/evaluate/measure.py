"""Measure: how good the batches were, by the labels that had arrived, and whether that calls for retraining."""

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perennial.jobs.evaluate import measure_by_people
from perennial.jobs.evaluate.measurement import BatchMeasurement, estimate_batch, label_drift, measure_batch
from perennial.lake.port import labels_table
from perennial.ledger.entries import Batch, DecisionKind, Performance, RecordedDecision
from perennial.log_context import about
from perennial.modeling.reference import ModelReference
from perennial.ordered import OrderedRows
from perennial.performance.labels import UnmatchedLabels
from perennial.performance.maturity import Maturity, maturity_of
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.batch import ordered_live_rows
from perennial.records.labels import (
    learnt_share,
    more_labels_came,
    ordered_settled_labels,
    overdue_text,
    pending_batches,
    reopened_batches,
    unmatched_labels,
)
from perennial.records.retained import Removals, removals
from perennial.records.retirement import refuse_ended
from perennial.records.retraining import decide_retraining
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.retirement import RowClass
from perennial.verdict import Verdict
from perennial.window import Window, stamp
from perennial.wording import counted

Json = dict[str, Any]
DIGEST = 16  # hex digits: enough to see that labels are others

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

    `unchanged` counts windows that wait, and of which nothing was learnt since they were measured last: they make no
    further entry, and the other numbers are about them, too.
    `reopened` counts windows that were final, and of which more labels came after all; `overdue` those whose labels
    should be there and are not, `given_up` those that are no longer waited for. `unmatched` counts labels whose key is
    that of no row, `without_outcome` rows of which it is known that no outcome will come. `drifted_labels` counts final
    windows whose labels are unlike those that the model was trained on; `newest` is the last of the windows
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
    unchanged: int = 0


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, on_window: OnWindow = nobody) -> Measured:
    """Measure the windows that wait for the truth, as it was known at `as_of`, and decide about retraining.

    A window is measured again when other labels are known than at its last measurement, or when its maturity is another
    one by now. Final windows of which more labels came are measured again. `on_window` hears how far it is.
    Errors: `StoreUnavailable`, `UseCaseEnded`.
    """
    spec = use_case.spec
    refuse_ended(spec.name, ports.ledger)
    removed = removals(spec, as_of, ports.ledger)
    waiting = _with_rows(pending_batches(spec, as_of, ports.ledger), removed)
    found: list[_Known] = []
    strange: list[UnmatchedLabels] = []
    with ports.lake.holding(labels_table(spec.name), None):
        reopened = reopened_batches(
            spec,
            as_of,
            ports.ledger,
            lambda further: [
                batch for batch, last in further if _with_rows([batch], removed) and more_labels_came(spec, last, ports)
            ],
        )
        labels_version = ports.lake.version(labels_table(spec.name))
        last = _last_measured(spec, waiting, as_of, ports)
        asked = [*((batch, last.get(batch.window)) for batch in waiting), *((batch, None) for batch in reopened)]
        for batch, entry in asked:
            with (
                about(window=batch.window.key, model=batch.model_version),
                ordered_settled_labels(use_case, batch.window, as_of, ports, version=labels_version) as labels,
            ):
                known = _known(spec, batch, labels, entry, ports)
                found.append(known)
                strange += _unmatched(use_case, batch.window, labels, known.settled, ports)
            on_window(WindowsDone(len(found), len(asked), sum(each.rows for each in found)))
        share = learnt_share(spec, as_of, ports.ledger, _mature_shares(spec, found, as_of))
        recorded: list[Performance] = []
        kept: list[Performance] = []
        for known in found:
            batch, maturity = known.batch, _maturity(spec, known, share, as_of)
            with about(window=batch.window.key, model=batch.model_version):
                _warn(spec, known, maturity, share, as_of)
                if known.last is not None and known.last.maturity is maturity:
                    (recorded if known.last.as_of == as_of else kept).append(known.last)
                    continue
                recorded.append(_record(use_case, known, maturity, as_of, ports, labels_version, run_id))
    looked_at = sorted([*recorded, *kept], key=lambda entry: entry.window)
    counts = Counter(entry.maturity for entry in looked_at)
    outcome = "; ".join(_told(looked_at, len(kept), len(reopened), strange)) or "no scored window waits for labels"
    if not_finite := sum(each.measured.not_finite for each in found if each.measured is not None):
        verb = "was" if not_finite == 1 else "were"
        outcome += f"; {counted(not_finite, 'prediction')} {verb} infinite or NaN and {verb} left out"
    log.info("%s as of %s: %s", use_case.name, stamp(as_of), outcome)
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
        without_outcome=sum(entry.without_outcome for entry in looked_at),
        drifted_labels=sum(entry.label_drift.get("verdict") == Verdict.FAIL for entry in recorded),
        newest=NewestWindow.among(looked_at, spec.training.metric),
        unchanged=len(kept),
    )


def _with_rows(batches: Sequence[Batch], removed: Removals) -> list[Batch]:
    """Those of the batches that can be measured: nothing that this takes went by age."""
    needed = (RowClass.PREDICTIONS, RowClass.LABELS, RowClass.RAW)
    found = [b for b in batches if not any(removed.has(each, b.window, b.recorded_at) for each in needed)]
    if len(found) < len(batches):
        log.info("%d windows can't be measured any more: their rows went by age.", len(batches) - len(found))
    return found


@dataclass(frozen=True)
class _Known:
    """What is known of a batch: `measured` by the labels named `labels`, or, if these are those of its `last` entry,
    what that one says."""

    batch: Batch
    labels: str
    last: Performance | None
    measured: BatchMeasurement | None
    estimates: Json

    @property
    def rows(self) -> int:
        return self._says.rows

    @property
    def labelled(self) -> int:
        return self._says.labelled

    @property
    def without_outcome(self) -> int:
        return self._says.without_outcome

    @property
    def settled(self) -> int:
        return self._says.settled

    @property
    def _says(self) -> BatchMeasurement | Performance:
        found = self.measured or self.last
        assert found is not None, "a batch is measured, or was before"
        return found


def _last_measured(spec: UseCase, waiting: Sequence[Batch], as_of: datetime, ports: Ports) -> dict[Window, Performance]:
    """The last measurement, by then, of each of the windows that wait."""
    if not waiting:
        return {}
    start, end = min(each.window.start for each in waiting), max(each.window.end for each in waiting)
    entries = ports.ledger.performance_between(spec.name, start, end, as_of=as_of)
    return {entry.window: entry for entry in entries}


def _known(spec: UseCase, batch: Batch, labels: OrderedRows, last: Performance | None, ports: Ports) -> _Known:
    """What the last entry says, while it is of these labels and of this revision; else the batch is measured."""
    digest = labels.digest()[:DIGEST]
    if last is not None and (last.revision, last.model_digest, last.labels_digest) == (
        batch.revision, batch.model_digest, digest,
    ):  # fmt: skip
        return _Known(batch, digest, last, None, last.estimates)
    return _measured(spec, batch, labels, digest, ports)


def _measured(spec: UseCase, batch: Batch, labels: OrderedRows, digest: str, ports: Ports) -> _Known:
    predictions, reference = ordered_live_rows(batch, ports), _reference(spec, batch, ports)
    estimates = estimate_batch(spec, batch, predictions, reference, ports)
    return _Known(batch, digest, None, measure_batch(spec, batch, predictions, labels, reference.labels), estimates)


def _reference(spec: UseCase, batch: Batch, ports: Ports) -> ModelReference:
    return ModelReference.from_json(ports.registry.reference(spec.name, batch.model_version, batch.model_digest))


def _mature_shares(spec: UseCase, found: Sequence[_Known], as_of: datetime) -> list[float]:
    """Of windows old enough to be final that have any label, the share of rows that are settled."""
    return [
        each.settled / each.rows
        for each in found
        if as_of >= each.batch.window.end + spec.labels.mature_after and each.settled
    ]


def _maturity(spec: UseCase, known: _Known, share: float | None, as_of: datetime) -> Maturity:
    return maturity_of(
        as_of - known.batch.window.end,
        mature_after=spec.labels.mature_after,
        give_up_after=spec.labels.give_up_after,
        settled=known.settled,
        rows=known.rows,
        usual_share=share,
    )


def _record(
    use_case: LoadedUseCase,
    known: _Known,
    maturity: Maturity,
    as_of: datetime,
    ports: Ports,
    labels_version: int | None,
    run_id: str,
) -> Performance:
    spec, batch = use_case.spec, known.batch
    if known.measured is None:  # the same labels, but by now they are all that is waited for, or too few
        with ordered_settled_labels(use_case, batch.window, as_of, ports, version=labels_version) as labels:
            known = _measured(spec, batch, labels, known.labels, ports)
    found = known.measured
    assert found is not None
    final = maturity is Maturity.FINAL
    drift = label_drift(use_case, found.labels, _reference(spec, batch, ports)) if final else {}
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
            estimates=known.estimates,
            arrivals=found.arrivals if final else (),
            label_drift=drift,
            labels_version=labels_version,
            run_id=run_id,
            labels_digest=known.labels,
        )
    )


def _warn(spec: UseCase, known: _Known, maturity: Maturity, share: float | None, as_of: datetime) -> None:
    """Log what a person should look at: labels that should have come, and predictions that are no numbers."""
    window = known.batch.window
    told = overdue_text(known.labelled, known.without_outcome, known.rows, share)
    if maturity is Maturity.OVERDUE:
        log.warning(
            "%s %s: labels are overdue: as of %s, %s. They are asked for again until %s.",
            spec.name,
            window,
            f"{as_of:%Y-%m-%dT%H:%MZ}",
            told,
            f"{window.end + spec.labels.mature_after + spec.labels.give_up_after:%Y-%m-%dT%H:%MZ}",
        )
    if maturity is Maturity.GIVEN_UP:
        log.warning(
            "%s %s: labels never came: %s. The window is given up (labels.give_up_after) and judges nothing.",
            spec.name,
            window,
            told,
        )
    if known.measured is not None and known.measured.not_finite:
        log.warning(
            "%s %s: %d of %d predictions of revision %d are infinite or NaN and were left out; score the window again.",
            spec.name,
            window,
            known.measured.not_finite,
            known.rows,
            known.batch.revision,
        )


def _unmatched(
    use_case: LoadedUseCase, window: Window, labels: OrderedRows, settled: int, ports: Ports
) -> list[UnmatchedLabels]:
    """Labels of the window that no row has the key of, if there are any; rows that were quarantined have theirs."""
    if labels.num_rows == settled:
        return []
    strange = unmatched_labels(use_case, window, labels, ports)
    if strange is None:
        return []
    log.warning("%s %s: %s.", use_case.name, window, strange)
    return [strange]


def _told(
    looked_at: Sequence[Performance], unchanged: int, reopened: int, strange: Sequence[UnmatchedLabels]
) -> list[str]:
    """What was found, in words."""
    if not looked_at:
        return []
    by_maturity = {
        kind: [entry for entry in looked_at if entry.maturity is kind] for kind in (Maturity.OVERDUE, Maturity.GIVEN_UP)
    }
    final = sum(entry.maturity is Maturity.FINAL for entry in looked_at)
    told = []
    if measured := len(looked_at) - unchanged:
        told.append(f"{counted(measured, 'window')} measured, {final} of them final")
    if unchanged:
        told.append(f"nothing new is known about {counted(unchanged, 'window')}")
    if reopened:
        told.append(f"more labels arrived for {counted(reopened, 'window')} that had been final")
    for kind, what in ((Maturity.OVERDUE, "are overdue"), (Maturity.GIVEN_UP, "never came and are given up")):
        late = by_maturity[kind]
        if late:
            labelled, rows = sum(entry.labelled for entry in late), sum(entry.rows for entry in late)
            without = sum(entry.without_outcome for entry in late)
            told.append(
                f"labels of {counted(len(late), 'window')} {what} ({overdue_text(labelled, without, rows, None)}; the "
                f"last is {late[-1].window})"
            )
    if without := sum(entry.without_outcome for entry in looked_at):
        told.append(f"{counted(without, 'row')} will never have an outcome")
    if strange:
        told.append(f"in {counted(len(strange), 'window')} labels match no row: {strange[-1]}")
    return told
