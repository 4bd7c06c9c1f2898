"""Eight processes that take 2,000 windows of one use case through the steps at once, as backfills do.

All of them write to the same Delta tables, whose next version only one gets; the others look again and commit on top
of it. What counts is the share of all processes' time that went by until the attempt that succeeded began: at most 5%.
The ledger is a real PostgreSQL, the lake a folder.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from replays.past import made, opened
from years import free_port

from perennial.lake import delta
from perennial_local.postgres import EmbeddedPostgres

WINDOWS, WRITERS, BEFORE = 2_000, 8, 10
MOST = 0.05
Result = TypeVar("Result")


def main() -> int:
    """The exit code: 1 when a limit was missed."""
    logging.getLogger("perennial").setLevel(logging.CRITICAL)
    if sys.argv[1:2] == ["write"]:
        return write(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    with TemporaryDirectory() as scratch:
        server = EmbeddedPostgres(Path(scratch) / "postgres" / "data", free_port())
        server.start()
        try:
            server.create_database("past")
            url = server.url("past")
            past = made(Path(scratch), url, BEFORE)
            past.close()
            command = [sys.executable, __file__, "write", scratch, url]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            began = time.perf_counter()
            writers = [
                subprocess.Popen([*command, str(number)], env=environment, stdout=subprocess.PIPE, text=True)
                for number in range(WRITERS)
            ]
            said = [each.communicate()[0] for each in writers]
            assert not any(each.returncode for each in writers), "a writer failed; it says why above"
            found = [json.loads(each.splitlines()[-1]) for each in said]
            took = time.perf_counter() - began
            scored = past.ports.ledger.batches_between(
                past.use_case.name, past.window(past.next).start, past.window(past.next + WINDOWS).start
            )
            past.close()  # its ledger was opened again
        finally:
            server.stop()
    assert len(scored) == WINDOWS, f"{len(scored)} of {WINDOWS} windows were scored"
    spent, lost = (sum(each[name] for each in found) for name in ("seconds", "lost"))
    commits, again = (sum(each[name] for each in found) for name in ("commits", "again"))
    print(f"{WINDOWS:,} windows by {WRITERS} processes in {took:.0f} s: {WINDOWS / took:.1f} windows a second.")
    print(f"{again:,} of {commits:,} writes had to be tried again; {lost / spent:.2%} of the time, {MOST:.0%} allowed.")
    print(json.dumps({"share": lost / spent, "commits": commits, "again": again, "windows_a_second": WINDOWS / took}))
    return int(lost / spent > MOST)


def write(folder: Path, url: str, writer: int) -> int:
    """In a process of its own: take every eighth window through the steps, and print what was lost on the way."""
    lost = {"lost": 0.0, "commits": 0, "again": 0}
    original = delta.until_committed

    def counted(what: str, attempt: Callable[[], Result]) -> Result:
        begun: list[float] = []

        def timed() -> Result:
            begun.append(time.perf_counter())
            return attempt()

        result = original(what, timed)
        lost["lost"] += begun[-1] - begun[0]
        lost["commits"] += 1
        lost["again"] += len(begun) > 1
        return result

    delta.until_committed = counted
    past = opened(folder, url)
    began = time.perf_counter()
    for number in range(past.next + writer, past.next + WINDOWS, WRITERS):
        past.predict(number)
    print(json.dumps({**lost, "seconds": time.perf_counter() - began}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
