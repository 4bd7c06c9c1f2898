"""Three use cases on real stores, with a model that was trained on nothing hostile, and all that is stored of them.

The model registry alone is in memory: nothing hostile reaches it, and a real one takes seconds.
"""

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import psycopg2
import pyarrow as pa
from tests.contract.hostile_inputs import MAX_BYTES, MAX_ROWS
from tests.contract.hostile_rows import START, Files, good_table

from perennial import clock
from perennial.artifacts.memory import InMemoryArtifacts
from perennial.code_version import code_version, lock_digest
from perennial.digest import table_digest
from perennial.features.build import feature_frame
from perennial.jobs.predict import ingest, score, validate
from perennial.lake.delta import DeltaLake
from perennial.lake.port import labels_table, predictions_table, quarantine_table, raw_table
from perennial.ledger.entries import Batch, DeployedRole, Deployment, Snapshot, ValidationResult
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.modeling.artifact import dump
from perennial.modeling.train import fit
from perennial.ports import Ports
from perennial.published.postgres import PostgresPublished
from perennial.records.model_choice import ModelChoice
from perennial.registry.memory import MemoryRegistry
from perennial.registry.port import ModelCandidate
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.factory import source_of
from perennial.sources.port import Source
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.spec.sources import Source as SourceSpec
from perennial.window import Window

RUN = "hostile"
SPEC = """
name: {name}
title: Parcels that take long
owner: logistics
task: {task}
schedule: {{every: day, start: 2024-01-01}}
source: {source}
limits: {{max_rows: {max_rows}, max_bytes: {max_bytes}}}
columns:
  parcel: {{kind: categorical, role: key}}
  sent_at: {{kind: timestamp, role: event_time, derive: [hour]}}
  weight: {{kind: numeric}}
  pieces: {{kind: integer}}
  fragile: {{kind: boolean}}
  service: {{kind: categorical}}
  note: {{kind: categorical, role: carry}}
labels:
  source: {{type: files, path: labels, pattern: '%Y-%m-%d.csv', format: csv}}
  column: days
  arrival_time: delivered_at
  mature_after: 1d
quality: {{max_quarantined_share: 0.1}}
training:
  history: 30d
  holdout: 7d
  metric: {metric}
  candidates: [{{name: model, estimator: {estimator}}}]
"""
EXPECTATIONS = """
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: weight, min_value: -1000}
    quarantine: true
"""
FILES = "{{type: files, path: data, pattern: '%Y-%m-%d*', format: {}}}"
CLASSIFICATION, REGRESSION = ("binary_classification", "roc_auc"), ("regression", "mae")
USE_CASES = {
    "csv_parcels": (FILES.format("csv"), *CLASSIFICATION, "linear"),
    "parquet_parcels": (FILES.format("parquet"), *CLASSIFICATION, "hist_gradient_boosting"),
    "sql_parcels": ("{type: postgres, connection: source, query: source.sql}", *REGRESSION, "linear"),
}
SQL_COLUMNS = {
    "parcel": "'s' || i",
    "sent_at": ":start + i * interval '10 minutes'",
    "weight": "8 + i / 8.0",
    "pieces": "i % 5",
    "fragile": "i % 2 = 0",
    "service": "'road'",
    "note": "NULL::text",
}


def query(**replaced: str) -> str:
    """The query of a day's rows, with other expressions for some columns. PostgreSQL binds :start and :end."""
    columns = ", ".join(f"{expression} AS {name}" for name, expression in {**SQL_COLUMNS, **replaced}.items())
    return f"SELECT {columns} FROM generate_series(1, 40) AS i WHERE :start < :end"


@dataclass(frozen=True)
class Stored:
    """All that lake, ledger and published table hold of a window, and how many commits each lake table has seen."""

    commits: dict[str, int | None]
    raw: str
    quarantine: str
    predictions: str
    labels: str
    published: str
    snapshots: tuple[Snapshot, ...]
    validations: tuple[ValidationResult, ...]
    batches: tuple[Batch, ...]


