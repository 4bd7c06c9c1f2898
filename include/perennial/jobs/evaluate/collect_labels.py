"""Collect labels: outcomes that had arrived by a moment go to the lake, for every window that waits for them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perennial.errors import SourceRejected
from perennial.lake.port import labels_table
from perennial.ledger.entries import Batch, Performance
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.labels import WindowLabels, collect, pending_batches, reopened_batches
from perennial.spec.load import LoadedUseCase
from perennial.wording import counted

log = logging.getLogger(__name__)

MOST_SHOWN = 3


@dataclass(frozen=True)
class Collected:
    """Of how many windows labels were taken, and how many labels are new. `refused` says of each window whose labels
    can't be used, why: see `require_all`.
    """

    as_of: datetime
    windows: int
    labels: int
    new: int
    refused: tuple[str, ...] = ()


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, on_window: OnWindow = nobody) -> Collected:
    """Ask the source for the labels of every window that waits, and of final ones that lack some.

    Which final ones are asked about says `reopened_batches`. `on_window` hears how far it is, in labels. A window whose
    labels can't be used keeps those that it has, and does not keep others from getting theirs.
    Errors: as `perennial.records.labels.collect`, except `SourceRejected`.
    """
    spec, ledger = use_case.spec, ports.ledger
    found: list[WindowLabels] = []
    refused: list[str] = []
    waiting = pending_batches(spec, as_of, ledger)

    def more_came(batch: Batch, _: Performance | None = None) -> bool:
        try:
            found.append(collect(use_case, batch.window, as_of, ports, run_id))
        except SourceRejected as error:
            refused.append(f"{batch.window}: {error}")
            log.warning("%s %s", use_case.name, refused[-1])
            return False
        on_window(WindowsDone(len(found), max(len(waiting), len(found)), sum(each.labels for each in found)))
        return found[-1].new > 0

    with ports.lake.holding(labels_table(spec.name), None):
        for batch in waiting:
            more_came(batch)
        reopened_batches(spec, as_of, ledger, more_came)
    labels, new = sum(each.labels for each in found), sum(each.new for each in found)
    collected = Collected(as_of, len(found), labels, new, tuple(refused))
    log.info("%s as of %s: %d new labels in %d windows (%s)", use_case.name, as_of, collected.new, len(found), run_id)
    return collected


def require_all(use_case: LoadedUseCase, refused: Sequence[str]) -> None:
    """Fail for windows whose labels were refused, after all others were measured.

    Errors: `SourceRejected`.
    """
    if not refused:
        return
    shown = [*refused[:MOST_SHOWN], *(["…"] if len(refused) > MOST_SHOWN else [])]
    lines = "\n".join(f"- {each}" for each in shown)
    raise SourceRejected(
        f"{use_case.name}: the labels of {counted(len(refused), 'window')} can't be used. "
        "What was known of them stays. All others were measured. "
        f"Correct the labels at their source, and evaluate again:\n{lines}"
    )
