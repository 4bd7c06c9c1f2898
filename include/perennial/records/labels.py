"""Labels in the lake: per window, every (entity, outcome, arrival) that was ever collected, and who waits for more."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from perennial.errors import EmptyWindow
from perennial.lake.port import labels_table, window_partition
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
        extract = ports.source(use_case, spec.labels.source).fetch(window, as_of, spec.limits)
    except EmptyWindow:  # no file of labels is there yet: for labels that is ordinary
        return WindowLabels(window, labels=known_labels(use_case, window, as_of, ports).num_rows, new=0)
    arrived = conform_labels(spec, extract.rows)
    with labels_lease(spec.name, window, ports, run_id) as lease:
        known = ports.lake.read(labels_table(spec.name), partition)
        together = arrived if known.num_rows == 0 else pa.concat_tables([known.select(arrived.column_names), arrived])
        distinct = together.group_by(together.column_names).aggregate([]).select(arrived.column_names)
        new = distinct.num_rows - known.num_rows
        if new:
            ports.lake.replace(labels_table(spec.name), partition, distinct, lease)
    return WindowLabels(window, distinct.num_rows, new)


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
