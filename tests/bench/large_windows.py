"""Peak memory of each step with a window of many rows and with one of few; speed of scoring beside scikit-learn alone.

Run it by `make bench`, or with `--rows few many`. The rows are the flights of 2013, as often as need be, in Parquet
files; the use case is `flight_delays`, with its model; the stores are a real PostgreSQL and Delta tables on disk. Each
step of each window runs in a process of its own, with one OpenMP thread, as tasks have it. With the rows of the larger
window a step may take 1.2 times the memory of the smaller one. Scoring, with what it reads and what it writes to lake
and ledger, may take 1 / 0.9 of the time that `predict_proba` takes for the same rows in a frame in memory. Two figures
stand beside that: the same with publishing, and the seconds of a bare COPY of the rows into such a table, the least
that publishing can take.
"""

import json
import logging
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from replays.flights import FOLDER, recorded_flights
from years import free_port

from perennial import clock
from perennial.artifacts.store import ArtifactStore
from perennial.features.build import feature_frame
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.jobs.retrain import chain as retrain
from perennial.lake.delta import DeltaLake
from perennial.lake.port import raw_table, window_partition
from perennial.lease import Lease
from perennial.ledger.entries import DeployedRole
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.modeling.artifact import load
from perennial.ordered import Rows
from perennial.ports import Ports
from perennial.published.postgres import PostgresPublished
from perennial.records.model_choice import ModelChoice
from perennial.registry.memory import MemoryRegistry
from perennial.sources.factory import source_of
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.window import Window
from perennial_local.postgres import EmbeddedPostgres

NAME = "flight_delays"
FEW, MANY = 1_000_000, 4_000_000
MOST, LEAST_SPEED = 1.2, 0.9
START = datetime(2013, 1, 1, tzinfo=UTC)
LEARNT_FROM = 60  # days before the model
LATE = 0.2  # the share of flights
PIECE = 250_000  # rows that are written at once
STEPS = ("ingest", "validate", "score", "monitor", "collect labels", "measure")
COPIED, BARE = "bare COPY", "predict_proba"


