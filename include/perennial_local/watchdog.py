"""Ends everything when the supervisor has died without doing so.

It reads from a pipe what the supervisor has started. The pipe ends when the supervisor dies, however that happens; the
processes that are then still on the list are ended, last one first. Meanwhile it holds the supervisor's lock, so that
no other run starts before the old one is gone. A run of the tests is watched in the same way, with `start` and
`watching`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO

from perennial_local.census import Record, end


class Watchdog:
    """The supervisor's end of the pipe."""

    def __init__(self, lock: int) -> None:
        self._process = start(subprocess.PIPE, lock)

    def watch(self, record: Record) -> None:
        """Put a process that was just started on the list."""
        self._tell(watching(record))

    def forget(self, record: Record) -> None:
        """Take a process that has ended off the list."""
        self._tell(json.dumps({"forget": record.pid}) + "\n")

    def dismiss(self) -> None:
        """End the watchdog: there is nothing left to watch."""
        self._pipe.close()
        self._process.wait()

    @property
    def _pipe(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _tell(self, message: str) -> None:
        if self._process.poll() is None:  # else somebody killed it, and the next start uses the records on disk
            self._pipe.write(message)
            self._pipe.flush()


def start(pipe: int, *inherited: int, remove: Sequence[Path] = ()) -> "subprocess.Popen[str]":
    """Start a watchdog that reads from the open file `pipe`, and keeps the `inherited` ones open.

    When everything has been ended, it removes the folders `remove`.
    """
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "perennial_local.watchdog", *map(str, remove)],
        stdin=pipe,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        pass_fds=inherited,
    )


def watching(record: Record) -> str:
    """The line that tells a watchdog that the process was started."""
    return json.dumps({"watch": asdict(record)}) + "\n"


def main() -> None:
    """Listen until the supervisor is gone, then end what it left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.chdir("/")
    left: dict[int, Record] = {}
    for line in sys.stdin:
        message = json.loads(line)
        if "watch" in message:
            record = Record(**message["watch"])
            left[record.pid] = record
        else:
            left.pop(message["forget"], None)
    for record in reversed(left.values()):
        end(record)
    for folder in sys.argv[1:]:
        shutil.rmtree(folder, ignore_errors=True)  # what is ending by itself may still write there


if __name__ == "__main__":
    main()
