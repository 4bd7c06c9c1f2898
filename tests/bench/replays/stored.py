"""A use case whose rows and labels are tables in memory, ingested and validated by the jobs of production."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from perennial import clock
from perennial.artifacts.memory import InMemoryArtifacts
from perennial.backtest.stored_history import StoredHistory, stored_history
from perennial.jobs.predict import ingest, validate
from perennial.lake.memory import InMemoryLake
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.registry.memory import MemoryRegistry
from perennial.sources.port import Extract, Source
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import Limits
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Window

RUN_ID = "replay"


@dataclass(frozen=True)
class Recorded:
    """A use case with all of its rows and labels. Both tables have the event time, and are sorted by it."""

    use_case: LoadedUseCase
    rows: pa.Table
    labels: pa.Table

    def windows(self, since: datetime, until: datetime) -> list[Window]:
        """The windows from `since` to `until`."""
        return list(self.use_case.spec.grid.between(since, until))

    def within(self, table: pa.Table, start: datetime, end: datetime) -> pa.Table:
        """The rows of either table with event times in `[start, end)`."""
        return between(table, self.use_case.spec.event_time, start, end)

    def stored(self, first: datetime, windows: Sequence[Window]) -> StoredHistory:
        """The stores with the windows from `first` to the end of `windows`, which is what policies live through."""
        ports = Ports(
            self._source, InMemoryLake(), InMemoryLedger(clock.now), MemoryRegistry(), InMemoryPublished(),
            InMemoryArtifacts(),
        )  # fmt: skip
        for window in self.windows(first, windows[-1].end):
            ingest.run(self.use_case, window, ports, RUN_ID)
            validate.run(self.use_case, window, ports, RUN_ID)
        return stored_history(self.use_case, windows, ports)

    def _source(self, use_case: LoadedUseCase, source: SourceSpec) -> "_Slices":
        spec = use_case.spec
        return _Slices(self.labels if source == spec.labels.source else self.rows, spec.event_time)


@dataclass(frozen=True)
class _Slices(Source):
    """A source that gives the rows of a window."""

    table: pa.Table
    event_time: str

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        del as_of, limits, keys
        return Extract(between(self.table, self.event_time, window.start, window.end), "recorded rows")


def between(table: pa.Table, event_time: str, start: datetime, end: datetime) -> pa.Table:
    """The rows whose event time lies in `[start, end)`."""
    times = table.column(event_time)
    return table.filter(
        pc.and_(pc.greater_equal(times, pa.scalar(start, times.type)), pc.less(times, pa.scalar(end, times.type)))
    )
