"""A source in memory, for tests and dry runs."""

from datetime import datetime

import pyarrow as pa

from perennial.sources.intake import Intake
from perennial.sources.port import Extract, Source
from perennial.sources.selection import Selection
from perennial.sources.shape import Shape
from perennial.spec.columns import Column, Kind, Role
from perennial.spec.models import Limits
from perennial.window import YEARS_BEGIN, YEARS_END, Window


class InMemorySource(Source):
    """The rows of a table: those of the window by `event_time`, and by `arrival`, where there is one, known by then.

    Like a file whose name holds no date, it is at home in every window.
    """

    def __init__(
        self, rows: pa.Table, event_time: str | None, arrival: str | None = None, key: str | None = None
    ) -> None:
        self._rows = rows
        self._selection = Selection(event_time, arrival, key)
        times = {name: Column(kind=Kind.TIMESTAMP, role=Role.CARRY) for name in (event_time, arrival) if name}
        self._shape = Shape(times)

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """See `Source.fetch`."""
        found = self._selection.of(self._rows, window, as_of, "memory", self._shape, home=_home, keys=keys)
        rows = Intake(limits, "memory").admit(found.rows)
        return Extract(rows, "memory", found.outside, found.misplaced, found.without_time)


def _home(_: datetime) -> tuple[Window, bool]:
    return Window(YEARS_BEGIN, YEARS_END), True
