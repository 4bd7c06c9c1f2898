"""One window is made without an entity, in the order in which its jobs write: lake, ledger, published.

Each thing is done only where it was not done before, so that a run that was killed is finished by the next one.
"""

import logging
from dataclasses import dataclass, replace

import pyarrow as pa

from perennial.errors import RowsRemoved
from perennial.jobs.erase import rewrite
from perennial.jobs.erase.find import rows_about
from perennial.jobs.erase.rewrite import SnapshotWithout
from perennial.lake.forgetting import without
from perennial.lake.port import (
    labels_table,
    predictions_table,
    quarantine_table,
    raw_table,
    shadow_table,
    window_partition,
)
from perennial.lease import Lease
from perennial.ledger.entries import Batch, InterventionKind, ShadowBatch
from perennial.ledger.rules import recorded_order
from perennial.ports import Ports
from perennial.records.batch import live_rows, restore_stores
from perennial.records.gate import is_about
from perennial.records.leases import whole_window
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Erasing:
    """Of which use case which entity is erased by which run, and what stands for it in the ledger."""

    use_case: LoadedUseCase
    entity: str
    subject: str
    ports: Ports
    run_id: str

    @property
    def name(self) -> str:
        """The use case's name."""
        return self.use_case.name

    def without(self, rows: pa.Table) -> pa.Table:
        """The rows but those of the entity."""
        return without(rows, self.use_case.spec.key, self.entity)

    def about(self, rows: pa.Table) -> int:
        """How many rows are the entity's."""
        return rows_about(rows, self.use_case.spec.key, self.entity)


def erase_from(window: Window, erasing: Erasing) -> None:
    """Let everything that is live in the window be without the entity, and the ledger's entries name it no more.

    Errors: `WindowBusy`, `LeaseLost`, `StoreUnavailable`.
    """
    ports, name = erasing.ports, erasing.name
    with whole_window(name, window, ports, erasing.run_id) as (data, labels, shadow):
        digests = _snapshots(window, erasing, data)
        _predictions(window, erasing, digests, data)
        _shadow(window, erasing, shadow)
        _head(labels_table(name), window, erasing, labels)
        values = rewrite.named_values(erasing.use_case, window, erasing.entity, ports)
        ports.ledger.redact(name, window, erasing.entity, values, subject=erasing.subject, run_id=erasing.run_id)


def _snapshots(window: Window, erasing: Erasing, lease: Lease) -> dict[str, str]:
    """Record the window's snapshots without the entity, with the verdicts on those before; their digests by those."""
    use_case, ports, partition = erasing.use_case, erasing.ports, window_partition(window)
    known = rewrite.snapshots_without(use_case, window, erasing.entity, ports)
    digests = {each.before.digest: each.digest for each in known if each.gone}
    quarantine = rewrite.quarantine_without(use_case, window, erasing.entity, digests, ports)
    if quarantine is not None:
        ports.lake.replace(quarantine_table(erasing.name), partition, quarantine, lease)
    for each in known:
        if each.gone:
            _carry_over(each, quarantine, erasing, lease)
    _record(window, known, erasing, lease)
    _head(raw_table(erasing.name), window, erasing, lease)
    return digests


def _carry_over(snapshot: SnapshotWithout, quarantine: pa.Table | None, erasing: Erasing, lease: Lease) -> None:
    """Verdicts on the snapshot, and what people accepted of it, hold for the one without the entity, too."""
    ports, window, before = erasing.ports, snapshot.before.window, snapshot.before.digest
    values = rewrite.named_values(erasing.use_case, window, erasing.entity, ports)
    predicted = _predicted(window, before, erasing)
    for verdict in rewrite.verdicts_without(
        erasing.use_case, snapshot, quarantine, predicted, values, ports, erasing.run_id
    ):
        ports.ledger.record_validation(verdict, lease)
    accepted = ports.ledger.interventions_on(erasing.name, InterventionKind.ROWS_ACCEPTED, [window])
    there = {each.subject for each in accepted}
    for each in accepted:
        subject = f"{snapshot.digest} {each.details['rule']}"
        if is_about(before, each) and subject not in there:
            details = {**each.details, "snapshot_digest": snapshot.digest, "carried_over_from": before}
            entry = replace(each, subject=subject, details=details, run_id=erasing.run_id, recorded_at=None, id=None)
            ports.ledger.record_intervention(entry, lease)


def _predicted(window: Window, snapshot_digest: str, erasing: Erasing) -> int:
    batch = erasing.ports.ledger.latest_batch(erasing.name, window)
    if batch is None or batch.snapshot_digest != snapshot_digest:
        return 0
    try:
        return erasing.about(live_rows(batch, erasing.ports))
    except RowsRemoved:
        return 0


