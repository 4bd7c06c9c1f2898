"""Leases: one run at a time works on a window, and a run that held it before can't write any more."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from perennial.lake.port import (
    labels_table,
    predictions_table,
    quarantine_table,
    raw_table,
    shadow_table,
    window_partition,
)
from perennial.lease import Lease
from perennial.ports import Ports
from perennial.window import Window


@contextmanager
def data_lease(use_case: str, window: Window, ports: Ports, run_id: str) -> Iterator[Lease]:
    """Hold a use case's window while inside: its snapshot, its quarantine and its predictions.

    Errors: `WindowBusy`, `StoreUnavailable`.
    """
    tables = (raw_table(use_case), quarantine_table(use_case), predictions_table(use_case))
    with _lease(use_case, tables, window, ports, run_id) as lease:
        yield lease


@contextmanager
def labels_lease(use_case: str, window: Window, ports: Ports, run_id: str) -> Iterator[Lease]:
    """Hold the labels of a use case's window while inside. Errors: as `data_lease`."""
    with _lease(f"{use_case}/labels", (labels_table(use_case),), window, ports, run_id) as lease:
        yield lease


@contextmanager
def shadow_lease(use_case: str, window: Window, ports: Ports, run_id: str) -> Iterator[Lease]:
    """Hold the shadow of a use case's window while inside; scoring goes on beside it. Errors: as `data_lease`."""
    with _lease(f"{use_case}/shadow", (shadow_table(use_case),), window, ports, run_id) as lease:
        yield lease


@contextmanager
def _lease(subject: str, tables: Sequence[str], window: Window, ports: Ports, run_id: str) -> Iterator[Lease]:
    """The ledger's lease. Where the holder before did not give it back, the lake is fenced against its late commits.

    The ledger itself refuses such commits, and nothing is published that the ledger does not have.
    """
    with ports.ledger.working_on(subject, window, run_id) as lease:
        if lease.contested:
            for table in tables:
                ports.lake.fence(table, window_partition(window), lease)
        yield lease
