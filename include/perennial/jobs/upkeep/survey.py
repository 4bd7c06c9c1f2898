"""Survey: all windows are compared with the ledger without reading a row, and some are due to have their rows read.

What every night compares of every window: which file the lake's head has of it, and whether that file is there in its
size; how many rows are published, of which revision, and whether one transaction wrote them. So rows that are missing,
that are too many, of another revision, or that somebody changed one by one are noticed the same night, however long the
past is.

Rows are read of windows that the survey found different, of windows that were recorded in the last two days, so that
one night may fail, and of a thirtieth of all others, another one each night. So what only rows can tell, such as a
published window that one statement has altered from end to end, or bytes that rotted in a file, is noticed within
thirty nights. Which thirtieth it is follows from the window's name and the date alone: nothing has to be remembered,
and a night that did not take place is made up for by its thirtieth's next turn.
"""

import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from perennial.lake.port import window_partition
from perennial.ledger.entries import Batch
from perennial.ports import Ports
from perennial.published.port import PublishedWindow
from perennial.records.retained import Removals
from perennial.spec.models import UseCase
from perennial.spec.retirement import RowClass
from perennial.window import Window

NIGHTS = 30  # in as many, the rows of every window are read; at half of it, each night would take twice as long
RECENT = timedelta(days=2)


def differing(
    spec: UseCase, batches: Sequence[Batch], as_of: datetime, ports: Ports, removed: Removals
) -> frozenset[Window]:
    """The windows whose lake's head or published rows are not, as far as can be told without rows, their live revision.

    `batches` are the live revisions of windows that ended by `as_of`; of those whose published rows went by age, the
    lake's head alone is looked at. Errors: `StoreUnavailable`.
    """
    tables: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for batch in batches:
        tables[batch.table][window_partition(batch.window)] = batch.version
    changed = {(table, each) for table, made in tables.items() for each in ports.lake.changed_since(table, made)}
    published = ports.published.overview(spec.name, spec.start, as_of)
    return frozenset(
        batch.window
        for batch in batches
        if (batch.table, window_partition(batch.window)) in changed
        or not (
            removed.has(RowClass.PUBLISHED, batch.window, batch.recorded_at)
            or _is_as_published(batch, published.get(batch.window))
        )
    )


def _is_as_published(batch: Batch, found: PublishedWindow | None) -> bool:
    if found is None:
        return batch.rows == 0
    return found == PublishedWindow(batch.rows, batch.revision, at_once=True)


def is_due(batch: Batch, as_of: datetime) -> bool:
    """Whether the window's rows are read in the night of `as_of` though nothing is known to differ."""
    assert batch.recorded_at is not None, "it comes from the ledger"
    night = as_of.astimezone(UTC).date().toordinal()
    its_turn = zlib.crc32(batch.window.key.encode()) % NIGHTS == night % NIGHTS
    return its_turn or batch.recorded_at >= as_of - RECENT
