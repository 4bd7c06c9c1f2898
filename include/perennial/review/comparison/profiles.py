"""The profiles of two windows in the bins of one reference: as monitoring stored them, or counted from the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from perennial.drift.columns import ColumnDrift
from perennial.drift.profiles.profile import WindowProfile, profile
from perennial.drift.reference import PREDICTION, Reference
from perennial.errors import FeaturesChanged, PermanentError, StoreUnavailable
from perennial.jobs.predict.monitor import monitored_columns
from perennial.ledger.entries import Batch, DriftReport, Snapshot
from perennial.modeling.reference import ModelReference
from perennial.ports import Ports
from perennial.quality.unread import without_bad_cells
from perennial.records.retained import batch_table, snapshot_table
from perennial.review.comparison.references import NO_REGISTRY
from perennial.review.drift import recorded_assessment
from perennial.spec.columns import Kind
from perennial.spec.load import LoadedUseCase

MOST_ROWS = 200_000  # are read for a page


@dataclass(frozen=True)
class Recorded:
    """What is on record about a window's rows: its live snapshot and batch, and the last drift report on them."""

    snapshot: Snapshot | None
    batch: Batch | None
    report: DriftReport | None


@dataclass(frozen=True)
class Profiled:
    """Both profiles, and the reference in whose bins they are counted; the columns as monitoring found them.

    `remarks` say what could not be had, and why.
    """

    before: WindowProfile | None
    after: WindowProfile | None
    drift: tuple[Sequence[ColumnDrift], Sequence[ColumnDrift]]
    reference: Reference | None
    model_version: str | None
    remarks: tuple[str, ...]


def profiled(use_case: LoadedUseCase, before: Recorded, after: Recorded, ports: Ports) -> Profiled:
    """Profile both windows in the bins of the later one's model, or of the other's where it has none.

    A profile that monitoring stored in these bins is taken; for another, at most `MOST_ROWS` rows are read.
    Errors: `StoreUnavailable`.
    """
    remarks: list[str] = []
    batch = after.batch or before.batch
    reference = _reference(use_case, batch, ports, remarks) if batch else None
    if batch is None:
        remarks.append("Neither window was scored, so there is no model whose bins the values could be counted in.")
    sides = [_profile(use_case, side, reference, ports, remarks) for side in (before, after)]
    drift = _drift_of(before, remarks), _drift_of(after, remarks)
    return Profiled(sides[0], sides[1], drift, reference, batch.model_version if batch else None, tuple(remarks))


def _drift_of(side: Recorded, remarks: list[str]) -> Sequence[ColumnDrift]:
    if side.report is None:
        return ()
    try:
        return recorded_assessment(side.report).columns
    except PermanentError as error:
        remarks.append(str(error))
        return ()


def _reference(use_case: LoadedUseCase, batch: Batch, ports: Ports, remarks: list[str]) -> Reference | None:
    try:
        stored = ports.registry.reference(use_case.name, batch.model_version, batch.model_digest)
        return ModelReference.from_json(stored).inputs.withholding(use_case.spec.personal_columns)
    except PermanentError as error:
        remarks.append(f"The reference of version {batch.model_version} can't be read: {error}")
    except StoreUnavailable:  # what the ledger knows is compared all the same
        remarks.append(NO_REGISTRY.format(batch.model_version))
    return None


def _profile(
    use_case: LoadedUseCase, side: Recorded, reference: Reference | None, ports: Ports, remarks: list[str]
) -> WindowProfile | None:
    if side.snapshot is None:
        return None
    try:
        if side.report is not None:
            found = WindowProfile.from_json(side.report.profile)
            if reference is None or found.bins == reference.bins_digest:
                return _without_private(use_case, found)
        if side.snapshot.rows <= MOST_ROWS:
            return _counted(use_case, side.snapshot, side.batch, reference, ports)
    except PermanentError as error:
        remarks.append(f"The values of {side.snapshot.window} can't be compared: {error}")
        return None
    except StoreUnavailable:
        remarks.append(f"The values of {side.snapshot.window} can't be compared right now: the lake can't be read.")
        return None
    remarks.append(
        f"{side.snapshot.window} has {side.snapshot.rows:,} rows, too many to be read for a page, and no profile in "
        f"the bins of this model: `perennial monitor {use_case.name}` makes one."
    )
    return None


def _counted(
    use_case: LoadedUseCase, snapshot: Snapshot, batch: Batch | None, reference: Reference | None, ports: Ports
) -> WindowProfile:
    """The rows that were scored, in the reference's bins; all rows of a window that was not scored."""
    spec = use_case.spec
    rows = without_bad_cells(snapshot_table(snapshot, ports))
    kinds = {name: kind for name, kind in monitored_columns(spec).items() if name in rows.column_names}
    bins = {
        each.name: each.bins
        for each in (reference.columns if reference else ())
        if each.bins is not None and kinds.get(each.name, each.kind) == each.kind
    }
    scored = None
    if batch is not None and batch.snapshot_digest == snapshot.digest:
        scored = batch_table(batch, ports)
        if spec.key not in rows.column_names or spec.key not in scored.column_names:
            raise FeaturesChanged(f"{spec.key} was not its key when it was scored.")
        rows = rows.filter(pc.is_in(rows.column(spec.key), value_set=scored.column(spec.key).combine_chunks()))
    found = profile(rows, kinds, {name: bins[name] for name in kinds if name in bins})
    if scored is not None:
        own = {PREDICTION: bins[PREDICTION]} if PREDICTION in bins else {}
        made = profile(pa.table({PREDICTION: scored.column("prediction")}), {PREDICTION: Kind.NUMERIC}, own)
        found = replace(found, numeric={**found.numeric, **made.numeric})
    return _without_private(use_case, found)


def _without_private(use_case: LoadedUseCase, found: WindowProfile) -> WindowProfile:
    private = use_case.spec.private_columns
    return replace(
        found,
        numeric={name: column for name, column in found.numeric.items() if name not in private},
        categorical={name: column for name, column in found.categorical.items() if name not in private},
    )