def main() -> int:
    """The exit code: 1 when a limit was missed."""
    if sys.argv[1:2] == ["step"]:
        return step(Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
    few, many = (int(each) for each in sys.argv[2:4]) if sys.argv[1:2] == ["--rows"] else (FEW, MANY)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "use_cases"
        server = EmbeddedPostgres(Path(scratch) / "postgres" / "data", free_port())
        server.start()
        try:
            server.create_database("perennial")
            url = server.url("perennial")
            prepare(folder, url, (many, few))
            large, small = (
                {name: in_a_process(folder, url, name, LEARNT_FROM + number) for name in (*STEPS, COPIED, BARE)}
                for number in range(2)  # the larger one is final when the smaller one is evaluated
            )
        finally:
            server.stop()
    return told(few, many, {name: [small[name], large[name]] for name in small})


def told(few: int, many: int, found: dict[str, list[dict[str, float]]]) -> int:
    """Print what was found, and what was missed; the exit code."""
    print(f"| step | MB with {few:,} rows | MB with {many:,} | times | s | s |\n|---|---|---|---|---|---|")
    missed = []
    for name, (small, large) in found.items():
        times = large["peak"] / small["peak"]
        print(
            f"| {name} | {small['peak']:.0f} | {large['peak']:.0f} | {times:.2f} | {small['seconds']:.1f} | "
            f"{large['seconds']:.1f} |"
        )
        if name in STEPS and times > MOST:
            missed.append(f"{name} takes {times:.2f} times the memory; {MOST} are allowed")
    speed, published = {}, {}
    for rows, own in ((few, 0), (many, 1)):
        bare, scoring, copied = (found[name][own] for name in (BARE, "score", COPIED))
        speed[rows] = bare["seconds"] / (scoring["seconds"] - scoring["publishing"])
        published[rows] = bare["seconds"] / scoring["seconds"]
        print(
            f"\nScoring {rows:,} rows is {speed[rows]:.2f} times as fast as predict_proba; with publishing, "
            f"{published[rows]:.2f}. Publishing took {scoring['publishing']:.1f} s, "
            f"a bare COPY {copied['seconds']:.1f} s."
        )
    print(json.dumps({"found": found, "speed": speed, "speed_with_publishing": published}))
    if speed[many] < LEAST_SPEED:
        missed.append(f"scoring is {speed[many]:.2f} times as fast as predict_proba; {LEAST_SPEED} are asked for")
    print("\n".join(missed), file=sys.stderr)
    return 1 if missed else 0


def in_a_process(folder: Path, url: str, name: str, day: int) -> dict[str, float]:
    """Seconds, and the peak of resident memory in MB, of a step."""
    done = subprocess.run(
        [sys.executable, __file__, "step", str(folder), url, name, str(day)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def prepare(folder: Path, url: str, sizes: tuple[int, int]) -> None:
    """Write the rows of all days, and train the model."""
    home = folder / NAME
    for each in ("data", "labels"):
        (home / each).mkdir(parents=True)
    shutil.copy(FOLDER / "expectations.yaml", home)
    (home / "use_case.yaml").write_text(
        yaml.safe_dump(from_files(yaml.safe_load((FOLDER / "use_case.yaml").read_text())))
    )
    flights = recorded_flights()
    for day in range(LEARNT_FROM):
        for name, rows in (("data", flights.rows), ("labels", flights.labels)):
            pq.write_table(flights.within(rows, window(day).start, window(day).end), file_of(home, name, day))
    for number, rows in enumerate(sizes):
        write_many(home, flights.rows, LEARNT_FROM + number, rows)
    migrate.upgrade(url)
    registry = MemoryRegistry()
    use_case, ports = opened(folder, url, registry)
    retrain.run(use_case, window(LEARNT_FROM).start, ports, "first model", actor="bench", reason="the first one")
    (folder / "registry").write_bytes(pickle.dumps(registry))


def from_files(spec: dict[str, Any]) -> dict[str, Any]:
    """The flights' spec with files as its sources, and with one candidate."""
    files = {"type": "files", "pattern": "%Y-%m-%d.parquet", "format": "parquet"}
    return spec | {
        "source": files | {"path": "data"},
        "labels": spec["labels"] | {"source": files | {"path": "labels"}},
        "limits": {"max_rows": 100_000_000, "max_bytes": 100_000_000_000},
        "training": spec["training"] | {"history": f"{LEARNT_FROM}d", "candidates": spec["training"]["candidates"][:1]},
    }


def file_of(home: Path, name: str, day: int) -> Path:
    """The file of a day's rows or labels."""
    return home / name / f"{window(day).start:%Y-%m-%d}.parquet"


def write_many(home: Path, flights: pa.Table, day: int, rows: int) -> None:
    """So many flights of one day, in the order in which they should leave; each landed half a day later."""
    start = int(window(day).start.timestamp()) * 1_000_000
    taken = np.arange(rows) % flights.num_rows
    times = flights.column("scheduled_departure").cast(pa.int64()).to_numpy() % 86_400_000_000
    taken = taken[np.argsort(times[taken], kind="stable")]
    random = np.random.default_rng(day)
    writers: list[pq.ParquetWriter] = []
    for first in range(0, rows, PIECE):
        piece = taken[first : first + PIECE]
        keys = pa.array(day * 1_000_000_000 + first + np.arange(len(piece)))
        leaves = start + times[piece]
        changed = {"flight_id": keys, "scheduled_departure": instants(leaves)}
        data = flights.take(pa.array(piece))
        for name, values in changed.items():
            data = data.set_column(data.schema.get_field_index(name), name, values)
        outcomes = {"late": random.random(len(piece)) < LATE, "arrived_at": instants(leaves + 43_200_000_000)}
        labels = pa.table(changed | outcomes)
        if not writers:
            writers = [
                pq.ParquetWriter(file_of(home, "data", day), data.schema),
                pq.ParquetWriter(file_of(home, "labels", day), labels.schema),
            ]
        for writer, table in zip(writers, (data, labels), strict=True):
            writer.write_table(table)
    for writer in writers:
        writer.close()


def instants(microseconds: npt.NDArray[np.int64]) -> pa.Array:
    """The instants that are so many microseconds after 1970."""
    return pa.array(microseconds).cast(pa.timestamp("us", "UTC"))


def opened(folder: Path, url: str, registry: MemoryRegistry) -> tuple[LoadedUseCase, Ports]:
    """The use case and its stores."""
    use_case = load_use_case(folder / NAME)
    lake = folder / "lake"
    ports = Ports(
        source=lambda loaded, wanted: source_of(loaded, wanted, {}),
        lake=DeltaLake(str(lake), {}),
        ledger=PostgresLedger(url, clock.now),
        registry=registry,
        published=TimedPublished(url),
        artifacts=ArtifactStore(str(lake / "artifacts"), {}),
    )
    return use_case, ports


def window(day: int) -> Window:
    """The window of a day."""
    return Window(START + timedelta(days=day), START + timedelta(days=day + 1))


def step(folder: Path, url: str, name: str, day: int) -> int:
    """Take the day's window through a step, and print what it took."""
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    use_case, ports = opened(folder, url, pickle.loads((folder / "registry").read_bytes()))
    own, run_id = window(day), f"day {day}"
    as_of = own.end + timedelta(days=1)
    work: dict[str, Callable[[], object]] = {
        "ingest": lambda: ingest.run(use_case, own, ports, run_id),
        "validate": lambda: validate.run(use_case, own, ports, run_id),
        "score": lambda: score.run(use_case, own, ports, run_id, model=ModelChoice()),
        "monitor": lambda: monitor.run(use_case, own, ports, run_id),
        "collect labels": lambda: collect_labels.run(use_case, as_of, ports, run_id),
        "measure": lambda: measure.run(use_case, as_of, ports, run_id),
    }
    if name == COPIED:
        print(json.dumps({"seconds": seconds_of_copy(url, own), "peak": peak()}))
        return 0
    did = work[name] if name in work else bare(use_case, own, ports)
    began = time.perf_counter()
    did()
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "peak": peak(), "publishing": TimedPublished.seconds}))
    return 0


