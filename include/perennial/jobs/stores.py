"""The two stores of predictions beside the ledger: whether they hold the live revision, and how they get it back."""

import logging
from dataclasses import dataclass

from perennial.digest import table_digest
from perennial.hold import Hold
from perennial.lake.port import window_partition
from perennial.ledger.entries import Batch, Intervention, InterventionKind
from perennial.ports import Ports

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoresFound:
    """What the lake's head and the published table hold of a window, beside what its live revision has."""

    live_rows: int
    live_digest: str
    lake_rows: int
    lake_digest: str
    published_rows: int
    published_digest: str

    @property
    def lake_agrees(self) -> bool:
        """Whether the lake's head holds the live revision."""
        return self.lake_digest == self.live_digest

    @property
    def published_agrees(self) -> bool:
        """Whether the published table holds the live revision."""
        return self.published_digest == self.live_digest


def compare_stores(batch: Batch, ports: Ports) -> StoresFound:
    """Compare the stores with a live revision, by row count and checksum. Errors: `StoreUnavailable`."""
    partition = window_partition(batch.window)
    live = ports.lake.read(batch.table, partition, version=batch.version)
    head = ports.lake.read(batch.table, partition)
    published = ports.published.read(batch.use_case, batch.window)
    return StoresFound(
        live.num_rows,
        table_digest(live),
        head.num_rows,
        table_digest(head),
        published.num_rows,
        table_digest(published),
    )


def restore_stores(batch: Batch, ports: Ports, hold: Hold, run_id: str, *, actor: str) -> tuple[InterventionKind, ...]:
    """Bring lake and published table back to the live revision, where they hold anything else; what was restored.

    Each is recorded as an intervention once it is done. Errors: `StoreUnavailable`, `HoldLost`.
    """
    found = compare_stores(batch, ports)
    if found.lake_agrees and found.published_agrees:
        return ()
    partition = window_partition(batch.window)
    rows = ports.lake.read(batch.table, partition, version=batch.version)
    restored: list[InterventionKind] = []
    if not found.lake_agrees:
        ports.lake.replace(batch.table, partition, rows, hold)
        restored.append(InterventionKind.LAKE_RESTORED)
    if not found.published_agrees:
        ports.published.publish(batch.use_case, batch.window, rows, hold)
        restored.append(InterventionKind.PUBLISHED_RESTORED)
    for kind in restored:
        text = _reason(kind, batch, found)
        log.warning("%s %s: %s", batch.use_case, batch.window, text)
        ports.ledger.record_intervention(
            Intervention(
                use_case=batch.use_case,
                kind=kind,
                subject=batch.window.key,
                actor=actor,
                reason=text,
                details={"revision": batch.revision, "found": vars(found)},
                run_id=run_id,
            )
        )
    return tuple(restored)


def _reason(kind: InterventionKind, batch: Batch, found: StoresFound) -> str:
    place, rows, digest = (
        ("the lake's head", found.lake_rows, found.lake_digest)
        if kind is InterventionKind.LAKE_RESTORED
        else ("the published table", found.published_rows, found.published_digest)
    )
    return (
        f"{place} held {rows} rows (digest {digest[:12]}), revision {batch.revision} has {found.live_rows} "
        f"(digest {found.live_digest[:12]}); it was written there again"
    )
