"""Peak memory of assembling a training set of millions of rows, of training on it, and of judging the candidates.

Run it by `make bench`, or with `--rows number`. The rows lie in daily windows of Delta tables on disk; the source makes
each window when it is asked, so that nothing else holds the rows. Each step runs in a process of its own, with a real
PostgreSQL. Above what the process holds when all is imported, assembling and judging may take three times the memory of
the training set's columns, as Arrow holds them (`nbytes`: features, label, and each row's window as text).
"""

import json
import logging
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from years import free_port

from perennial import clock
from perennial.artifacts.store import ArtifactStore
from perennial.jobs.retrain import assemble, judge, train
from perennial.lake.delta import DeltaLake
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.records.training_set import read_manifest, read_rows
from perennial.registry.memory import MemoryRegistry
from perennial.sources.port import Extract, Source
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.spec.models import Limits
from perennial.window import Window
from perennial_local.postgres import EmbeddedPostgres

ROWS, DAYS = 5_000_000, 60
MOST = 3.0  # times the memory of the columns
PROMISED = ("assemble", "assemble again", "judge")
START = datetime(2024, 1, 1, tzinfo=UTC)
EXPECTATIONS = """
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: n0, min_value: -50}
    quarantine: true
"""
NUMERIC = tuple(f"n{number}" for number in range(8))
SPEC = """
name: parcels
title: Parcels that come late
owner: logistics
task: binary_classification
schedule: {every: day, start: 2024-01-01}
source: {type: files, path: data, format: parquet}
limits: {max_rows: 100000000, max_bytes: 100000000000}
columns:
  parcel: {kind: integer, role: key}
  sent_at: {kind: timestamp, role: event_time, derive: [hour]}
  service: {kind: categorical}
  {numeric}
labels:
  source: {type: files, path: labels, format: parquet}
  column: late
  arrival_time: delivered_at
  mature_after: 1d
training:
  history: 200d
  holdout: 12d
  min_rows: 500
  metric: roc_auc
  candidates:
    - {name: trees, estimator: hist_gradient_boosting, parameters: {max_iter: 30}}
"""


class Generated(Source):
    """A source that makes the rows of a window, or their outcomes, whenever it is asked."""

    def __init__(self, rows: int, *, labels: bool) -> None:
        self._rows, self._labels = rows, labels

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """See `Source.fetch`."""
        del as_of, limits, keys
        day = (window.start - START).days
        random = np.random.default_rng(day)
        stamps = pa.timestamp("us", "UTC")
        sent = np.datetime64(window.start.replace(tzinfo=None), "us") + np.sort(
            random.integers(0, 86_400_000_000, self._rows)
        )
        numbers = {name: random.normal(size=self._rows) for name in NUMERIC}
        parcel = day * self._rows + np.arange(self._rows)
        if self._labels:
            late = random.random(self._rows) < 1 / (1 + np.exp(1 - numbers["n0"]))
            arrived = pa.array(sent + np.timedelta64(12, "h")).cast(stamps)
            return Extract(pa.table({"parcel": parcel, "late": late, "delivered_at": arrived}), "generated")
        service = pa.array(["road", "air", "rail"]).take(pa.array(random.integers(0, 3, self._rows)))
        rows = {"parcel": parcel, "sent_at": pa.array(sent).cast(stamps), "service": service, **numbers}
        return Extract(pa.table(rows), "generated")


def main() -> int:
    """The exit code: 1 when a step took too much memory."""
    if sys.argv[1:2] == ["step"]:
        return step(Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
    wanted = int(sys.argv[2]) if sys.argv[1:2] == ["--rows"] else ROWS
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "parcels"
        folder.mkdir()
        numeric = "\n  ".join(f"{name}: {{kind: numeric}}" for name in NUMERIC)
        (folder / "use_case.yaml").write_text(SPEC.replace("{numeric}", numeric))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        server = EmbeddedPostgres(Path(scratch) / "postgres" / "data", free_port())
        server.start()
        try:
            server.create_database("parcels")
            migrate.upgrade(url := server.url("parcels"))
            names = ("assemble", "assemble again", "train", "judge")
            found = {name: in_a_process(folder, url, name, wanted) for name in names}
        finally:
            server.stop()
    rows, columns = (found["assemble"][each] for each in ("rows", "columns"))
    print(f"{rows:,.0f} rows, whose columns take {columns:.0f} MB\n\n| step | MB | times | s |\n|---|---|---|---|")
    for name, each in found.items():
        print(f"| {name} | {each['peak']:.0f} | {each['peak'] / columns:.2f} | {each['seconds']:.1f} |")
    print(json.dumps({"columns": columns, "rows": rows, "found": found}))
    missed = [name for name in PROMISED if found[name]["peak"] > MOST * columns]
    for name in missed:
        print(f"{name} takes more than {MOST} times the memory of the columns", file=sys.stderr)
    return 1 if missed else 0


def in_a_process(folder: Path, url: str, name: str, rows: int) -> dict[str, float]:
    """What a step took: see `step`."""
    done = subprocess.run(
        [sys.executable, __file__, "step", str(folder), url, name, str(rows)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def step(folder: Path, url: str, name: str, rows: int) -> int:
    """Take it, and print its seconds, the peak of resident memory in MB above what there was before, the training
    set's rows, and what its columns take.
    """
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    use_case, ports = opened(folder, url, rows)
    as_of = START + timedelta(days=DAYS + 1)
    known = folder / "assembled"
    assembled = pickle.loads(known.read_bytes()) if known.exists() else None
    work: dict[str, Callable[[], Any]] = {
        "assemble": lambda: assemble.run(use_case, as_of, ports, "bench"),
        "assemble again": lambda: assemble.run(use_case, as_of + timedelta(minutes=30), ports, "bench"),
        "train": lambda: train.run(use_case, assembled.training_id, "trees", ports, "bench"),
        "judge": lambda: judge.run(
            use_case, assembled.training_id, [pickle.loads((folder / "train").read_bytes())], ports, "bench"
        ),
    }
    before, began = resident("VmRSS"), time.perf_counter()
    result = work[name]()
    found = {"peak": resident("VmHWM") - before, "seconds": time.perf_counter() - began}
    if assembled is None:
        known.write_bytes(pickle.dumps(result))
        manifest = read_manifest(result.training_id, ports)
        found |= {"rows": result.rows, "columns": read_rows(manifest, ports).nbytes / 2**20}
    (folder / name).write_bytes(pickle.dumps(result))
    assert name != "assemble again" or result.digest == assembled.digest
    print(json.dumps(found))
    return 0


def opened(folder: Path, url: str, rows: int) -> tuple[LoadedUseCase, Ports]:
    """The use case and its stores, with so many rows in all."""
    use_case = load_use_case(folder)
    sources = Generated(rows // DAYS, labels=False), Generated(rows // DAYS, labels=True)
    return use_case, Ports(
        source=lambda _, asked: sources[asked == use_case.spec.labels.source],
        lake=DeltaLake(str(folder / "lake"), {}),
        ledger=PostgresLedger(url, clock.now),
        registry=MemoryRegistry(),
        published=InMemoryPublished(),
        artifacts=ArtifactStore(str(folder / "artifacts"), {}),
    )


def resident(field: str) -> float:
    """A number of the process's status, in MB."""
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1024


if __name__ == "__main__":
    sys.exit(main())