def peak() -> float:
    """The most memory that this process had, in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


class TimedPublished(PostgresPublished):
    """The published table, with the seconds that publishing took."""

    seconds = 0.0

    def publish(self, use_case: str, window: Window, rows: Rows, lease: Lease | None = None) -> None:
        """See `PublishedPredictions.publish`."""
        began = time.perf_counter()
        super().publish(use_case, window, rows, lease)
        TimedPublished.seconds += time.perf_counter() - began


def seconds_of_copy(url: str, own: Window) -> float:
    """What COPY takes for the window's published rows, in the order of their key, into an empty table like theirs."""
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor, TemporaryFile() as file:
        rows = cursor.mogrify(
            f"SELECT * FROM perennial.predictions_{NAME} WHERE window_start = %s", (own.start,)
        ).decode()
        cursor.copy_expert(f"COPY ({rows} ORDER BY flight_id) TO STDOUT (FORMAT binary)", file)
        cursor.execute(f"CREATE TABLE perennial.copied (LIKE perennial.predictions_{NAME} INCLUDING ALL)")
        session.commit()
        file.seek(0)
        began = time.perf_counter()
        cursor.copy_expert("COPY perennial.copied FROM STDIN (FORMAT binary)", file)
        session.commit()
        seconds = time.perf_counter() - began
        cursor.execute("DROP TABLE perennial.copied")
        session.commit()
        return seconds


def bare(use_case: LoadedUseCase, own: Window, ports: Ports) -> Callable[[], Any]:
    """Nothing but the model, on a frame that is in memory."""
    champion = ports.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
    assert champion is not None
    pipeline = load(ports.artifacts.get(champion.model_digest), champion.model_digest)
    frame = feature_frame(use_case.spec, ports.lake.read(raw_table(NAME), window_partition(own)))
    return lambda: pipeline.predict_proba(frame)


if __name__ == "__main__":
    sys.exit(main())
