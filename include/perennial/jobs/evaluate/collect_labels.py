"""Collect labels: outcomes that had arrived by a moment go to the lake, for every window that waits for them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from perennial.errors import SourceRejected
from perennial.lake.port import labels_table
from perennial.ledger.entries import Batch
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.records.labels import collect, pending_batches, reopened_batches
from perennial.records.labels_of_many import collect_many
from perennial.spec.load import LoadedUseCase
from perennial.window import Window, stamp
from perennial.wording import counted

log = logging.getLogger(__name__)

MOST_SHOWN = 3
AT_ONCE, ROWS_AT_ONCE = 100, 100_000  # so many windows, with so many rows together, have their labels collected at once


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
    found: dict[Window, int] = {}
    fresh: dict[Window, int] = {}
    refused: list[str] = []
    waiting = pending_batches(spec, as_of, ledger)

    def more_came(batches: Sequence[Batch]) -> list[Batch]:
        for some in _together(batches):
            labels, new, why = _collected(use_case, some, as_of, ports, run_id)
            fresh.update(new)
            for window, reason in why.items():
                refused.append(f"{window}: {reason}")
                log.warning("%s %s", use_case.name, refused[-1])
            for window, count in labels.items():
                found[window] = count
                on_window(WindowsDone(len(found), max(len(waiting), len(found)), sum(found.values())))
        return [batch for batch in batches if fresh.get(batch.window)]

    with ports.lake.holding(labels_table(spec.name), None):
        more_came(waiting)
        reopened_batches(spec, as_of, ledger, lambda further: more_came([batch for batch, _ in further]))
    collected = Collected(as_of, len(found), sum(found.values()), sum(fresh.values()), tuple(refused))
    log.info(
        "%s as of %s: %d new labels in %d windows (%s)", spec.name, stamp(as_of), collected.new, len(found), run_id
    )
    return collected


def _together(batches: Sequence[Batch]) -> Iterator[Sequence[Batch]]:
    """The batches in turn, as many at once as have few rows: these share what a lease and a commit cost."""
    rows, taken = 0, list[Batch]()
    for batch in batches:
        if taken and (len(taken) == AT_ONCE or rows + batch.rows > ROWS_AT_ONCE):
            yield taken
            rows, taken = 0, []
        taken.append(batch)
        rows += batch.rows
    if taken:
        yield taken


def _collected(
    use_case: LoadedUseCase, batches: Sequence[Batch], as_of: datetime, ports: Ports, run_id: str
) -> tuple[Mapping[Window, int], Mapping[Window, int], Mapping[Window, str]]:
    """How many labels the windows have now, how many of them are new, and why those of others are refused."""
    windows = [batch.window for batch in batches]
    if len(windows) > 1:
        many = collect_many(use_case, windows, as_of, ports, run_id)
        return {window: labels.num_rows for window, labels in many.known.items()}, many.new, many.refused
    try:
        one = collect(use_case, windows[0], as_of, ports, run_id)
    except SourceRejected as error:
        return {}, {}, {windows[0]: str(error)}
    return {one.window: one.labels}, {one.window: one.new}, {}


def require_all(use_case: LoadedUseCase, refused: Sequence[str]) -> None:
    """Fail for windows whose labels were refused, after all others were measured.

    Errors: `SourceRejected`.
    """
    if not refused:
        return
    shown = [*refused[:MOST_SHOWN], *(["…"] if len(refused) > MOST_SHOWN else [])]
    lines = "\n".join(f"- {each}" for each in shown)
    raise SourceRejected(
        f"{use_case.name}: the labels of {counted(len(refused), 'window')} can't be used. The labels that were known "
        "before stay. All other windows were measured. Correct the labels at their source, and evaluate "
        f"again:\n{lines}"
    )
