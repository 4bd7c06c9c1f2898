"""Leases: one run at a time works on a window, and a run that held it before can't write any more."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from perennial.lake.port import (
    labels_table,
    predictions_table,
    quarantine_table,
    raw_table,
    shadow_table,
    window_partition,
)
from perennial.lease import Lease
from perennial.ledger.rules import data_subjects
from perennial.ports import Ports
from perennial.records.retirement import refuse_ended
from perennial.window import Window


@contextmanager
def data_lease(use_case: str, window: Window, ports: Ports, run_id: str) -> Iterator[Lease]:
    """Hold a use case's window while inside: its snapshot, its quarantine and its predictions.

    Errors: `WindowBusy`, `StoreUnavailable`; `UseCaseEnded` when it was decommissioned.
    """
    with _lease(use_case, use_case, _data_tables(use_case), window, ports, run_id) as lease:
        yield lease


@contextmanager
def free_data(
    use_case: str, windows: Collection[Window], ports: Ports, run_id: str
) -> Iterator[Mapping[Window, Lease]]:
    """`data_lease` of those of the windows that nobody holds. Errors: `StoreUnavailable`, `UseCaseEnded`."""
    with _free(use_case, use_case, _data_tables(use_case), windows, ports, run_id) as leases:
        yield leases


@contextmanager
def free_labels(
    use_case: str, windows: Collection[Window], ports: Ports, run_id: str
) -> Iterator[Mapping[Window, Lease]]:
    """`labels_lease` of those of the windows that nobody holds. Errors: as `free_data`."""
    with _free(use_case, f"{use_case}/labels", (labels_table(use_case),), windows, ports, run_id) as leases:
        yield leases


@contextmanager
def labels_lease(use_case: str, window: Window, ports: Ports, run_id: str) -> Iterator[Lease]:
    """Hold the labels of a use case's window while inside. Errors: as `data_lease`."""
    with _lease(use_case, f"{use_case}/labels", (labels_table(use_case),), window, ports, run_id) as lease:
        yield lease


@contextmanager
def shadow_lease(use_case: str, window: Window, ports: Ports, run_id: str) -> Iterator[Lease]:
    """Hold the shadow of a use case's window while inside; scoring goes on beside it. Errors: as `data_lease`."""
    with _lease(use_case, f"{use_case}/shadow", (shadow_table(use_case),), window, ports, run_id) as lease:
        yield lease


@contextmanager
def whole_window(use_case: str, window: Window, ports: Ports, run_id: str) -> Iterator[tuple[Lease, Lease, Lease]]:
    """Hold all of a use case's window while inside, by leases on its data, its labels and its shadow.

    Also of a use case that has ended: its rows may have to be erased. Errors: `WindowBusy`, `StoreUnavailable`.
    """
    with ExitStack() as stack:
        data, labels, shadow = (
            stack.enter_context(_fenced(subject, tables, window, ports, run_id))
            for subject, tables in _tables(use_case).items()
        )
        yield data, labels, shadow


def take_back(use_case: str, ports: Ports, run_id: str) -> None:
    """Take every lease on the use case that its holder has not given back: who held it can write no more.

    Errors: `WindowBusy` when a holder is alive and keeps it, `StoreUnavailable`.
    """
    for subject, window in ports.ledger.leases_not_given_back(use_case):
        with _fenced(subject, _tables(use_case)[subject], window, ports, run_id):
            pass


def _tables(use_case: str) -> dict[str, Sequence[str]]:
    """What each kind of lease is about."""
    data, labels, shadow = data_subjects(use_case)
    return {data: _data_tables(use_case), labels: (labels_table(use_case),), shadow: (shadow_table(use_case),)}


def _data_tables(use_case: str) -> Sequence[str]:
    return raw_table(use_case), quarantine_table(use_case), predictions_table(use_case)


@contextmanager
def _lease(
    use_case: str, subject: str, tables: Sequence[str], window: Window, ports: Ports, run_id: str
) -> Iterator[Lease]:
    with _fenced(subject, tables, window, ports, run_id) as lease:
        refuse_ended(use_case, ports.ledger)
        yield lease


@contextmanager
def _free(
    use_case: str, subject: str, tables: Sequence[str], windows: Collection[Window], ports: Ports, run_id: str
) -> Iterator[Mapping[Window, Lease]]:
    with ports.ledger.working_on_free(subject, windows, run_id) as leases:
        contested = {window_partition(window): lease for window, lease in leases.items() if lease.contested}
        for table in tables if contested else ():
            ports.lake.fence(table, contested)
        refuse_ended(use_case, ports.ledger)
        yield leases


@contextmanager
def _fenced(subject: str, tables: Sequence[str], window: Window, ports: Ports, run_id: str) -> Iterator[Lease]:
    """The ledger's lease. Where the holder before did not give it back, the lake is fenced against its late commits.

    The ledger itself refuses such commits, and nothing is published that the ledger does not have.
    """
    with ports.ledger.working_on(subject, window, run_id) as lease:
        if lease.contested:
            for table in tables:
                ports.lake.fence(table, {window_partition(window): lease})
        yield lease
