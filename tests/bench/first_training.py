"""What the training set of a first model costs: the same rows in hourly windows against daily ones.

Run it by `make bench`. A use case has 120 days of rows, and a real PostgreSQL and Delta tables on disk, in which there
is nothing. `assemble` ingests, checks, labels and joins all windows: once in 120 daily ones, once in 2,880 hourly ones,
each in a process of its own. Then it is asked again, as a later training asks, when all of them are there. The hourly
windows may take three times as long as the daily ones. `--rows` says how many rows a day has.
"""

import json
import logging
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from years import free_port

from perennial import clock
from perennial.artifacts.store import ArtifactStore
from perennial.jobs.retrain import assemble
from perennial.lake.delta import DeltaLake
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.registry.memory import MemoryRegistry
from perennial.sources.port import Extract, Source
from perennial.spec.load import load_use_case
from perennial.spec.models import Limits
from perennial.window import Window
from perennial_local.postgres import EmbeddedPostgres

DAYS, ROWS = 120, 1_440  # of which rows a day
START = datetime(2024, 1, 1, tzinfo=UTC)
MOST = 3.0  # times as long
SPEC = """
name: parcels
title: Parcels that come late
owner: logistics
task: binary_classification
schedule: {{every: {every}, start: 2024-01-01}}
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
training:
  history: 200d
  holdout: 20d
  min_rows: 500
  metric: roc_auc
  candidates:
    - {{name: logistic, estimator: linear}}
"""


EXPECTATIONS = """
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: weight, min_value: -50}
    quarantine: true
"""


def main() -> int:
    """The exit code: 1 when hourly windows took too long."""
    if sys.argv[1:2] == ["measure"]:
        return measured(sys.argv[2], Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    rows = int(sys.argv[2]) if sys.argv[1:2] == ["--rows"] else ROWS
    found = {}
    with TemporaryDirectory() as scratch:
        server = EmbeddedPostgres(Path(scratch) / "postgres" / "data", free_port())
        server.start()
        try:
            for every in ("day", "hour"):
                folder = Path(scratch) / every
                folder.mkdir()
                server.create_database(every)
                command = [sys.executable, __file__, "measure", every, str(folder), server.url(every), str(rows)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found[every] = json.loads(done.stdout.splitlines()[-1])
        finally:
            server.stop()
    print("| what | daily windows | hourly windows | times |\n|---|---|---|---|")
    for name, daily in found["day"].items():
        hourly = found["hour"][name]
        print(f"| {name} | {daily:.1f} | {hourly:.1f} | {hourly / daily:.2f} |")
    print(json.dumps(found))
    missed = [each for each in ("first", "again") if found["hour"][each] > MOST * found["day"][each]]
    for name in missed:
        print(f"{name}: hourly windows take more than {MOST} times as long", file=sys.stderr)
    return 1 if missed else 0


def measured(every: str, folder: Path, url: str, rows_a_day: int) -> int:
    """Print the seconds of assembling all windows for the first time and again."""
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    home = folder / "parcels"
    home.mkdir()
    (home / "use_case.yaml").write_text(SPEC.format(every=every))
    (home / "expectations.yaml").write_text(EXPECTATIONS)
    use_case = load_use_case(home)
    migrate.upgrade(url)
    rows, labels = _tables(rows_a_day)
    sources = IndexedSource(rows), IndexedSource(labels, "delivered_at")
    ledger = PostgresLedger(url, clock.now)
    ports = Ports(
        source=lambda _, wanted: sources[wanted == use_case.spec.labels.source],
        lake=DeltaLake(str(folder / "lake"), {}),
        ledger=ledger,
        registry=MemoryRegistry(),
        published=InMemoryPublished(),
        artifacts=ArtifactStore(str(folder / "artifacts"), {}),
    )
    found = {}
    for name, later in (("first", timedelta(days=1)), ("again", timedelta(days=1, minutes=30))):
        began = time.perf_counter()
        done = assemble.run(use_case, START + timedelta(days=DAYS) + later, ports, name)
        found[name] = time.perf_counter() - began
        assert done.rows == DAYS * rows_a_day, done
    ledger.close()
    print(json.dumps(found))
    return 0


class IndexedSource(Source):
    """A source that finds the rows of a window as a database does by an index, whatever the length of the history.

    Rows come in the order of their times, and labels arrive in that order.
    """

    def __init__(self, rows: pa.Table, arrival: str | None = None) -> None:
        self._rows = rows
        self._times = _microseconds(rows.column("sent_at"))
        self._arrivals = None if arrival is None else _microseconds(rows.column(arrival))

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """See `Source.fetch`."""
        del limits, keys
        first, last = (bisect_left(self._times, _since_1970(each)) for each in (window.start, window.end))
        if self._arrivals is not None:
            last = min(last, bisect_right(self._arrivals, _since_1970(as_of)))
        return Extract(self._rows.slice(first, max(0, last - first)), "memory")


def _microseconds(times: pa.ChunkedArray) -> list[int]:
    found: list[int] = times.cast(pa.int64()).to_pylist()
    return found


def _since_1970(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000 + instant.microsecond


def _tables(rows_a_day: int) -> tuple[pa.Table, pa.Table]:
    """The rows, and their outcomes, which arrive half a day later."""
    random = np.random.default_rng(5)
    n = DAYS * rows_a_day
    apart = np.timedelta64(86_400_000_000 // rows_a_day, "us")
    sent = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(n) * apart
    weight = random.normal(10, 2, n)
    stamps = pa.timestamp("us", "UTC")
    rows = {
        "parcel": np.arange(n),
        "sent_at": pa.array(sent).cast(stamps),
        "weight": weight,
        "service": random.choice(["road", "air", "rail"], n),
    }
    labels = {
        "parcel": rows["parcel"],
        "sent_at": rows["sent_at"],
        "late": random.random(n) < 1 / (1 + np.exp(10 - weight)),
        "delivered_at": pa.array(sent + np.timedelta64(12, "h")).cast(stamps),
    }
    return pa.table(rows), pa.table(labels)


if __name__ == "__main__":
    sys.exit(main())
