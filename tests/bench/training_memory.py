"""Peak memory of assembling a training set of millions of rows, of training on it, and of judging the candidates.

Run it by `make bench`, or with `--rows number`. The rows lie in daily windows of Delta tables on disk; the source makes
each window when it is asked, so that nothing else holds the rows. A step may take, above what the process had before,
three times the memory of the training set's columns.
"""

import gc
import json
import logging
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from perennial import clock
from perennial.artifacts.store import ArtifactStore
from perennial.jobs.retrain import assemble, judge, train
from perennial.lake.delta import DeltaLake
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.records.training_set import read_manifest, read_rows
from perennial.registry.memory import MemoryRegistry
from perennial.sources.port import Extract
from perennial.spec.load import load_use_case
from perennial.spec.models import Limits
from perennial.window import Window

ROWS, DAYS = 5_000_000, 60
MOST = 3.0  # times the memory of the columns
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


class Generated:
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
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    wanted = int(sys.argv[2]) if sys.argv[1:2] == ["--rows"] else ROWS
    days = DAYS
    with TemporaryDirectory() as scratch:
        home = Path(scratch) / "parcels"
        home.mkdir()
        (home / "use_case.yaml").write_text(
            SPEC.replace("{numeric}", "\n  ".join(f"{name}: {{kind: numeric}}" for name in NUMERIC))
        )
        (home / "expectations.yaml").write_text(EXPECTATIONS)
        use_case = load_use_case(home)
        sources = Generated(wanted // days, labels=False), Generated(wanted // days, labels=True)
        ports = Ports(
            source=lambda _, asked: sources[asked == use_case.spec.labels.source],
            lake=DeltaLake(str(Path(scratch) / "lake"), {}),
            ledger=InMemoryLedger(clock.now),
            registry=MemoryRegistry(),
            published=InMemoryPublished(),
            artifacts=ArtifactStore(str(Path(scratch) / "artifacts"), {}),
        )
        as_of = START + timedelta(days=days + 1)
        found: dict[str, dict[str, float]] = {}
        assembled = measured(found, "assemble", lambda: assemble.run(use_case, as_of, ports, "bench"))
        later = as_of + timedelta(minutes=30)
        again = measured(found, "assemble again", lambda: assemble.run(use_case, later, ports, "bench"))
        assert again.digest == assembled.digest
        columns = read_rows(read_manifest(assembled.training_id, ports), ports).nbytes / 2**20
        tried = measured(found, "train", lambda: train.run(use_case, assembled.training_id, "trees", ports, "bench"))
        measured(found, "judge", lambda: judge.run(use_case, assembled.training_id, [tried], ports, "bench"))
    print(
        f"{assembled.rows:,} rows, whose columns take {columns:.0f} MB\n\n| step | MB | times | s |\n|---|---|---|---|"
    )
    for name, each in found.items():
        print(f"| {name} | {each['peak']:.0f} | {each['peak'] / columns:.2f} | {each['seconds']:.1f} |")
    print(json.dumps({"columns": columns, "rows": assembled.rows, "found": found}))
    missed = [name for name, each in found.items() if each["peak"] > MOST * columns]
    for name in missed:
        print(f"{name} takes more than {MOST} times the memory of the columns", file=sys.stderr)
    return 1 if missed else 0


def measured(found: dict[str, dict[str, float]], name: str, work: Callable[[], Any]) -> Any:
    """What the work returns; its seconds, and the peak of resident memory in MB above what there was before."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew from here
    before, began = resident("VmRSS"), time.perf_counter()
    result = work()
    found[name] = {"peak": resident("VmHWM") - before, "seconds": time.perf_counter() - began}
    return result


def resident(field: str) -> float:
    """A number of the process's status, in MB."""
    (kilobytes,) = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1024


if __name__ == "__main__":
    sys.exit(main())
