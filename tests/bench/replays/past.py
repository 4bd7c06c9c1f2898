"""A use case with a long past on real stores: the ledger in PostgreSQL, the lake's Delta tables on disk.

A first model is trained and some windows are scored and measured by the jobs of production. One of these windows is
then copied backwards in time, as often as asked: its entries in the ledger, its published rows, its files in the lake,
and a commit in each table's log for every copy. The jobs find what so many windows would have left.
"""

import json
import os
import pickle
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pyarrow as pa
from deltalake import DeltaTable

from perennial import clock
from perennial.artifacts.store import ArtifactStore
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import chain
from perennial.jobs.retrain import chain as retrain
from perennial.lake.delta import DeltaLake
from perennial.lake.port import labels_table, predictions_table, raw_table, window_partition
from perennial.ledger.entries import DeployedRole
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.ports import Ports
from perennial.published.postgres import PostgresPublished
from perennial.records.model_choice import ModelChoice
from perennial.registry.memory import MemoryRegistry
from perennial.sources.memory import InMemorySource
from perennial.sources.port import Extract, Source
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.spec.models import Limits
from perennial.window import Window

NAME = "parcels"
START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROWS = 60  # a window
LEARNT_FROM, SCORED = 120, 30  # windows before the first model, and windows after it
AGE_OF_LABELS = timedelta(hours=12)
CHECKPOINTS = 2_000  # commits; the product makes one more often, of which the last counts

SPEC = f"""
name: {NAME}
title: Parcels that come late
owner: logistics
task: binary_classification
schedule: {{every: hour, start: {START:%Y-%m-%d}}}
source: {{type: files, path: data, format: parquet}}
columns:
  parcel: {{kind: integer, role: key}}
  sent_at: {{kind: timestamp, role: event_time, derive: [hour]}}
  weight: {{kind: numeric}}
  service: {{kind: categorical}}
labels:
  source: {{type: files, path: labels, format: parquet}}
  column: late
  arrival_time: delivered_at
  mature_after: 1d
quality: {{max_quarantined_share: 0.05}}
training:
  history: 4d
  holdout: 1d
  min_rows: 500
  metric: roc_auc
  candidates:
    - {{name: logistic, estimator: linear}}
monitoring:
  max_metric_loss: 0.2
"""
EXPECTATIONS = """
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: weight, min_value: -50}
    quarantine: true
"""
# What of a copy is not as in the window that is copied. `n` counts the copies, from 1, the newest first. `late` is how
# long after its time the window was scored here.
MOVED = {
    "window_start": "window_start - n * interval '1 hour'",
    "window_end": "window_end - n * interval '1 hour'",
    "as_of": "as_of - n * interval '1 hour'",
    "recorded_at": "recorded_at - %(late)s - n * interval '1 hour'",
    "version": "%(first)s + %(total)s - n",
    "labels_version": "%(first)s + %(total)s - n",
    "subject": "subject || ' ' || n",
    "run_id": "run_id || n",
}


@dataclass(frozen=True)
class Parcels(Source):
    """A source that makes up the same rows, or labels, of a window whenever it is asked."""

    labels: bool

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        number = (window.start - START) // HOUR
        random = np.random.default_rng(number)
        sent = [window.start + timedelta(seconds=int(each)) for each in random.integers(0, 3600, ROWS)]
        weight = random.normal(10, 2, ROWS)
        times = pa.array(sent, pa.timestamp("us", "UTC"))
        made: dict[str, Any] = {"parcel": np.arange(ROWS) + number * ROWS, "sent_at": times}
        if self.labels:
            made["late"] = random.random(ROWS) < 1 / (1 + np.exp(10 - weight))
            made["delivered_at"] = pa.array([at + AGE_OF_LABELS for at in sent], pa.timestamp("us", "UTC"))
        else:
            made |= {"weight": weight, "service": random.choice(["road", "air", "rail"], ROWS)}
        arrival = "delivered_at" if self.labels else None
        return InMemorySource(pa.table(made), "sent_at", arrival).fetch(window, as_of, limits, keys)


@dataclass
class Past:
    """A use case, its stores, and its next window, whose number counts from the first of the past."""

    use_case: LoadedUseCase
    ports: Ports
    url: str
    folder: Path
    next: int

    def window(self, number: int) -> Window:
        return Window(START + number * HOUR, START + (number + 1) * HOUR)

    def predict(self, number: int) -> None:
        """Take a window through the steps, and see that it came through."""
        (found,) = chain.run(
            self.use_case, [self.window(number)], self.ports, f"hour {number}", model=ModelChoice(), on_step=_nobody
        )
        assert found.monitored is not None, found.stopped

    def evaluate(self, number: int) -> None:
        """Collect labels and measure, as of the start of a window."""
        as_of = self.window(number).start
        collect_labels.run(self.use_case, as_of, self.ports, f"evaluate {number}")
        measure.run(self.use_case, as_of, self.ports, f"evaluate {number}")

    def close(self) -> None:
        """Keep the registry's content for `opened`, and let go of the ledger."""
        (self.folder / "registry").write_bytes(pickle.dumps((self.ports.registry, self.next)))
        ledger = self.ports.ledger
        assert isinstance(ledger, PostgresLedger)
        ledger.close()


def opened(folder: Path, url: str) -> Past:
    """The past that `made` left there."""
    registry, number = pickle.loads((folder / "registry").read_bytes())
    return _past(folder, url, registry, number)


