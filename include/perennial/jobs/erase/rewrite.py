"""What a window holds without an entity: its snapshots and its predictions, computed from what is live. Writes nothing.

No check and no model runs: verdicts are those of before, and so is each prediction of the rows that stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from perennial.digest import table_digest
from perennial.errors import RowsRemoved
from perennial.jobs.erase.find import rows_about
from perennial.lake.forgetting import without
from perennial.lake.port import quarantine_table, raw_table, window_partition
from perennial.ledger.entries import Batch, ShadowBatch, Snapshot, ValidationResult
from perennial.ledger.redacting import Named, without_named
from perennial.ports import Ports
from perennial.quality.outcome import MOST_SAMPLES, json_safe
from perennial.quality.proposals.kept import SEEN
from perennial.records.batch import content_digest, live_rows
from perennial.records.gate import of_snapshot, snapshot_rows
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial.wording import counted

CARRIED = "carried_over"  # in a validation's result: the snapshot that was checked, and how many of its rows are gone


@dataclass(frozen=True)
class SnapshotWithout:
    """A snapshot that is in use, and its rows without the entity's `gone` ones."""

    before: Snapshot
    rows: pa.Table
    digest: str
    gone: int


@dataclass(frozen=True)
class BatchWithout:
    """The live revision, and the next one: without the entity's `gone` rows, about the snapshot without them."""

    before: Batch
    after: Batch
    rows: pa.Table
    gone: int


def snapshots_without(use_case: LoadedUseCase, window: Window, entity: str, ports: Ports) -> list[SnapshotWithout]:
    """The window's latest snapshot; of a window that was ingested anew since it was scored, all from the scored one on.

    Those that the lake has lost, or that retention took, are left out. Errors: `StoreUnavailable`.
    """
    known = list(ports.ledger.snapshots(use_case.name, window))
    batch = ports.ledger.latest_batch(use_case.name, window)
    scored = [n for n, each in enumerate(known) if batch is not None and each.digest == batch.snapshot_digest]
    used = known[scored[-1] :] if scored else known[-1:]
    found = []
    for each in used:
        try:
            rows = snapshot_rows(each, ports.lake)
        except RowsRemoved:
            continue  # no row is left to erase; `find.lost` tells of what should be there
        kept = without(rows, use_case.spec.key, entity)
        gone = rows.num_rows - kept.num_rows
        found.append(SnapshotWithout(each, kept, table_digest(kept) if gone else each.digest, gone))
    return found


def batch_without(
    use_case: LoadedUseCase, window: Window, entity: str, digests: Mapping[str, str], ports: Ports, run_id: str
) -> BatchWithout | None:
    """The next revision; None where nothing changes, or the lake does not hold the live one.

    `digests` name each snapshot without the entity by that of before.
    """
    batch = ports.ledger.latest_batch(use_case.name, window)
    if batch is None:
        return None
    try:
        rows = live_rows(batch, ports)
    except RowsRemoved:
        return None
    kept = without(rows, use_case.spec.key, entity)
    snapshot = digests.get(batch.snapshot_digest, batch.snapshot_digest)
    if kept.num_rows == rows.num_rows and snapshot == batch.snapshot_digest:
        return None
    said = _saying(kept, snapshot_digest=snapshot, revision=batch.revision + 1, run_id=run_id)
    after = replace(
        batch,
        revision=batch.revision + 1,
        snapshot_digest=snapshot,
        digest=content_digest(said),
        rows=said.num_rows,
        parts=_parts(batch, said),
        run_id=run_id,
        recorded_at=None,
        id=None,
    )
    return BatchWithout(batch, after, said, rows.num_rows - kept.num_rows)


def shadow_without(shadow: ShadowBatch, rows: pa.Table, batch: Batch, run_id: str) -> tuple[ShadowBatch, pa.Table]:
    """The shadow of the revision that follows the one it was made for; `rows` are those that stay."""
    said = _saying(rows, snapshot_digest=batch.snapshot_digest, revision=batch.revision, run_id=run_id)
    after = replace(
        shadow,
        revision=batch.revision,
        snapshot_digest=batch.snapshot_digest,
        digest=content_digest(said),
        rows=said.num_rows,
        run_id=run_id,
        recorded_at=None,
        id=None,
    )
    return after, said


