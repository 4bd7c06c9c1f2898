"""Late data: windows that were scored a short time ago, or were empty and may be, are looked at again, and scored again
where rows came late.

Whether there is something to do is read off the ledger: a snapshot that replaced another, or that a window has after it
was noted as empty, and that has no entry of late rows yet. So a run that was killed anywhere is finished by the next.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import EmptyWindow, PermanentError
from perennial.jobs.predict import ingest, score, select_for_review, shadow, validate
from perennial.jobs.predict.monitor import measure_drift
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import Batch, LateRows, Snapshot
from perennial.log_context import about
from perennial.modeling.decision import DECIDED
from perennial.ports import Ports
from perennial.records.model_choice import ModelChoice
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.rollout import has_stages
from perennial.window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LateData:
    """How many windows before `window` were looked at again, and what had come late in those that changed.

    `failed` says of each window that changed and can't be scored again why not; its predictions stay as they were.
    """

    window: Window
    windows: int
    changed_windows: tuple[str, ...]
    new: int
    gone: int
    changed: int
    predictions_changed: int
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Differences:
    """How many entities only the later rows have, only the earlier ones, or both with other values."""

    new: int
    gone: int
    changed: int


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> LateData:
    """Look again at the windows that ended within the spec's `late_data` before the window began, if they were scored,
    or noted as empty.

    Each is scored by the model that was in force at its time. One that fails holds no other back. Errors:
    `SourceUnavailable`, `StoreUnavailable`, `WindowBusy`, `LeaseLost`, `DeploymentMoved`.
    """
    found: list[LateRows] = []
    failed: list[str] = []
    scored, empty = _windows_before(use_case.spec, window, ports)
    looked_at = sorted(scored | empty)
    as_of = use_case.spec.due(window)
    for each in looked_at:
        try:
            with about(window=each.key):
                late = _look_again(use_case, each, as_of, ports, run_id, was_empty=each in empty)
        except EmptyWindow as error:
            if each in scored:
                failed.append(_told(use_case, each, error))
            continue
        except PermanentError as error:
            failed.append(_told(use_case, each, error))
            continue
        if late is not None:
            found.append(late)
    log.info("%s: %d windows before %s looked at again, %d changed", use_case.name, len(looked_at), window, len(found))
    return LateData(
        window=window,
        windows=len(looked_at),
        changed_windows=tuple(each.window.key for each in found),
        new=sum(each.new for each in found),
        gone=sum(each.gone for each in found),
        changed=sum(each.changed for each in found),
        predictions_changed=sum(each.predictions_changed for each in found),
        failed=tuple(failed),
    )


def differences(before: pa.Table, after: pa.Table, key: str) -> Differences:
    """Compare two tables by their key, in the columns that both have. Rows without key count for nothing.

    >>> one = pa.table({"id": [1, 2, 3], "x": [0.5, 1.0, None]})
    >>> differences(one, pa.table({"id": [2, 3, 4], "x": [1.5, None, 2.0]}), "id")
    Differences(new=1, gone=1, changed=1)
    """
    old, old_keys = _by_key(before, key)
    new, new_keys = _by_key(after, key)
    kept, stayed = np.isin(old_keys, new_keys), np.isin(new_keys, old_keys)
    differing = np.zeros(int(kept.sum()), dtype=bool)
    for name in before.column_names:
        if name in after.column_names:
            one, other = old.column(name).filter(pa.array(kept)), new.column(name).filter(pa.array(stayed))
            differing |= _unequal(one, other) if one.type == other.type else True
    return Differences(int((~stayed).sum()), int((~kept).sum()), int(differing.sum()))


def _told(use_case: LoadedUseCase, window: Window, error: PermanentError) -> str:
    log.warning("%s %s: late data can't be scored: %s", use_case.name, window, error)
    return f"{window}: {type(error).__name__}: {error}"


def _windows_before(spec: UseCase, window: Window, ports: Ports) -> tuple[frozenset[Window], frozenset[Window]]:
    """The windows to look at again: those that were scored, and those that were noted as empty."""
    if not spec.late_data or window.start <= spec.start:
        return frozenset(), frozenset()
    earliest = spec.grid.containing(max(window.start - spec.late_data, spec.start)).start
    batches = ports.ledger.batches_between(spec.name, earliest, window.start)
    noted = ports.ledger.windows_noted_empty(spec.name, earliest, window.start)
    return frozenset(batch.window for batch in batches), noted


def _look_again(
    use_case: LoadedUseCase, window: Window, as_of: datetime, ports: Ports, run_id: str, *, was_empty: bool
) -> LateRows | None:
    ingest.run(use_case, window, ports, run_id)
    snapshots = ports.ledger.snapshots(use_case.name, window)
    known = ports.ledger.late_rows_between(use_case.name, window.start, window.end)
    if snapshots[-1].version in {each.version for each in known if each.window == window}:
        return None
    if len(snapshots) == 1 and not was_empty:
        return None
    latest = snapshots[-1]
    validate.run(use_case, window, ports, run_id)
    score.run(use_case, window, ports, run_id, model=ModelChoice())
    select_for_review.run(use_case, window, ports, run_id)
    if has_stages(use_case.spec.rollout):
        shadow.beside(use_case, window, ports, run_id)
    batches = ports.ledger.batches(use_case.name, window)
    measure_drift(use_case, batches[-1], ports, run_id)
    before = [batch for batch in batches if batch.snapshot_digest != latest.digest]
    previous = _scored_last(snapshots, before) if len(snapshots) > 1 else replace(latest, rows=0)
    after = _rows(latest, ports)
    rows = differences(_rows(previous, ports) if previous.rows else after.slice(0, 0), after, use_case.spec.key)
    late = ports.ledger.record_late_rows(
        LateRows(
            use_case=use_case.name,
            window=window,
            version=latest.version,
            version_before=previous.version,
            as_of=as_of,
            rows_before=previous.rows,
            rows=latest.rows,
            new=rows.new,
            gone=rows.gone,
            changed=rows.changed,
            revision=batches[-1].revision,
            predictions_changed=_predictions_changed(use_case.spec, before, batches[-1], ports),
            run_id=run_id,
        )
    )
    log.info(
        "%s %s: %d rows came late, %d are gone, %d changed; %d predictions changed, revision %d",
        *(late.use_case, late.window, late.new, late.gone, late.changed, late.predictions_changed, late.revision),
    )
    return late


def _scored_last(snapshots: Sequence[Snapshot], before: Sequence[Batch]) -> Snapshot:
    """The snapshot that predictions were last made of; one between that failed validation is passed over."""
    scored = [each for each in snapshots[:-1] if before and each.digest == before[-1].snapshot_digest]
    return scored[-1] if scored else snapshots[-2]


def _predictions_changed(spec: UseCase, before: Sequence[Batch], live: Batch, ports: Ports) -> int:
    if not before:
        return live.rows
    rows = [
        ports.lake.read(batch.table, window_partition(batch.window), version=batch.version)
        for batch in (before[-1], live)
    ]
    # A row that came late may take another's place among those decided for, whose prediction stays.
    decided = [DECIDED] if all(DECIDED in each.column_names for each in rows) else []
    one, other = (each.select([spec.key, "prediction", *decided]) for each in rows)
    found = differences(one, other, spec.key)
    return found.new + found.gone + found.changed


def _rows(snapshot: Snapshot, ports: Ports) -> pa.Table:
    partition = window_partition(snapshot.window)
    return ports.lake.read(raw_table(snapshot.use_case), partition, version=snapshot.version)


def _by_key(rows: pa.Table, key: str) -> tuple[pa.Table, np.ndarray[tuple[int], np.dtype[np.generic]]]:
    """The first row of each key, by key, and the keys."""
    keyed = rows.filter(pc.is_valid(rows.column(key)))
    keys, first = np.unique(keyed.column(key).to_numpy(), return_index=True)
    return keyed.take(pa.array(first)), keys


def _unequal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where values differ; two that are missing, or no number, are equal."""
    differ = pc.fill_null(pc.not_equal(one, other), fill_value=False)
    if pa.types.is_floating(one.type):
        neither = pc.fill_null(pc.and_(pc.is_nan(one), pc.is_nan(other)), fill_value=False)
        differ = pc.and_(differ, pc.invert(neither))
    result = pc.or_(differ, pc.xor(pc.is_null(one), pc.is_null(other)))
    return np.asarray(result.to_numpy(), dtype=np.bool_)
