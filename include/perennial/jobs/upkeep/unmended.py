"""What of windows differs from the ledger and nobody but a person can put right: each finding says what to do.

Stores that were saved at different moments and brought back together leave this. The ledger's entries stay, whatever
the other stores have lost: so each finding is told again until its cause is mended.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from perennial.jobs.upkeep.gaps import NAMED, ranges_of
from perennial.lake.port import raw_table
from perennial.ledger.entries import Batch
from perennial.ports import Ports
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial.wording import counted


def of_windows(
    use_case: LoadedUseCase, as_of: datetime, batches: Sequence[Batch], lost: Sequence[Window], ports: Ports
) -> Iterator[str]:
    """What can't be put right of windows that ended by `as_of`. `batches` are the live revisions, `lost` are the
    windows whose live revision the lake does not hold. Errors: `StoreUnavailable`.
    """
    name, spec = use_case.name, use_case.spec
    if lost:
        yield (
            f"{name}: the lake has lost the predictions of {_named(use_case, lost)}: it is older than the ledger, or "
            "files were removed. What is published of them was left as it is. Bring back a newer backup of the lake; "
            f"else {_run(use_case, lost)}: it reads the rows from their source again, and scores them with the model "
            "that served then. Rows that their source no longer has are lost."
        )
    newest = ports.lake.version(raw_table(name))
    snapshots = ports.ledger.snapshots_between(name, spec.start, as_of)
    raw = [each.window for each in snapshots if newest is None or each.version > newest]
    if unread := [window for window in raw if window not in set(lost)]:
        yield (
            f"{name}: the lake has lost the rows of {_named(use_case, unread)}, which were ingested: it is older than "
            f"the ledger. Bring back a newer backup of the lake; else {_run(use_case, unread)}."
        )
    known = {batch.window for batch in batches}
    if unknown := [each for each in ports.published.windows(name, spec.start, as_of) if each not in known]:
        yield (
            f"{name}: predictions of {_named(use_case, unknown)} are published that the ledger does not know: it is "
            f"older than the published table. Bring back a newer backup of the ledger; else {_run(use_case, unknown)}: "
            "it scores them again, and what is published then is explained."
        )


def _named(use_case: LoadedUseCase, windows: Sequence[Window]) -> str:
    ranges = list(ranges_of(use_case.spec.grid, windows))
    more = ", …" if len(ranges) > NAMED else ""
    return f"{counted(len(windows), 'window')} ({', '.join(each.named for each in ranges[:NAMED])}{more})"


def _run(use_case: LoadedUseCase, windows: Sequence[Window]) -> str:
    first, last = windows[0].start, windows[-1].end
    return f"`perennial run {use_case.name} --from {first:%Y-%m-%dT%H:%MZ} --to {last:%Y-%m-%dT%H:%MZ}`"