def _record(window: Window, known: list[SnapshotWithout], erasing: Erasing, lease: Lease) -> None:
    """Record the snapshots in the order of those before them, so that the last one stays the last."""
    ledger, lake = erasing.ports.ledger, erasing.ports.lake
    done = {each.before.digest for each in known if not each.gone}
    made = {each.digest for each in known if each.gone}
    changed = False
    for each in known:
        before = each.before
        # What an earlier run made is skipped, and so is what nothing comes before that is made now.
        if (each.gone and each.digest in done) or (not each.gone and (each.digest in made or not changed)):
            continue
        latest = ledger.latest_snapshot(erasing.name, window)
        commit = lake.replace(before.table, window_partition(window), each.rows, lease, anew=not each.gone)
        entry = replace(
            before, version=commit.version, digest=each.digest, rows=commit.rows, run_id=erasing.run_id,
            recorded_at=None, id=None,
        )  # fmt: skip
        recorded = ledger.record_snapshot(entry, lease)
        # Where the version's number is taken in the ledger, another is made.
        while latest is not None and recorded_order(recorded) <= recorded_order(latest):
            again = lake.replace(before.table, window_partition(window), each.rows, lease, anew=True)
            recorded = ledger.record_snapshot(replace(entry, version=again.version), lease)
        changed = True


def _predictions(window: Window, erasing: Erasing, digests: dict[str, str], lease: Lease) -> None:
    """Make a revision without the entity the live one, and publish it."""
    ports, table, partition = erasing.ports, predictions_table(erasing.name), window_partition(window)
    found = rewrite.batch_without(erasing.use_case, window, erasing.entity, digests, ports, erasing.run_id)
    if found is not None:
        commit = ports.lake.replace(table, partition, found.rows, lease)
        after = replace(found.after, version=commit.version, fencing_token=lease.fencing_token)
        ports.ledger.record_batch(after, lease, expected=None)
        ports.published.publish(erasing.name, window, found.rows, lease)
        return
    _restore(window, erasing, lease)
    _head(table, window, erasing, lease)
    published = ports.published.read(erasing.name, window)
    if erasing.about(published):  # of no live revision that the lake holds
        ports.published.publish(erasing.name, window, erasing.without(published), lease)


def _restore(window: Window, erasing: Erasing, lease: Lease) -> None:
    """A run that was killed may have recorded the revision and not published it."""
    batch = erasing.ports.ledger.latest_batch(erasing.name, window)
    if batch is None:
        return
    try:
        restore_stores(batch, erasing.ports, lease, erasing.run_id, actor=erasing.run_id)
    except RowsRemoved as error:
        log.warning("%s", error)


def _shadow(window: Window, erasing: Erasing, lease: Lease) -> None:
    """The shadow of the revision before becomes that of the live one, if it was made for the same rows."""
    ports, table = erasing.ports, shadow_table(erasing.name)
    rows = rewrite.held_now(table, window, ports)
    if not erasing.about(rows):
        return
    kept = erasing.without(rows)
    batch = ports.ledger.latest_batch(erasing.name, window)
    shadows = [e for e in ports.ledger.shadows_between(erasing.name, window.start, window.end) if e.window == window]
    if batch is None or not shadows or not _is_for(shadows[-1], batch, kept, erasing):
        ports.lake.replace(table, window_partition(window), kept, lease)
        return
    after, said = rewrite.shadow_without(shadows[-1], kept, batch, erasing.run_id)
    commit = ports.lake.replace(table, window_partition(window), said, lease)
    ports.ledger.record_shadow(replace(after, version=commit.version, fencing_token=lease.fencing_token), lease)


def _is_for(shadow: ShadowBatch, batch: Batch, kept: pa.Table, erasing: Erasing) -> bool:
    """Whether the shadow was made for the revision before this one, which differs by the entity alone."""
    same = (shadow.champion_digest, shadow.suite_digest, shadow.scoring_digest, shadow.revision + 1)
    if same != (batch.model_digest, batch.suite_digest, batch.scoring_digest, batch.revision):
        return False
    key, live = erasing.use_case.spec.key, live_rows(batch, erasing.ports)
    return sorted(kept.column(key).to_pylist()) == sorted(live.column(key).to_pylist())


def _head(table: str, window: Window, erasing: Erasing, lease: Lease) -> None:
    """What a table holds of the window now, without the entity."""
    rows = rewrite.held_now(table, window, erasing.ports)
    if erasing.about(rows):
        erasing.ports.lake.replace(table, window_partition(window), erasing.without(rows), lease)
