"""Drift of 500,000 rows and 20 columns while others take the processors: our threads against doing it in one.

Run it by `make bench`. Processes that do nothing but compute take no core, every core once, and every core twice. Each
way of ours is timed in turns beside them, and the medians are compared: threads must never be the slower way.
"""

import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from drift_against_peers import ROWS, WINDOWS, made

from perennial.drift.assess import assess_profile
from perennial.drift.profiles import profile
from perennial.drift.reference import fit_reference
from perennial.spec.columns import Kind

REPEATS = 9
SLOWER_AT_MOST = 1.1  # times; what the medians of so few differ by anyhow
THREADS, ONE = "threads", "one thread"


def main() -> int:
    random = np.random.default_rng(7)
    before, now = made(random, 0.0), made(random, 0.1)
    columns = {name: Kind.NUMERIC if name.startswith("n") else Kind.CATEGORICAL for name in before.column_names}
    step = ROWS // WINDOWS
    reference = fit_reference([(str(i), before.slice(i * step, step)) for i in range(WINDOWS)], columns, {})
    worth_threads = profile.ROWS_WORTH_THREADS
    found: dict[str, dict[str, float]] = {}
    cores = os.cpu_count() or 1
    for others in (0, cores, 2 * cores):
        seconds: dict[str, list[float]] = {THREADS: [], ONE: []}
        with busy(others):
            for _ in range(REPEATS):
                for way, rows in ((THREADS, worth_threads), (ONE, ROWS + 1)):
                    profile.ROWS_WORTH_THREADS = rows
                    began = time.perf_counter()
                    assess_profile(reference, reference.profile(now), 0.05)
                    seconds[way].append(time.perf_counter() - began)
        found[f"{others} busy processes"] = {way: statistics.median(each) for way, each in seconds.items()}
    print(f"| on {cores} cores | {THREADS} | {ONE} | ratio |\n|---|---|---|---|")
    for name, each in found.items():
        print(f"| {name} | {each[THREADS]:.3f} s | {each[ONE]:.3f} s | {each[THREADS] / each[ONE]:.2f} |")
    print(json.dumps(found))
    slower = [name for name, each in found.items() if each[THREADS] > SLOWER_AT_MOST * each[ONE]]
    for name in slower:
        print(f"beside {name}, threads are slower than one", file=sys.stderr)
    return 1 if slower else 0


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes beside this one that never wait."""
    others = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(count)]
    for each in others:
        each.start()
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.join()


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    sys.exit(main())
