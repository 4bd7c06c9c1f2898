"""Which rows of a file belong to a window: what SQL says in its WHERE clause."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch
from perennial.quality.columns import Unfit
from perennial.quality.unread import unread_in
from perennial.sources.shape import ReadColumn, Shape
from perennial.spec.problems import listed, nearest, shown_name
from perennial.window import YEARS_BEGIN, YEARS_END, Window

Home = Callable[[datetime], tuple[Window, bool]]
"""For the instant of a row outside the window: its own window, and whether that one reads the file, too."""


@dataclass(frozen=True)
class Selected:
    """The rows of a file that belong to a window. Of the others in a file that is at home in the window, it counts
    those that are left to windows of their own (`outside`), those that no other window will find (`misplaced`), and
    those without an event time. The last two are among the rows, for validation to set them aside.
    """

    rows: pa.Table
    outside: int = 0
    misplaced: int = 0
    without_time: int = 0


@dataclass(frozen=True)
class Selection:
    """Rows whose `event_time` lies in the window and, with `arrival`, that had arrived by the moment asked about.

    Without `event_time` every row that had arrived is chosen. A row without arrival has not arrived.
    """

    event_time: str | None
    arrival: str | None
    key: str | None = None

    def of(
        self,
        rows: pa.Table,
        window: Window,
        as_of: datetime,
        origin: str,
        shape: Shape,
        *,
        home: Home | None,
        read: ReadColumn | None = None,
        keys: pa.Array | None = None,
    ) -> Selected:
        """The rows that belong. `home` is None for a file that is at home in another window; with `keys`, only rows
        that have one of them in the column `key`.

        Errors: `SchemaMismatch` when a time is missing or names no instant.
        """
        if keys is not None and self.key is not None:
            named = (read or shape.read)(self.key, shape.columns[self.key], rows.column(self.key)).values
            rows = rows.filter(pc.is_in(named, value_set=keys.cast(named.type)))
        if self.event_time is None:
            return Selected(rows.filter(self._arrived(rows, as_of, origin, shape, read)))
        happened, _ = self._instants(rows, self.event_time, origin, shape, read)
        arrived = self._arrived(rows, as_of, origin, shape, read)
        within = pc.and_(pc.greater_equal(happened, _instant(window.start)), pc.less(happened, _instant(window.end)))
        chosen = pc.and_(pc.fill_null(within, fill_value=False), arrived)
        if home is None:
            return Selected(rows.filter(chosen))
        nowhere = pc.and_(pc.is_null(happened), arrived)
        strays = happened.filter(pc.and_(pc.invert(pc.fill_null(within, fill_value=True)), arrived))
        lost = _lost(strays, home)
        without_time = pc.sum(nowhere).as_py() or 0
        if self.arrival is None:
            out = pc.is_in(happened, value_set=lost, skip_nulls=True)
            misplaced = pc.and_(pc.and_(out, arrived), pc.invert(chosen))
            chosen = pc.or_(pc.or_(chosen, nowhere), misplaced)
        counted = len(lost) and pc.sum(pc.is_in(strays, value_set=lost)).as_py()
        return Selected(rows.filter(chosen), len(strays) - counted, counted, without_time)

    def _arrived(
        self, rows: pa.Table, as_of: datetime, origin: str, shape: Shape, read: ReadColumn | None
    ) -> pa.ChunkedArray:
        if self.arrival is None:
            return pa.chunked_array([pa.repeat(pa.scalar(value=True), rows.num_rows)])
        arrived, unread = self._instants(rows, self.arrival, origin, shape, read)
        known = pc.fill_null(pc.less_equal(arrived, _instant(as_of)), fill_value=False)
        # A time that can't be read has to be told, not to be taken for one that has not come.
        bad = unread_in(rows, self.arrival) if unread is None else pc.is_valid(unread)
        return pc.or_(known, pa.chunked_array([pa.array(bad)]))

    def _instants(
        self, rows: pa.Table, name: str, origin: str, shape: Shape, read: ReadColumn | None
    ) -> tuple[pa.ChunkedArray, pa.Array | None]:
        if rows.column_names.count(name) != 1:
            near = nearest(name, rows.column_names)
            raise SchemaMismatch(
                f"{origin}: needs exactly one column {name} to choose the window's rows by; "
                f"it has {listed(rows.column_names) or 'no columns'}."
                + (f" Is {shown_name(near)} meant?" if near else "")
            )
        try:
            canonical = (read or shape.read)(name, shape.columns[name], rows.column(name))
        except Unfit:
            shape.canonical(rows, origin, read)  # tells of this column, and of all others that don't fit
            raise
        return canonical.values, canonical.unread


def _lost(strays: pa.ChunkedArray, home: Home) -> pa.Array:
    """The instants whose own window does not read the file, each once; at the ends of the calendar there is none."""
    left = pc.unique(strays)
    nowhere = pc.or_(pc.less(left, _instant(YEARS_BEGIN)), pc.greater_equal(left, _instant(YEARS_END)))
    lost, left = [left.filter(nowhere)], left.filter(pc.invert(nowhere))
    while len(left):
        window, reads = home(left[0].as_py())
        inside = pc.and_(pc.greater_equal(left, _instant(window.start)), pc.less(left, _instant(window.end)))
        lost += [] if reads else [left.filter(inside)]
        left = left.filter(pc.invert(inside))
    return pa.concat_arrays(lost)


_INSTANT = pa.timestamp("us", tz="UTC")


def _instant(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, _INSTANT)
