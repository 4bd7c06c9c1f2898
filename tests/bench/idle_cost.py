"""What a quiet local system takes of a core: `make run` after everything has been done, with no task to run.

Processor time of every process below the supervisor, told by the service that it belongs to, over some minutes; other
work on the machine does not stretch it as it does the clock.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

QUIET, WATCHED = 90.0, 180.0  # seconds
MOST = 0.10  # of one core


def processor_seconds(supervisor: int) -> Counter[str]:
    """By service; children that have ended are counted with their parents."""
    found: Counter[str] = Counter()
    for service in (psutil.Process(supervisor), *psutil.Process(supervisor).children()):
        name = "supervisor" if service.pid == supervisor else _name(service)
        for process in (service, *(service.children(recursive=True) if service.pid != supervisor else ())):
            times = process.cpu_times()
            found[name] += times.user + times.system
            if process.pid != supervisor:
                found[name] += times.children_user + times.children_system
    return found


def _name(process: psutil.Process) -> str:
    said = " ".join(process.cmdline())
    names = ("api_server", "dag-processor", "triggerer", "scheduler", "mlflow", "postgres", "watchdog")
    return next(name for name in names if name in said)


def main() -> int:
    from tests.e2e.system import running_system
    from tests.servers import watched_run

    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        run = stack.enter_context(watched_run(Path(folder)))
        system = stack.enter_context(running_system(Path(folder), run))
        time.sleep(QUIET)
        before, began = processor_seconds(system.supervisor.pid), time.monotonic()
        time.sleep(WATCHED)
        after, took = processor_seconds(system.supervisor.pid), time.monotonic() - began
    shares = {name: (after[name] - before[name]) / took for name in after}
    total = sum(shares.values())
    print("| | of one core |\n|---|---|")
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"| {name} | {share:.2%} |")
    print(f"\nA quiet system takes {total:.1%} of one core; {MOST:.0%} are allowed.")
    print(json.dumps({"total": total, "services": shares}))
    return int(total > MOST)


if __name__ == "__main__":
    sys.exit(main())
