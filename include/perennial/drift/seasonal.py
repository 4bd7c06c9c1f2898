"""The part of a reference that is of the same season as a new window."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from perennial.arrays import Floats
from perennial.drift.reference import ColumnReference, Reference, pack, usual_distances
from perennial.spec.monitoring import Season
from perennial.window import Window

# Days of the year that count as the same season: so far on either side, in earlier years.
NEAR = timedelta(days=30)
YEAR_DAYS = 365.2425


def of_season(reference: Reference, window: Window, season: Season, timezone: str) -> Reference:
    """The reference's windows of the new window's season; bins, units and pooled counts stay those of all windows.

    `weekday`: the same day of the week, in that time zone. `year`: within 30 days of the same day in an earlier year.
    Fewer windows know less: with too few of them, assessing says `insufficient`.
    """
    starts = [Window.parse(name).start for name in reference.windows]
    kept = [i for i, start in enumerate(starts) if _alike(start, window.start, season, ZoneInfo(timezone))]
    rows = np.array(reference.rows, dtype=np.float64)[kept]
    return replace(
        reference,
        windows=tuple(reference.windows[i] for i in kept),
        rows=tuple(reference.rows[i] for i in kept),
        columns=tuple(_of_windows(column, kept, rows, reference.min_rows) for column in reference.columns),
        packed=pack(reference.joint_means[kept]),
    )


def _alike(known: datetime, new: datetime, season: Season, zone: ZoneInfo) -> bool:
    if season is Season.WEEKDAY:
        return known.astimezone(zone).weekday() == new.astimezone(zone).weekday()
    years, days = divmod((new - known).total_seconds() / 86_400 + YEAR_DAYS / 2, YEAR_DAYS)
    return years >= 1 and abs(days - YEAR_DAYS / 2) <= NEAR.days


def _of_windows(column: ColumnReference, kept: list[int], rows: Floats, min_rows: int) -> ColumnReference:
    usable = np.array(column.usable, dtype=np.float64)[kept]
    shapes = column.shapes[kept]
    usual, usual_missing = usual_distances(column.bins, shapes, usable, rows, min_rows)
    counts = tuple(column.usable[i] for i in kept)
    return replace(column, usable=counts, packed=pack(shapes), usual=usual, usual_missing=usual_missing)
