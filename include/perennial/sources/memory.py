"""A source in memory, for tests and dry runs."""

from datetime import datetime

import pyarrow as pa

from perennial.sources.intake import Intake
from perennial.sources.port import Extract
from perennial.sources.selection import Selection
from perennial.spec.models import Limits
from perennial.window import Window


class InMemorySource:
    """The rows of a table: those of the window by `event_time`, and by `arrival`, where there is one, known by then."""

    def __init__(self, rows: pa.Table, event_time: str, arrival: str | None = None) -> None:
        self._rows = rows
        self._selection = Selection(event_time, arrival)

    def fetch(self, window: Window, as_of: datetime, limits: Limits) -> Extract:
        """See `Source.fetch`."""
        intake = Intake(limits, "memory")
        intake.add(self._selection.of(self._rows, window, as_of, "memory"))
        return Extract(intake.table(), "memory")
