"""History: every revision of a window, and what changed between two of them."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import NotScored
from perennial.ledger.entries import Batch
from perennial.ports import Ports
from perennial.records.batch import erased_from
from perennial.records.retained import batch_table
from perennial.records.scorers import told
from perennial.spec.load import LoadedUseCase
from perennial.window import Window


@dataclass(frozen=True)
class Revision:
    """One committed version of a window's predictions: when, which model, which data, by which run.

    `remarks` say what was left out of the window when its snapshot was ingested, None where that is not on record.
    `model` is the champion's version; `predicted_by` says in words who predicted the rows.
    """

    window: Window
    revision: int
    live: bool
    recorded_at: datetime | None
    model: str
    model_digest: str
    snapshot: int | None
    snapshot_digest: str
    rows: int
    quarantined: int | None
    resolution: str
    run_id: str
    remarks: tuple[str, ...] | None
    predicted_by: str = ""


@dataclass(frozen=True)
class ChangedRow:
    """A row whose prediction differs; None where the revision does not have it. `entity` is its key as text."""

    entity: str
    before: float | None
    after: float | None
    difference: float | None


@dataclass(frozen=True)
class Difference:
    """What changed from one revision to another. `rows` are the changed ones, the greatest difference first.

    `crossed` counts the predictions that went to the other side of a threshold; None where none was asked about.
    `erased` says which of the revisions lack rows about entities that were erased; these are not counted as removed.
    """

    window: Window
    before: int
    after: int
    same: int
    changed: int
    added: int
    removed: int
    mean_absolute_difference: float | None
    greatest_difference: float | None
    rows: tuple[ChangedRow, ...]
    crossed: int | None = None
    erased: tuple[str, ...] = ()


def run(use_case: LoadedUseCase, window: Window, ports: Ports) -> list[Revision]:
    """All revisions of the window, the oldest first. Errors: `NotScored`, `StoreUnavailable`."""
    batches = _batches(use_case, window, ports)
    snapshots = {snapshot.digest: snapshot for snapshot in ports.ledger.snapshots(use_case.name, window)}
    quarantined = {
        (verdict.snapshot_digest, verdict.suite_digest): verdict.rows_quarantined
        for verdict in ports.ledger.validations(use_case.name, window)
    }
    return [
        Revision(
            window=window,
            revision=batch.revision,
            live=batch is batches[-1],
            recorded_at=batch.recorded_at,
            model=batch.model_version,
            model_digest=batch.model_digest,
            snapshot=snapshots[batch.snapshot_digest].version if batch.snapshot_digest in snapshots else None,
            snapshot_digest=batch.snapshot_digest,
            rows=batch.rows,
            quarantined=quarantined.get((batch.snapshot_digest, batch.suite_digest)),
            resolution=batch.resolution,
            run_id=batch.run_id,
            remarks=snapshots[batch.snapshot_digest].remarks if batch.snapshot_digest in snapshots else None,
            predicted_by=told(batch),
        )
        for batch in batches
    ]


def diff(
    use_case: LoadedUseCase,
    window: Window,
    before: int,
    after: int,
    ports: Ports,
    *,
    most: int | None = None,
    threshold: float | None = None,
) -> Difference:
    """Which rows changed from revision `before` to `after`, and by how much; of the rows at most `most` are given.

    Errors: `NotScored` when there is no such revision, `RowsRemoved` when retention took its rows, `StoreUnavailable`.
    """
    by_revision = {batch.revision: batch for batch in _batches(use_case, window, ports)}
    missing = [number for number in (before, after) if number not in by_revision]
    if missing:
        there = ", ".join(map(str, by_revision))
        raise NotScored(f"{use_case.name} {window} has no revision {missing[0]}; it has {there}.")
    old = _predictions(use_case, by_revision[before], ports, "before")
    new = _predictions(use_case, by_revision[after], ports, "after")
    together = old.join(new, "entity", join_type="full outer")
    changes = pc.subtract(together["after"], together["before"])
    in_both = pc.is_valid(changes)
    differing = together.append_column("difference", changes).filter(
        pc.or_(pc.invert(in_both), pc.not_equal(pc.fill_null(changes, 0.0), 0.0))
    )
    absolute = np.abs(differing["difference"].drop_null().to_numpy())
    order = pc.sort_indices(
        differing.append_column("size", pc.abs(differing["difference"])),
        sort_keys=[("size", "descending", "at_end"), ("entity", "ascending", "at_end")],
    )
    return Difference(
        window=window,
        before=before,
        after=after,
        same=together.num_rows - differing.num_rows,
        changed=len(absolute),
        added=pc.sum(pc.is_null(together["before"])).as_py() or 0,
        removed=pc.sum(pc.is_null(together["after"])).as_py() or 0,
        mean_absolute_difference=float(absolute.mean()) if len(absolute) else None,
        greatest_difference=float(absolute.max()) if len(absolute) else None,
        rows=tuple(
            ChangedRow(**{**row, "entity": use_case.spec.shown_entity(row["entity"])})
            for row in differing.take(order[:most]).to_pylist()
        ),
        crossed=None if threshold is None else _crossed(differing, threshold),
        erased=tuple(filter(None, (_erased(by_revision[n], rows, ports) for n, rows in ((before, old), (after, new))))),
    )


def _erased(batch: Batch, rows: pa.Table, ports: Ports) -> str:
    erased = erased_from(batch, rows, ports.ledger)
    return erased and f"Of revision {batch.revision}, {erased}."


def _crossed(differing: pa.Table, threshold: float) -> int:
    above = [pc.greater_equal(differing[side], threshold) for side in ("before", "after")]
    return pc.sum(pc.xor(*above)).as_py() or 0


def _batches(use_case: LoadedUseCase, window: Window, ports: Ports) -> list[Batch]:
    batches = list(ports.ledger.batches(use_case.name, window))
    if not batches:
        raise NotScored(
            f"{use_case.name} {window} has no predictions yet. Run `perennial score {use_case.name} "
            f"--window {window.start:%Y-%m-%dT%H:%MZ}` first."
        )
    return batches


def _predictions(use_case: LoadedUseCase, batch: Batch, ports: Ports, side: str) -> pa.Table:
    rows = batch_table(batch, ports)
    return rows.select([use_case.spec.key, "prediction"]).rename_columns(["entity", side])
