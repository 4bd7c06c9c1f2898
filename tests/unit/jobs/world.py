"""A small world for jobs: one daily use case, a source that can be changed, and every store in memory.

From day `SHIFT` on the numeric feature lies two standard deviations higher and the outcome depends on it the other
way round: inputs drift and the old model is wrong.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.artifacts.memory import InMemoryArtifacts
from perennial.errors import SourceUnavailable
from perennial.lake.memory import InMemoryLake
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.registry.memory import MemoryRegistry
from perennial.sources.memory import InMemorySource
from perennial.sources.port import Extract, Source
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.spec.models import Limits
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
RECORDED = datetime(2030, 1, 1, tzinfo=UTC)
DAYS, SHIFT, ROWS = 60, 40, 180

SPEC = """
name: parcels
title: Parcels that come late
owner: logistics
task: binary_classification
schedule: {every: day, start: 2024-01-01}
source: {type: files, path: data, format: parquet}
columns:
  parcel: {kind: integer, role: key}
  sent_at: {kind: timestamp, role: event_time, derive: [hour]}
  weight: {kind: numeric}
  service: {kind: categorical}
labels:
  source: {type: files, path: labels, format: parquet}
  column: late
  arrival_time: delivered_at
  mature_after: 1d
quality: {max_quarantined_share: 0.05}
training:
  history: 22d
  holdout: 7d
  min_rows: 500
  metric: roc_auc
  candidates:
    - {name: logistic, estimator: linear}
    - {name: guess, estimator: dummy}
monitoring:
  persistence: {alarms: 2, of: 3}
  trailing_windows: 3
  cooldown: 3d
  max_metric_loss: 0.1
"""
EXPECTATIONS = """
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: weight, min_value: -50}
    quarantine: true
  - type: expect_column_mean_to_be_between
    kwargs: {column: weight, max_value: 100}
"""


@dataclass
class Rows(Source):
    """A source whose rows the test may change, and that may be down."""

    table: pa.Table
    arrival: str | None = None
    down: bool = False
    asked: list[Window] = field(default_factory=list)

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        self.asked.append(window)
        if self.down:
            raise SourceUnavailable("the parcels' source does not answer")
        return InMemorySource(self.table, "sent_at", self.arrival).fetch(window, as_of, limits, keys)


@dataclass(frozen=True)
class Sources:
    """What a source of a spec is in the world."""

    parcels: Rows
    outcomes: Rows

    def __call__(self, loaded: LoadedUseCase, wanted: SourceSpec) -> Rows:
        return self.outcomes if wanted == loaded.spec.labels.source else self.parcels


@dataclass
class World:
    use_case: LoadedUseCase
    ports: Ports
    parcels: Rows
    outcomes: Rows

    def day(self, number: int) -> Window:
        return Window(START + timedelta(days=number), START + timedelta(days=number + 1))

    def rows_of(self, number: int) -> list[int]:
        """The positions of a day's rows in the source."""
        times = enumerate(self.parcels.table.column("sent_at").to_pylist())
        return [position for position, at in times if self.day(number).start <= at < self.day(number).end]

    def change(self, day: int, column: str, values: object) -> None:
        """Overwrite a column of a day's rows."""
        window = self.day(day)
        at = self.parcels.table.column("sent_at")
        inside = pc.and_(
            pc.greater_equal(at, pa.scalar(window.start, at.type)), pc.less(at, pa.scalar(window.end, at.type))
        )
        old = self.parcels.table.column(column)
        new = pc.if_else(inside, pa.scalar(values, old.type), old)
        index = self.parcels.table.column_names.index(column)
        self.parcels.table = self.parcels.table.set_column(index, column, new)

    def put(self, column: str, values: Mapping[int, object]) -> None:
        """Overwrite single values of a column, by the positions of their rows."""
        table = self.parcels.table
        index = table.column_names.index(column)
        new = [values.get(position, old) for position, old in enumerate(table.column(index).to_pylist())]
        self.parcels.table = table.set_column(index, table.field(index), [new])


def make_world(folder: Path) -> World:
    home = folder / "parcels"
    home.mkdir()
    (home / "use_case.yaml").write_text(SPEC)
    (home / "expectations.yaml").write_text(EXPECTATIONS)
    use_case = load_use_case(home)
    return new_world(use_case)


def new_world(use_case: LoadedUseCase) -> World:
    """A world in which nothing has happened yet."""
    parcels, outcomes = tables()
    sources = Rows(parcels), Rows(outcomes, arrival="delivered_at")
    ports = Ports(
        source=Sources(*sources),
        lake=InMemoryLake(),
        ledger=InMemoryLedger(recorded_at),
        registry=MemoryRegistry(),
        published=InMemoryPublished(),
        artifacts=InMemoryArtifacts(),
    )
    return World(use_case, ports, *sources)


def as_batch(rows: pa.Table) -> pa.Table:
    """The rows with the columns by which rows that are published say their batch."""
    said = {"revision": 1, "model_version": "1", "model_digest": "m", "snapshot_digest": "s", "run_id": "r"}
    for name, value in said.items():
        rows = rows.append_column(name, pa.array([value] * rows.num_rows))
    return rows


def recorded_at() -> datetime:
    """When everything is recorded."""
    return RECORDED


@functools.cache
def tables() -> tuple[pa.Table, pa.Table]:
    """Parcels and their outcomes, which nobody can change: a world's sources get others instead."""
    random = np.random.default_rng(7)
    n = DAYS * ROWS
    day = np.repeat(np.arange(DAYS), ROWS)
    seconds = day * 86_400 + random.integers(0, 86_400, n)
    sent = [START + timedelta(seconds=int(s)) for s in seconds]
    weight = random.normal(10, 2, n) + np.where(day >= SHIFT, 4.0, 0.0)
    odds = np.where(day >= SHIFT, 14 - weight, weight - 10)
    late = random.random(n) < 1 / (1 + np.exp(-odds))
    parcels = pa.table(
        {
            "parcel": np.arange(n),
            "sent_at": pa.array(sent, pa.timestamp("us", "UTC")),
            "weight": weight,
            "service": random.choice(["road", "air", "rail"], n),
        }
    )
    outcomes = pa.table(
        {
            "parcel": np.arange(n),
            "sent_at": parcels.column("sent_at"),
            "late": late,
            "delivered_at": pa.array([at + timedelta(hours=12) for at in sent], pa.timestamp("us", "UTC")),
        }
    )
    return parcels, outcomes
