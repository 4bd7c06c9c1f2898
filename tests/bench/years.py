"""What a window costs after two years: an hourly use case with 17,520 windows in its past against younger ones.

Run it by `make bench`. All lie in a real PostgreSQL and in Delta tables on disk, made by the jobs of production and
copied backwards (`replays/past.py`). In processes of their own, which take turns, so that a machine that becomes slower
does so for all, the next windows of each past are taken through the steps, and at last the nightly work is done when
nothing has changed; medians count, and the greatest peak of a process's memory. A step may take 1.5 times as long as
after 100 windows, and 1.2 times the memory, the nightly work a minute, what people ask for 300 ms, and a window 20 kB
of the ledger.

A decision about retraining looks at the last 1,000 windows, of which the youngest use case has a tenth. The steps that
take one are therefore held against a use case that has as many; both ratios are printed.
"""

import itertools
import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2
from replays.past import NAME, ROWS, Past, made, opened

from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.jobs.upkeep import maintain, reconcile
from perennial.ledger.entries import DecisionKind
from perennial.records.model_choice import ModelChoice
from perennial.records.retraining import LOOKED_BACK, decide_retraining
from perennial.review import drift, explain, history, performance
from perennial_local.postgres import EmbeddedPostgres

SHORT, GROWN, LONG = 100, LOOKED_BACK, 17_520
TURNS, REPEATS = 3, 7  # of so many windows, after one that does not count
STEP_TIMES, MEMORY_TIMES = 1.5, 1.2
MOST_NIGHTLY, MOST_ASKED = 60.0, 0.3  # seconds
MOST_LEDGER = 20.0  # kB a window
DECIDING = ("monitor", "measure", "decide")
NIGHTLY = ("maintain", "reconcile")
ASKED = ("status", "drift", "performance", "history", "explain")


def main() -> int:
    """The exit code: 1 when a limit was missed."""
    if sys.argv[1:2] == ["measure"]:
        return measured(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    found: dict[int, dict[str, list[float]]] = {windows: {} for windows in (SHORT, GROWN, LONG)}
    with TemporaryDirectory() as scratch:
        server = EmbeddedPostgres(Path(scratch) / "postgres" / "data", free_port())
        server.start()
        try:
            for windows in (SHORT, GROWN, LONG):
                folder = Path(scratch) / f"{windows}"
                folder.mkdir()
                server.create_database(f"past_{windows}")
                began = time.perf_counter()
                made(folder, server.url(f"past_{windows}"), windows).close()
                print(f"{windows:,} windows were made in {time.perf_counter() - began:.0f} s", flush=True)
            for turn, windows in itertools.product(range(TURNS), found):
                command = [sys.executable, __file__, "measure", f"{Path(scratch) / str(windows)}"]
                done = subprocess.run(
                    [*command, server.url(f"past_{windows}"), str(turn)],
                    env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0
                for name, each in json.loads(done.stdout.splitlines()[-1]).items():
                    found[windows].setdefault(name, []).extend(each)
        finally:
            server.stop()
    return told({windows: middle(each) for windows, each in found.items()})


def middle(found: dict[str, list[float]]) -> dict[str, float]:
    """Of each figure the median, of memory the most."""
    return {name: max(each) if name == "memory" else statistics.median(each) for name, each in found.items()}


def told(found: dict[int, dict[str, float]]) -> int:
    """Print what was found after so many windows, and what was missed; the exit code."""
    short, grown, long = (found[windows] for windows in (SHORT, GROWN, LONG))
    heads = [*(f"after {windows:,}" for windows in found), *(f"times that after {each:,}" for each in (SHORT, GROWN))]
    print(f"\n| what | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    missed = []
    for name, after in long.items():
        unit = "MiB" if name == "memory" else "kB" if name == "ledger" else "ms"
        measured = [f"{each[name]:.1f} {unit}" for each in found.values()]
        print(f"| {name} | {' | '.join(measured)} | {after / short[name]:.2f} | {after / grown[name]:.2f} |")
        if name in NIGHTLY:
            most = 1000 * MOST_NIGHTLY
        elif name in ASKED:
            most = 1000 * MOST_ASKED
        elif name == "ledger":
            most = MOST_LEDGER
        elif name == "memory":
            most = MEMORY_TIMES * short[name]
        else:
            most = STEP_TIMES * (grown if name in DECIDING else short)[name]
        missed += [f"{name} costs more than it may: {after:.1f} {unit}, at most {most:.1f}"] if after > most else []
    print(json.dumps({"short": short, "grown": grown, "long": long}))
    for each in missed:
        print(each, file=sys.stderr)
    return 1 if missed else 0


def measured(folder: Path, url: str, turn: int) -> int:
    """Print the milliseconds of each step of a turn's windows, and of what is asked for, and at last done at night."""
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    past = opened(folder, url)
    use_case, ports = past.use_case, past.ports
    seconds: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[..., object], *given: Any, **named: Any) -> None:
        began = time.perf_counter()
        work(*given, **named)
        seconds.setdefault(name, []).append(time.perf_counter() - began)

    first = past.next + turn * (REPEATS + 1)
    for number in range(first, first + REPEATS + 1):
        window, run_id = past.window(number), f"hour {number}"
        timed("ingest", ingest.run, use_case, window, ports, run_id)
        timed("validate", validate.run, use_case, window, ports, run_id)
        timed("score", score.run, use_case, window, ports, run_id, model=ModelChoice())
        timed("monitor", monitor.run, use_case, window, ports, run_id)
        timed("collect labels", collect_labels.run, use_case, window.end, ports, run_id)
        timed("measure", measure.run, use_case, window.end, ports, run_id)
        subject = f"{number} once more"
        timed(
            "decide",
            decide_retraining, use_case, DecisionKind.RETRAIN_ON_DRIFT, subject, window.end, ports, run_id,
        )  # fmt: skip
    memory = peak_megabytes()
    last = past.window(first + REPEATS)
    week = [past.window(first + REPEATS - each) for each in range(168)][::-1]
    key = str(ROWS * (first + REPEATS))
    for _ in range(2 if turn == TURNS - 1 else 0):  # the first finds something to do
        timed("maintain", maintain.run, use_case, last.end, ports, "night", actor="bench")
        timed("reconcile", reconcile.run, use_case, last.end, ports, "night", actor="bench")
    for _ in range(5):
        timed("status", ports.ledger.status, NAME)
        timed("drift", drift.run, use_case, [last], ports)
        timed("performance", performance.run, use_case, week, ports)
        timed("history", history.run, use_case, last, ports)
        timed("explain", explain.run, use_case, key, last, last.end, ports, airflow_url=None)
    found = {name: [1000 * each for each in several[1:]] for name, several in seconds.items()}
    print(json.dumps(found | {"memory": [memory], "ledger": [ledger_kilobytes(past)]}))
    return 0


def peak_megabytes() -> float:
    """The most memory of this process so far. What `getrusage` tells a child begins with its parent's."""
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def ledger_kilobytes(past: Past) -> float:
    """What the ledger takes, by window."""
    with psycopg2.connect(past.url) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) / 1000.0, (SELECT count(*) FROM ledger.batches) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ledger' AND c.relkind = 'r'"
        )
        size, windows = cursor.fetchone()
    session.close()
    return float(size) / int(windows)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
