"""Collect labels: outcomes that had arrived by a moment go to the lake, for every window that waits for them."""

import logging
from dataclasses import dataclass
from datetime import datetime

from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.labels import WindowLabels, collect, incomplete_batches, pending_batches
from perennial.spec.load import LoadedUseCase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collected:
    """How many windows were asked for, and how many labels are new."""

    as_of: datetime
    windows: int
    labels: int
    new: int


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, on_window: OnWindow = nobody) -> Collected:
    """Ask the source for the labels of every window that waits, and of the last final ones that lack some.

    `on_window` hears how far it is, in labels.

    Errors: as `perennial.records.labels.collect`.
    """
    spec, ledger = use_case.spec, ports.ledger
    waiting = [*pending_batches(spec, as_of, ledger), *(batch for batch, _ in incomplete_batches(spec, as_of, ledger))]
    found: list[WindowLabels] = []
    for batch in waiting:
        found.append(collect(use_case, batch.window, as_of, ports, run_id))
        on_window(WindowsDone(len(found), len(waiting), sum(each.labels for each in found)))
    collected = Collected(as_of, len(found), sum(each.labels for each in found), sum(each.new for each in found))
    log.info("%s as of %s: %d new labels in %d windows (%s)", use_case.name, as_of, collected.new, len(found), run_id)
    return collected
