"""Windows that were never ingested, many at once: their leases, commits and entries are shared.

Each window comes to what ingesting and validating it alone would have come to. A batch is whole or not there: a run
that is killed leaves nothing that a later one would not find, or do again.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from perennial.errors import PerennialError, SourceRejected
from perennial.jobs.predict.ingest import Delivered, delivered, delivered_together, extracted
from perennial.jobs.predict.validate import judge_many, tell
from perennial.lake.port import quarantine_table, raw_table, window_partition
from perennial.lease import Lease
from perennial.ledger.entries import Snapshot, ValidationResult
from perennial.ordered import FEW_ROWS
from perennial.ports import Ports
from perennial.records.gate import Gated, failure_text
from perennial.records.leases import free_data
from perennial.sources.port import Extract
from perennial.spec.load import LoadedUseCase
from perennial.stacked import canonical_each
from perennial.verdict import Verdict
from perennial.window import Window

log = logging.getLogger(__name__)

ENOUGH_BYTES = 32 * 2**20  # of rows that are held in memory between two commits
MEASURED = 16  # of so many small windows one is measured, which takes Arrow 14 us
ENOUGH_SECONDS = 20.0  # for which others may be kept waiting for one of the windows


@dataclass
class TakenIn:
    """The gates of windows that were taken in, each with its clean rows, and why others were `refused`.

    `looked_at` are both, and those that somebody else held or took in meanwhile: they are in neither.
    """

    clean: dict[Window, tuple[Gated, pa.Table]] = field(default_factory=dict)
    refused: dict[Window, str] = field(default_factory=dict)
    looked_at: set[Window] = field(default_factory=set)


def take_in(use_case: LoadedUseCase, windows: Sequence[Window], ports: Ports, run_id: str) -> TakenIn:
    """Ingest and validate windows without a snapshot; not all of them, where that would take long or much memory.

    At least one is looked at. When the source fails, what it delivered before is kept. Errors: `SourceUnavailable`,
    `InvalidQuery`, `StoreUnavailable`, `LeaseLost`, `UseCaseEnded`.
    """
    name, taken = use_case.name, TakenIn()
    with free_data(name, windows, ports, run_id) as leases:
        known = {each.window for each in ports.ledger.snapshots_between(name, windows[0].start, windows[-1].end)}
        free = [window for window in windows if window in leases and window not in known]
        taken.looked_at |= set(windows) - set(free)
        source = _Source(use_case, ports, taken)
        rows = source.delivered(free)
        if rows:
            held = {window: leases[window] for window in rows}
            _validated(use_case, _ingested(use_case, rows, held, ports, run_id), rows, held, ports, run_id, taken)
    if source.failed is not None:
        raise source.failed
    return taken


@dataclass
class _Source:
    """What the source delivers; `failed` says why it does not go on."""

    use_case: LoadedUseCase
    ports: Ports
    taken: TakenIn
    failed: PerennialError | None = None

    def delivered(self, windows: Collection[Window]) -> dict[Window, Delivered]:
        """The rows of the first windows: as many as are enough, or came before one failed."""
        extracts = dict(self._extracted(windows))
        together = delivered_together(self.use_case, extracts)
        found: dict[Window, Delivered] = {}
        for window, its in extracts.items():
            try:
                found[window] = together.get(window) or delivered(self.use_case, window, its, self.ports)
            except SourceRejected as error:
                self.taken.refused[window] = str(error)
        return found

    def _extracted(self, windows: Collection[Window]) -> Iterator[tuple[Window, Sequence[Extract]]]:
        began, size, row_bytes = time.monotonic(), 0.0, 0.0
        for number, window in enumerate(windows):
            if number and (size > ENOUGH_BYTES or time.monotonic() - began > ENOUGH_SECONDS):
                return
            try:
                found = extracted(self.use_case, window, self.ports)
            except SourceRejected as error:
                self.taken.refused[window] = str(error)
            except PerennialError as error:
                self.failed = error
                return
            else:
                rows = sum(each.rows.num_rows for each in found)
                if rows > FEW_ROWS or number % MEASURED == 0:
                    row_bytes = max(row_bytes, sum(each.rows.nbytes for each in found) / max(rows, 1))
                size += rows * row_bytes
                yield window, found
            self.taken.looked_at.add(window)


def _ingested(
    use_case: LoadedUseCase,
    rows: Mapping[Window, Delivered],
    leases: Mapping[Window, Lease],
    ports: Ports,
    run_id: str,
) -> Sequence[Snapshot]:
    commits = ports.lake.replace_many(
        raw_table(use_case.name),
        {window_partition(window): each.rows for window, each in rows.items()},
        {window_partition(window): lease for window, lease in leases.items()},
    )
    snapshots = [
        each.snapshot(use_case.name, commits[window_partition(window)], run_id) for window, each in rows.items()
    ]
    recorded = ports.ledger.record_snapshots(snapshots, list(leases.values()))
    for each in recorded:
        log.info("%s %s: %d rows, snapshot %s", use_case.name, each.window, each.rows, each.digest[:12])
    return recorded


def _validated(
    use_case: LoadedUseCase,
    snapshots: Sequence[Snapshot],
    rows: Mapping[Window, Delivered],
    leases: Mapping[Window, Lease],
    ports: Ports,
    run_id: str,
    taken: TakenIn,
) -> None:
    delivered_rows = [rows[each.window].rows for each in snapshots]
    stored = dict(zip((each.window for each in snapshots), canonical_each(delivered_rows), strict=True))
    judged = judge_many(use_case, snapshots, stored, run_id)
    set_aside = {window: each.quarantined for window, each in judged.items() if each.quarantined.num_rows}
    commits = ports.lake.replace_many(  # a window without a snapshot has no rows there that would have to go
        quarantine_table(use_case.name),
        {window_partition(window): rows for window, rows in set_aside.items()},
        {window_partition(window): leases[window] for window in set_aside},
    )
    given = [
        replace(each.verdict, quarantine_digest=commits[window_partition(window)].digest)
        if window in set_aside
        else each.verdict
        for window, each in judged.items()
    ]
    verdicts = ports.ledger.record_validations(given, list(leases.values()))
    for snapshot, verdict in zip(snapshots, verdicts, strict=True):
        tell(verdict)
        window = snapshot.window
        if verdict.verdict is Verdict.FAIL:
            taken.refused[window] = failure_text(verdict)
            continue
        gate = _gate(use_case, snapshot, verdict, judged[window].quarantined)
        taken.clean[window] = gate, gate.clean(stored[window], use_case.spec.key)


def _gate(use_case: LoadedUseCase, snapshot: Snapshot, verdict: ValidationResult, quarantined: pa.Table) -> Gated:
    keys = quarantined.column(use_case.spec.key).combine_chunks() if quarantined.num_rows else pa.array([], pa.null())
    return Gated(snapshot, verdict, keys)
