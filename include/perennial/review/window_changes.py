"""What is different from the window before: rows, columns, and how much is missing of each column."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perennial.drift.reference import PREDICTION
from perennial.errors import RowsRemoved, StoreUnavailable
from perennial.lake.port import window_partition
from perennial.ledger.entries import DriftReport, Snapshot
from perennial.ports import Ports
from perennial.quality.unread import BAD_CELLS
from perennial.spec.models import UseCase
from perennial.window import Window

MOST_ROWS_COUNTED = 50_000  # of a window whose missing values nobody has counted yet: more would take a page too long
NEGLIGIBLE_CHANGE = 0.01  # a share of rows
STANDARD_ERRORS = 3.0
RECORDED, COUNTED = "rows that passed validation", "rows that came in"


@dataclass(frozen=True)
class MissingChange:
    """A column's share of rows without a usable value: `before` in the window before, and `now`.

    `unusual`: no window of the model's reference had such a share; where drift was not measured, the change is more
    than chance explains.
    """

    column: str
    before: float
    now: float
    unusual: bool

    @property
    def change(self) -> float:
        """In shares of rows: 0.1 is ten percentage points more than before."""
        return self.now - self.before


@dataclass(frozen=True)
class WindowChanges:
    """The window before, and what is different from it.

    `columns_new`, `columns_gone` and `columns_changed` (another kind) are about the snapshots. `missing` are the
    columns whose share of missing values is known in both windows, unusual ones first, then the largest change first;
    `missing_of` says of which rows.
    """

    window: Window
    rows: int
    columns_new: tuple[str, ...]
    columns_gone: tuple[str, ...]
    columns_changed: tuple[str, ...]
    missing: tuple[MissingChange, ...]
    missing_of: str | None


@dataclass(frozen=True)
class Look:
    """A window as it is on record: its last snapshot, and the last report on its drift, if there is one."""

    snapshot: Snapshot
    drift: DriftReport | None


def changes(spec: UseCase, now: Look, before: Look, ports: Ports) -> WindowChanges:
    """What is different from the window before. Errors: `StoreUnavailable`.

    Missing values are those that monitoring counted; where it did not, as in a window that was refused, they are
    counted in the snapshots, if these are small.
    """
    new, old = (source_columns(each.snapshot) for each in (now, before))
    if now.drift is not None and before.drift is not None:
        missing, of = _recorded(now.drift, before.drift), RECORDED
    else:
        missing, of = _counted(spec, now.snapshot, before.snapshot, ports), COUNTED
    return WindowChanges(
        window=before.snapshot.window,
        rows=before.snapshot.rows,
        columns_new=tuple(name for name in new if name not in old),
        columns_gone=tuple(name for name in old if name not in new),
        columns_changed=tuple(f"{name}: {old[name]}, now {new[name]}" for name in new if _changed(name, old, new)),
        missing=tuple(sorted(missing, key=lambda each: (not each.unusual, -abs(each.change), each.column))),
        missing_of=of if missing else None,
    )


def source_columns(snapshot: Snapshot) -> Mapping[str, str]:
    """The columns that came from the source, with their types: without that which ingest adds for unread cells."""
    return {name: kind for name, kind in snapshot.columns.items() if name != BAD_CELLS}


def _changed(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return name in old and old[name] != new[name]


def _recorded(now: DriftReport, before: DriftReport) -> list[MissingChange]:
    earlier = {each["name"]: each["missing_rate"] for each in before.report.get("columns", ())}
    critical = now.report.get("critical_score")
    return [
        MissingChange(name, earlier[name], each["missing_rate"], _beyond(each["missing_score"], critical))
        for each in now.report.get("columns", ())
        if (name := each["name"]) in earlier and name != PREDICTION
    ]


def _beyond(score: float | None, critical: float | None) -> bool:
    return score is not None and critical is not None and score > critical


def _counted(spec: UseCase, now: Snapshot, before: Snapshot, ports: Ports) -> list[MissingChange]:
    if not (0 < now.rows <= MOST_ROWS_COUNTED and 0 < before.rows <= MOST_ROWS_COUNTED):
        return []
    shares, earlier = _missing(now, ports), _missing(before, ports)
    return [
        MissingChange(name, earlier[name], shares[name], more_than_chance(earlier[name], before.rows, share, now.rows))
        for name in spec.columns
        if name in earlier and (share := shares.get(name)) is not None
    ]


def _missing(snapshot: Snapshot, ports: Ports) -> dict[str, float]:
    try:
        rows = ports.lake.read(snapshot.table, window_partition(snapshot.window), version=snapshot.version)
    except (RowsRemoved, StoreUnavailable):  # the rest of the report does without the lake
        return {}
    return {name: rows.column(name).null_count / rows.num_rows for name in rows.column_names if rows.num_rows}


def more_than_chance(before: float, rows_before: int, now: float, rows_now: int) -> bool:
    """Whether two shares of so many rows differ by more than their sampling error explains, and by enough to matter.

    The test of two proportions with their pooled variance, at three standard errors.

    >>> more_than_chance(0.02, 900, 0.03, 900), more_than_chance(0.02, 900, 0.3, 900)
    (False, True)
    """
    pooled = (before * rows_before + now * rows_now) / (rows_before + rows_now)
    error = math.sqrt(pooled * (1 - pooled) * (1 / rows_before + 1 / rows_now))
    return abs(now - before) >= max(NEGLIGIBLE_CHANGE, STANDARD_ERRORS * error)
