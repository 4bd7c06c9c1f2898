"""The gate of many windows at once: what it asks the ledger and the lake for is asked once for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from perennial.lake.port import quarantine_table, window_partition
from perennial.ledger.entries import InterventionKind, Snapshot, ValidationResult
from perennial.ports import Ports
from perennial.records.gate import Gated
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window

_NO_KEYS = pa.array([], pa.null())


@dataclass(frozen=True)
class Gates:
    """What ledger and lake said of some windows when they were asked: the latest snapshots, the verdicts on them under
    today's rules, the windows of which a person accepted rows, and the partitions of the quarantine.
    """

    snapshots: dict[Window, Snapshot] = field(default_factory=dict)
    verdicts: dict[Window, ValidationResult] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()
    quarantined: frozenset[str] = frozenset()

    def rows(self, window: Window) -> int:
        """How many rows the window has, as far as it was ingested."""
        return self.snapshots[window].rows if window in self.snapshots else 0

    def is_new(self, window: Window) -> bool:
        """Whether the window was never ingested, and nobody did anything about rows of it."""
        return window not in self.snapshots and window_partition(window) not in self.accepted | self.quarantined

    def gate(self, window: Window) -> Gated | None:
        """The window's gate, if it is open and lets all rows through. None where one has to look closer: by
        `perennial.records.gate.gated`, which says what is wrong.
        """
        snapshot, verdict = self.snapshots.get(window), self.verdicts.get(window)
        if snapshot is None or verdict is None or verdict.snapshot_digest != snapshot.digest:
            return None
        looked_at = self.accepted | self.quarantined
        if verdict.verdict is Verdict.FAIL or verdict.rows_quarantined or window_partition(window) in looked_at:
            return None
        return Gated(snapshot, verdict, _NO_KEYS)


def read_gates(use_case: LoadedUseCase, windows: Sequence[Window], ports: Ports) -> Gates:
    """What is known of these windows, which are in the order of time. Errors: `StoreUnavailable`."""
    if not windows:
        return Gates()
    name, start, end = use_case.name, windows[0].start, windows[-1].end
    verdicts = ports.ledger.validations_between(name, start, end)
    accepted = ports.ledger.interventions(name, InterventionKind.ROWS_ACCEPTED)
    return Gates(
        snapshots={each.window: each for each in ports.ledger.snapshots_between(name, start, end)},
        verdicts={each.window: each for each in verdicts if each.suite_digest == use_case.suite_digest},
        accepted=frozenset(str(each.details.get("window")) for each in accepted),
        quarantined=frozenset(ports.lake.partitions(quarantine_table(name))),
    )