def made(folder: Path, url: str, copies: int) -> Past:
    """A use case whose first model came after `copies` windows that look as if they had been scored and measured."""
    home = folder / NAME
    home.mkdir()
    (home / "use_case.yaml").write_text(SPEC)
    (home / "expectations.yaml").write_text(EXPECTATIONS)
    migrate.upgrade(url)
    first = copies + LEARNT_FROM
    past = _past(folder, url, MemoryRegistry(), first + SCORED)
    retrain.run(
        past.use_case, past.window(first).start, past.ports, "first model", actor="bench", reason="the first one"
    )
    for number in range(first, past.next):
        past.predict(number)
        past.evaluate(number + 1)
    _copy(past, past.window(first), copies)
    for table in (raw_table(NAME), predictions_table(NAME), labels_table(NAME)):
        past.ports.lake.optimize(table)  # as every night
    return past


def _past(folder: Path, url: str, registry: MemoryRegistry, number: int) -> Past:
    use_case = load_use_case(folder / NAME)
    sources = {use_case.spec.labels.source: Parcels(labels=True)}
    rows = Parcels(labels=False)
    lake = folder / "lake"
    ports = Ports(
        source=lambda _, wanted: sources.get(wanted, rows),
        lake=DeltaLake(str(lake), {}),
        ledger=PostgresLedger(url, clock.now),
        registry=registry,
        published=PostgresPublished(url),
        artifacts=ArtifactStore(str(lake / "artifacts"), {}),
    )
    return Past(use_case, ports, url, folder, number)


def _copy(past: Past, window: Window, copies: int) -> None:
    """Copy a window backwards, into the windows before the first that was ever ingested."""
    back = (window.start - START) // HOUR - copies  # the copies end where the training's windows begin
    tables = {raw_table(NAME): "snapshots", predictions_table(NAME): "batches", labels_table(NAME): "performance"}
    first = {of: _commits(past, table, window, copies) for table, of in tables.items()}
    with psycopg2.connect(past.url) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the copies get no links in the chain
        for name in ("snapshots", "validations", "batches", "drift_reports", "performance", "decisions"):
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'ledger' AND table_name = %s "
                "AND column_name <> 'id' AND is_generated = 'NEVER'",
                (name,),
            )
            columns = [column for (column,) in cursor.fetchall()]
            told = ", ".join(f'"{column}"' for column in columns)
            values = ", ".join(MOVED.get(column, f'"{column}"') for column in columns)
            about = (
                "as_of = %(end)s AND kind LIKE 'retrain_on%%'" if name == "decisions" else "window_start = %(start)s"
            )
            cursor.execute(
                f"INSERT INTO ledger.{name} ({told}) SELECT {values} FROM (SELECT * FROM ledger.{name} "
                f"WHERE use_case = %(name)s AND {about}) AS of, "
                "generate_series(%(back)s + 1, %(total)s) AS n",
                {
                    "name": NAME, "start": window.start, "end": window.end, "back": back, "total": back + copies,
                    "first": first.get(name, 0), "late": clock.now() - window.end,
                },
            )  # fmt: skip
            assert cursor.rowcount >= copies, (name, cursor.rowcount)
        for name in (f"predictions_{NAME}", "published_batches", "published_windows"):
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'perennial' "
                "AND table_name = %s AND is_generated = 'NEVER'",
                (name,),
            )
            columns = [column for (column,) in cursor.fetchall()]
            told = ", ".join(f'"{column}"' for column in columns)
            values = ", ".join(MOVED[c] if c in ("window_start", "window_end") else f'"{c}"' for c in columns)
            cursor.execute(
                f"INSERT INTO perennial.{name} ({told}) SELECT {values} FROM (SELECT * FROM perennial.{name} "
                "WHERE window_start = %(start)s) AS of, generate_series(%(back)s + 1, %(total)s) AS n",
                {"start": window.start, "back": back, "total": back + copies},
            )
        # The champion has served all the while.
        cursor.execute(
            "UPDATE ledger.deployments SET effective_from = %s WHERE role = %s", (START, DeployedRole.CHAMPION.value)
        )
    connection.close()
    with closing(psycopg2.connect(past.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")


def _commits(past: Past, table: str, window: Window, copies: int) -> int:
    """Commit the window's file of the table again for each copy, the oldest first; the version of the first commit."""
    lake = past.ports.lake
    folder = Path(lake.location(table))
    log = folder / "_delta_log"
    last = lake.version(table)
    assert last is not None
    partition = window_partition(window)
    infos, adds = _last_commit(log, last, partition)
    source = folder / adds["add"]["path"]
    for number in range(copies):
        key = window_partition(past.window(number))
        path = f"{key.replace(':', '_')}/copied.parquet"
        (folder / path).parent.mkdir(exist_ok=True)
        os.link(source, folder / path)
        infos["commitInfo"]["partition"] = key
        adds["add"] |= {"path": path, "partitionValues": {"partition_key": key}}
        text = "\n".join(json.dumps(each) for each in (infos, adds)) + "\n"
        (log / f"{last + 1 + number:020d}.json").write_text(text)
        if (number + 1) % CHECKPOINTS == 0 or number + 1 == copies:
            DeltaTable(str(folder)).create_checkpoint()
    return last + 1


def _last_commit(log: Path, last: int, partition: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The commit that put in the partition's file: what it says of itself, and the file."""
    for version in range(last, -1, -1):
        actions = [json.loads(line) for line in (log / f"{version:020d}.json").read_text().splitlines()]
        found = [
            each for each in actions if "add" in each and each["add"]["partitionValues"]["partition_key"] == partition
        ]
        if found:
            return next(each for each in actions if "commitInfo" in each), found[0]
    raise AssertionError(f"{partition} is in no commit")


def _nobody(*_: Sequence[object]) -> None:
    """Nobody wants to hear how far it is."""
