"""Labels in the lake: per window, every (entity, outcome, arrival) that was ever collected, and who waits for more."""

import logging
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from perennial.errors import EmptyWindow
from perennial.lake.port import labels_table, raw_table, window_partition
from perennial.ledger.entries import Batch
from perennial.ledger.port import Ledger
from perennial.performance.labels import active_labels
from perennial.performance.maturity import Maturity
from perennial.ports import Ports
from perennial.quality.labels import conform_labels, label_schema
from perennial.records.leases import labels_lease
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WindowLabels:
    """How many labels of a window the lake holds, and how many of them are new."""

    window: Window
    labels: int
    new: int


def collect(use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports, run_id: str) -> WindowLabels:
    """Add the labels of the window that had arrived by `as_of` to those the lake has; none is ever removed.

    Errors: `SchemaMismatch`, `SourceUnavailable`, `InvalidQuery`, `StoreUnavailable`, `WindowBusy`,
    `LeaseLost`.
    """
    spec = use_case.spec
    partition = window_partition(window)
    try:
        arrived = delivered_labels(use_case, window, as_of, ports)
    except EmptyWindow:  # no file of labels is there yet: for labels that is ordinary
        return WindowLabels(window, labels=known_labels(use_case, window, as_of, ports).num_rows, new=0)
    with labels_lease(spec.name, window, ports, run_id) as lease:
        known = ports.lake.read(labels_table(spec.name), partition)
        together = arrived if known.num_rows == 0 else pa.concat_tables([known.select(arrived.column_names), arrived])
        distinct = together.group_by(together.column_names).aggregate([]).select(arrived.column_names)
        new = distinct.num_rows - known.num_rows
        if new:
            ports.lake.replace(labels_table(spec.name), partition, distinct, lease)
    return WindowLabels(window, distinct.num_rows, new)


def delivered_labels(use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports) -> pa.Table:
    """The labels of the window that the source had by `as_of`. Where the source does not say which window a label is
    of, those that name one of the window's rows.

    Errors: `EmptyWindow`, and as `collect`.
    """
    spec = use_case.spec
    keys = None
    if spec.labels.dated_by == "arrival_time":
        rows = ports.lake.read(raw_table(spec.name), window_partition(window))
        keys = rows.column(spec.key).combine_chunks() if rows.num_rows else pa.array([], pa.string())
    extract = ports.source(use_case, spec.labels.source).fetch(window, as_of, spec.limits, keys)
    for remark in extract.told(spec.event_time):
        log.info("%s %s, labels: %s", spec.name, window, remark)
    return conform_labels(spec, extract.rows)


def known_labels(
    use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports, *, version: int | None = None
) -> pa.Table:
    """One label per entity: the last that had arrived by `as_of` (invariant I6).

    `version` of the labels' table (default: its present one) says what had been collected.
    """
    spec = use_case.spec
    labels = ports.lake.read(labels_table(spec.name), window_partition(window), version=version)
    if labels.num_rows == 0:
        return label_schema(spec).empty_table()
    return active_labels(labels, key=spec.key, label=spec.labels.column, arrival=spec.labels.arrival_time, as_of=as_of)


def pending_batches(spec: UseCase, as_of: datetime, ledger: Ledger) -> list[Batch]:
    """Live batches of windows that had ended by `as_of` and whose performance is not final yet, by window."""
    final = {
        (entry.window, entry.revision)
        for entry in ledger.performance_between(spec.name, spec.start, as_of)
        if entry.maturity is Maturity.FINAL
    }
    batches = ledger.batches_between(spec.name, spec.start, as_of)
    return [batch for batch in batches if (batch.window, batch.revision) not in final]