@dataclass
class HostileWorld:
    root: Path
    ports: Ports
    url: str

    def use_case(self, name: str) -> LoadedUseCase:
        return load_use_case(self.root / name)

    def day(self, number: int) -> Window:
        return Window(START + timedelta(days=number), START + timedelta(days=number + 1))

    def deliver(self, name: str, window: Window, files: Files) -> None:
        """Make these files, and no others, the ones that the source has for the window."""
        folder = os.fsencode(self.root / name / "data")
        day = f"{window.start:%Y-%m-%d}".encode()
        for present in os.listdir(folder):  # noqa: PTH208 - names that are not UTF-8
            if present.startswith(day):
                Path(os.fsdecode(os.path.join(folder, present))).unlink()  # noqa: PTH118
        for suffix, content in files.items():
            path = os.path.join(folder, day + os.fsencode(suffix))  # noqa: PTH118
            Path(os.fsdecode(path)).write_bytes(content)

    def predict(self, use_case: LoadedUseCase, window: Window) -> score.Scored:
        ingest.run(use_case, window, self.ports, RUN)
        validate.run(use_case, window, self.ports, RUN)
        return score.run(use_case, window, self.ports, RUN, model=ModelChoice())

    def stored(self, name: str, window: Window) -> Stored:
        lake, ledger = self.ports.lake, self.ports.ledger
        tables = raw_table(name), quarantine_table(name), predictions_table(name), labels_table(name)
        digests = [table_digest(lake.read(table, window.key)) for table in tables]
        return Stored(
            {table: lake.version(table) for table in tables},
            *digests,
            self.ports.published.digest(name, window),
            tuple(ledger.snapshots(name, window)),
            tuple(ledger.validations(name, window)),
            tuple(ledger.batches(name, window)),
        )

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """What the database answers."""
        with closing(psycopg2.connect(self.url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def make_world(root: Path, url: str) -> HostileWorld:
    for name, (source, task, metric, estimator) in USE_CASES.items():
        folder = root / name
        for part in (folder, folder / "data", folder / "labels"):
            part.mkdir()
        spec = SPEC.format(
            name=name, source=source, task=task, metric=metric, estimator=estimator,
            max_rows=MAX_ROWS, max_bytes=MAX_BYTES,
        )  # fmt: skip
        (folder / "use_case.yaml").write_text(spec)
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        (folder / "source.sql").write_text(query())
    connections = EnvironmentConnections({"AIRFLOW_CONN_SOURCE": url})

    def source(use_case: LoadedUseCase, wanted: SourceSpec) -> Source:
        return source_of(use_case, wanted, connections)

    ports = Ports(
        source=source,
        lake=DeltaLake(str(root / "lake"), {}),
        ledger=PostgresLedger(url, clock.now),
        registry=MemoryRegistry(),
        published=PostgresPublished(url),
        artifacts=InMemoryArtifacts(),
    )
    world = HostileWorld(root, ports, url)
    for name in USE_CASES:
        deploy(world.use_case(name), ports)
    return world


def deploy(use_case: LoadedUseCase, ports: Ports, rows: pa.Table | None = None) -> None:
    """A first champion, fitted on the rows given, or on good rows of a few days."""
    spec = use_case.spec
    (candidate,) = spec.training.candidates
    if rows is None:
        rows = pa.concat_tables([good_table(START + timedelta(days=number)) for number in range(5)])
    truth = np.arange(rows.num_rows) % 2.0
    content = dump(fit(spec, candidate, feature_frame(spec, rows), truth))
    digest = ports.artifacts.put(content)
    registered = ports.registry.register(
        ModelCandidate(
            use_case=spec.name,
            name=candidate.name,
            pipeline_bytes=content,
            digest=digest,
            parameters={},
            metrics={},
            reference={},
            training={},
            input_example=feature_frame(spec, rows.slice(0, 2)),
            as_of=START,
        )
    )
    ports.ledger.deploy(
        Deployment(
            use_case=spec.name,
            role=DeployedRole.CHAMPION,
            model_version=registered.version,
            model_digest=digest,
            effective_from=START,
            supersedes=None,
            actor="test",
            reason="first",
            training={},
            metrics={},
            approved_by=None,
            code_version=code_version(),
            lock_digest=lock_digest(),
            run_id=RUN,
        )
    )
