"""Maintain: the lake's tables are made cheap to read, and files that nobody needs any more are removed.

Needed is what the ledger refers to: the rows, the snapshot and the shadow of every live revision, every model's
training set, the labels that a window's last measurement saw. Replaced data stays as long as the use case's retention
says.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perennial.lake.port import (
    labels_table,
    predictions_table,
    quarantine_table,
    raw_table,
    shadow_table,
    training_table,
)
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ports import Ports
from perennial.spec.load import LoadedUseCase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TablePlan:
    """What would be removed of one table. `versions_needed` counts the old versions that the ledger refers to."""

    table: str
    versions_needed: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class Maintained:
    """What was done to one table."""

    table: str
    partitions_compacted: int
    files_removed: int


def plan(use_case: LoadedUseCase, as_of: datetime, ports: Ports) -> list[TablePlan]:
    """What `run` would remove. Errors: `StoreUnavailable`."""
    return [
        TablePlan(table, len(keep), tuple(ports.lake.removable(table, keep, use_case.spec.retention)))
        for table, keep in _needed(use_case, as_of, ports).items()
    ]


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, *, actor: str) -> list[Maintained]:
    """Optimize each table, say what will be removed, remove it, and record that.

    What is needed is asked for again just before each removal: a run may have made a new revision meanwhile.
    Errors: `StoreUnavailable`.
    """
    done = []
    for table in _needed(use_case, as_of, ports):
        compacted = ports.lake.optimize(table)
        keep = _needed(use_case, as_of, ports)[table]
        files = ports.lake.removable(table, keep, use_case.spec.retention)
        for file in files:
            log.info("%s: removing %s", table, file)
        removed = ports.lake.remove(table, keep, use_case.spec.retention) if files else []
        if removed:
            _record(use_case, table, keep, removed, ports, run_id, actor)
        done.append(Maintained(table, compacted, len(removed)))
    return done


def _needed(use_case: LoadedUseCase, as_of: datetime, ports: Ports) -> dict[str, list[int]]:
    """Per table the old versions that the ledger refers to."""
    name, ledger = use_case.name, ports.ledger
    batches = ledger.batches_between(name, use_case.spec.start, as_of)
    scored = {(batch.window, batch.snapshot_digest) for batch in batches}
    raw = {
        snapshot.version
        for window in {batch.window for batch in batches}
        for snapshot in ledger.snapshots(name, window)
        if (window, snapshot.digest) in scored
    }
    raw |= {snapshot.version for snapshot in ledger.snapshots_between(name, use_case.spec.start, as_of)}
    labels = {entry.labels_version for entry in ledger.performance_between(name, use_case.spec.start, as_of)}
    training = {int(entry.training["version"]) for entry in ledger.deployments(name) if "version" in entry.training}
    shadows = ledger.shadows_between(name, use_case.spec.start, as_of)
    live = {(batch.window, batch.revision) for batch in batches}
    shadowed = {each.version for each in shadows if (each.window, each.revision) in live}
    return {
        raw_table(name): sorted(raw),
        quarantine_table(name): [],
        predictions_table(name): sorted({batch.version for batch in batches}),
        labels_table(name): sorted(version for version in labels if version is not None),
        training_table(name): sorted(training),
        **({shadow_table(name): sorted(shadowed)} if shadows else {}),
    }


def _record(
    use_case: LoadedUseCase,
    table: str,
    keep: Sequence[int],
    removed: list[str],
    ports: Ports,
    run_id: str,
    actor: str,
) -> None:
    ports.ledger.record_intervention(
        Intervention(
            use_case=use_case.name,
            kind=InterventionKind.FILES_REMOVED,
            subject=table,
            actor=actor,
            reason=f"replaced for longer than {use_case.spec.retention}, and nothing in the ledger needs them",
            details={"files": removed, "versions_kept": list(keep)},
            run_id=run_id,
        )
    )
