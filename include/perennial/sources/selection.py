"""Which rows of a file belong to a window: what SQL says in its WHERE clause."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch
from perennial.spec.problems import listed, nearest, shown_name
from perennial.window import Window


@dataclass(frozen=True)
class Selection:
    """Rows whose `event_time` lies in the window and, with `arrival`, that had arrived by the moment asked about.

    As in SQL, a row without event time belongs to no window, and one without arrival has not arrived.
    """

    event_time: str
    arrival: str | None

    def of(self, rows: pa.Table, window: Window, as_of: datetime, origin: str) -> pa.Table:
        """The rows that belong. Errors: `SchemaMismatch` when a time is missing or names no instant."""
        happened = self._instants(rows, self.event_time, origin)
        chosen = pc.and_(pc.greater_equal(happened, _instant(window.start)), pc.less(happened, _instant(window.end)))
        if self.arrival is not None:
            chosen = pc.and_(chosen, pc.less_equal(self._instants(rows, self.arrival, origin), _instant(as_of)))
        return rows.filter(chosen)

    def _instants(self, rows: pa.Table, name: str, origin: str) -> pa.ChunkedArray:
        if rows.column_names.count(name) != 1:
            near = nearest(name, rows.column_names)
            raise SchemaMismatch(
                f"{origin}: needs exactly one column {name} to choose the window's rows by; "
                f"it has {listed(rows.column_names) or 'no columns'}."
                + (f" Is {shown_name(near)} meant?" if near else "")
            )
        found = rows.column(name)
        if not pa.types.is_timestamp(found.type) or found.type.tz is None:
            raise SchemaMismatch(
                f"{origin}: column {name} is {found.type}; to choose the window's rows by, it must be a timestamp with "
                "a time zone. Write it so, for example in UTC."
            )
        return found


def _instant(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))