def held_now(table: str, window: Window, ports: Ports) -> pa.Table:
    """What a table holds of the window; nothing where its file is lost, which `perennial.jobs.erase.find` tells."""
    try:
        return ports.lake.read(table, window_partition(window))
    except RowsRemoved:
        return pa.table({})


def quarantine_without(
    use_case: LoadedUseCase, window: Window, entity: str, digests: Mapping[str, str], ports: Ports
) -> pa.Table | None:
    """The rows in quarantine without the entity's, each about the snapshot without them; None where there are none."""
    rows = held_now(quarantine_table(use_case.name), window, ports)
    if rows.num_rows == 0:
        return None
    kept = without(rows, use_case.spec.key, entity)
    about = [digests.get(each, each) for each in kept.column("snapshot_digest").to_pylist()]
    return _with_column(kept, "snapshot_digest", pa.array(about, pa.string()))


def verdicts_without(
    use_case: LoadedUseCase,
    snapshot: SnapshotWithout,
    quarantine: pa.Table | None,
    predicted: int,
    named: Named,
    ports: Ports,
    run_id: str,
) -> list[ValidationResult]:
    """The verdicts on a snapshot, as verdicts on the one without the entity.

    `quarantine` holds the rows that the one which counts set aside; of others it is known from `predicted`, how many
    rows of the entity were let through.
    """
    window = snapshot.before.window
    counting = ports.ledger.counting_verdict(use_case.name, window)
    found = []
    for each in ports.ledger.validations(use_case.name, window):
        if each.snapshot_digest != snapshot.before.digest:
            continue
        aside = max(0, each.rows_quarantined - (snapshot.gone - predicted))
        if counting is not None and each.id == counting.id:
            aside = 0 if quarantine is None else of_snapshot(quarantine, snapshot.digest).num_rows
        rows = snapshot.rows.num_rows
        result = without_named({name: part for name, part in each.result.items() if name != SEEN}, named)
        result |= {"rows": rows, "rows_clean": rows - aside, "rows_quarantined": aside}
        result[CARRIED] = {"snapshot_digest": snapshot.before.digest, "rows_erased": snapshot.gone}
        erased = f"{counted(snapshot.gone, 'row')} {'was' if snapshot.gone == 1 else 'were'} erased"
        found.append(
            replace(
                each,
                snapshot_digest=snapshot.digest,
                reasons=(*each.reasons, f"Since then {erased} from the window. No check ran again."),
                rows=rows,
                rows_quarantined=aside,
                result=result,
                run_id=run_id,
                recorded_at=None,
                id=None,
                quarantine_digest=None,  # whichever rule caught a row with the entity's, no check ran again
            )
        )
    return found


def named_values(use_case: LoadedUseCase, window: Window, entity: str, ports: Ports) -> dict[str, list[Any]]:
    """By column, the values of the entity's rows in all snapshots of the window, as samples have them."""
    name, key = use_case.name, use_case.spec.key
    found: dict[str, list[Any]] = {key: [entity]}
    for each in ports.ledger.snapshots(name, window):
        try:
            rows = ports.lake.read(raw_table(name), window_partition(window), version=each.version)
        except RowsRemoved:
            continue  # no row is left whose values could be named
        if not rows_about(rows, key, entity):
            continue
        for row in rows.filter(pc.equal(rows.column(key).cast(pa.string()), entity)).to_pylist():
            for column, cell in row.items():
                value = json_safe(cell, MOST_SAMPLES)
                if value is not None and not isinstance(value, bool) and value not in found.setdefault(column, []):
                    found[column].append(value)
    return found


def _saying(rows: pa.Table, **said: str | int) -> pa.Table:
    for name, value in said.items():
        if name in rows.column_names:
            kind = rows.schema.field(name).type
            rows = _with_column(rows, name, pa.array([value] * rows.num_rows, kind))
    return rows


def _with_column(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, values)


def _parts(batch: Batch, rows: pa.Table) -> tuple[dict[str, Any], ...]:
    by_model: Sequence[str] = rows.column("model_digest").to_pylist() if batch.parts else ()
    return tuple({**each, "rows": by_model.count(each["model_digest"])} for each in batch.parts)
