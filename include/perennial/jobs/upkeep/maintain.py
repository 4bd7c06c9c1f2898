"""Maintain: the lake's tables are made cheap to read, and files that nobody needs any more are removed.

Needed is what the ledger refers to: the rows, the snapshot and the shadow of every live revision, every model's
training set, the labels that a window's last measurement saw; but nothing of rows that went by age, or are due to.
Replaced data stays as long as the use case's retention says. The ledger is asked about the partitions that have old
files, and about nothing where none has.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.lake.port import (
    Keep,
    labels_table,
    predictions_table,
    quarantine_table,
    raw_table,
    shadow_table,
    training_table,
    window_partition,
)
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ports import Ports
from perennial.records.retained import TABLES, due
from perennial.records.training_set import weighted_partition
from perennial.spec.load import LoadedUseCase
from perennial.spec.retirement import RowClass
from perennial.window import Window

log = logging.getLogger(__name__)

Asked = Callable[[str], bool]  # whether a partition is asked about


@dataclass(frozen=True)
class TablePlan:
    """What would be removed of one table."""

    table: str
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
        TablePlan(table, tuple(ports.lake.removable(table, keep, _age(use_case, table))))
        for table, keep in needed(use_case, as_of, ports).items()
    ]


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, *, actor: str) -> list[Maintained]:
    """Optimize each table, say what will be removed, remove it, and record that.

    What is needed is asked for again just before each removal: a run may have made a new revision meanwhile.
    Errors: `StoreUnavailable`.
    """
    done = []
    for table, keep in needed(use_case, as_of, ports).items():
        compacted = ports.lake.optimize(table)
        age = _age(use_case, table)
        files = ports.lake.removable(table, keep, age)
        for file in files:
            log.info("%s: removing %s", table, file)
        removed = ports.lake.remove(table, keep, age) if files else []
        if removed:
            _record(use_case, table, removed, ports, run_id, actor)
        done.append(Maintained(table, compacted, len(removed)))
    return done


def _age(use_case: LoadedUseCase, table: str) -> timedelta:
    """How old a file must be: no older than what is live there may get. Of training sets those are left that a killed
    removal of rejected ones did not reach.
    """
    kept = use_case.spec.retention
    if table == training_table(use_case.name):
        return min(kept.replaced, kept.rejected) if isinstance(kept.rejected, timedelta) else kept.replaced
    rows_of = _rows_of(use_case, table)
    return min(kept.replaced, kept.ages.get(rows_of, kept.replaced)) if rows_of else kept.replaced


def _rows_of(use_case: LoadedUseCase, table: str) -> RowClass | None:
    """The class of the rows in the table, None for training sets."""
    return next((each for each, tables in TABLES.items() if table in {named(use_case.name) for named in tables}), None)


def needed(use_case: LoadedUseCase, as_of: datetime, ports: Ports) -> dict[str, Keep]:
    """Of each table, what the ledger refers to; it is asked when that is called."""
    name = use_case.name
    tables: dict[str, Callable[[LoadedUseCase, datetime, Ports, Asked], Iterable[tuple[str, int]]]] = {
        raw_table(name): _snapshots,
        quarantine_table(name): _nothing,
        predictions_table(name): _batches,
        labels_table(name): _labels,
        training_table(name): _training_sets,
    }
    if ports.lake.version(shadow_table(name)) is not None:
        tables[shadow_table(name)] = _shadows

    def keep(table: str) -> Keep:
        rows_of = _rows_of(use_case, table)
        gone = due(use_case.spec, rows_of, as_of) if rows_of else None

        def stays(partition: str) -> bool:
            return gone is None or Window.parse(partition).end > gone

        return lambda asked: _by_partition(
            pair for pair in tables[table](use_case, as_of, ports, asked) if stays(pair[0])
        )

    return {table: keep(table) for table in tables}


def _by_partition(pairs: Iterable[tuple[str, int]]) -> Mapping[str, Collection[int]]:
    found: dict[str, set[int]] = {}
    for partition, version in pairs:
        found.setdefault(partition, set()).add(version)
    return found


def _nothing(*_: object) -> Iterable[tuple[str, int]]:
    return ()


def _snapshots(use_case: LoadedUseCase, as_of: datetime, ports: Ports, asked: Asked) -> Iterable[tuple[str, int]]:
    """The last snapshot of each window, and those with the bytes that its live revision was made of."""
    name, ledger = use_case.name, ports.ledger
    for snapshot in ledger.snapshots_between(name, use_case.spec.start, as_of):
        yield window_partition(snapshot.window), snapshot.version
    for batch in ledger.batches_between(name, use_case.spec.start, as_of):
        if asked(window_partition(batch.window)):
            for snapshot in ledger.snapshots(name, batch.window):
                if snapshot.digest == batch.snapshot_digest:
                    yield window_partition(batch.window), snapshot.version


def _batches(use_case: LoadedUseCase, as_of: datetime, ports: Ports, _: Asked) -> Iterable[tuple[str, int]]:
    found = ports.ledger.batches_between(use_case.name, use_case.spec.start, as_of)
    return ((window_partition(each.window), each.version) for each in found)


def _labels(use_case: LoadedUseCase, as_of: datetime, ports: Ports, _: Asked) -> Iterable[tuple[str, int]]:
    found = ports.ledger.performance_between(use_case.name, use_case.spec.start, as_of)
    for each in found:
        if each.labels_version is not None:
            yield window_partition(each.window), each.labels_version


def _training_sets(use_case: LoadedUseCase, as_of: datetime, ports: Ports, _: Asked) -> Iterable[tuple[str, int]]:
    del as_of
    for entry in ports.ledger.deployments(use_case.name):
        if "version" in entry.training:
            version, partition = int(entry.training["version"]), str(entry.training["partition"])
            yield partition, version
            yield weighted_partition(partition), version


def _shadows(use_case: LoadedUseCase, as_of: datetime, ports: Ports, _: Asked) -> Iterable[tuple[str, int]]:
    name, start, ledger = use_case.name, use_case.spec.start, ports.ledger
    live = {(batch.window, batch.revision) for batch in ledger.batches_between(name, start, as_of)}
    for each in ledger.shadows_between(name, start, as_of):
        if (each.window, each.revision) in live:
            yield window_partition(each.window), each.version


def _record(use_case: LoadedUseCase, table: str, removed: list[str], ports: Ports, run_id: str, actor: str) -> None:
    ports.ledger.record_intervention(
        Intervention(
            use_case=use_case.name,
            kind=InterventionKind.FILES_REMOVED,
            subject=table,
            actor=actor,
            reason=f"replaced for longer than {_age(use_case, table).days} days, and nothing in the ledger needs them",
            details={"files": removed},
            run_id=run_id,
        )
    )
