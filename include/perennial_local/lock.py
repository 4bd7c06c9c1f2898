"""One local system per home: a lock that is held as long as the supervisor lives, and says where the system is."""

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import IO

import psutil

from perennial.errors import PermanentError, TransientError
from perennial_local.census import started_at
from perennial_local.home import Home, read_json

CLEANING = 45.0  # seconds that a killed supervisor's watchdog may need
POLL = 0.1


@dataclass(frozen=True)
class Holder:
    """The supervisor that holds the lock, and where its system answers (empty until that is known)."""

    pid: int
    started: float
    airflow: str = ""
    mlflow: str = ""

    @property
    def lives(self) -> bool:
        """Whether this very process runs."""
        try:
            process = psutil.Process(self.pid)
            return started_at(process) == self.started and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


class Lock:
    """The lock of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._file: IO[str] | None = None

    @property
    def descriptor(self) -> int:
        """The open file that carries the lock; a process that inherits it holds the lock too."""
        assert self._file is not None
        return self._file.fileno()

    def acquire(self) -> None:
        """Take the lock.

        Errors: `PermanentError` when another supervisor runs here; the message says where its system is.
        """
        self._file = self._home.lock.open("a+")
        deadline = time.monotonic() + CLEANING
        while not _take(self._file):
            holder = read_holder(self._home)
            if holder is not None and (holder.lives or time.monotonic() > deadline):
                self._file.close()
                raise PermanentError(_already_running(self._home, holder))
            if time.monotonic() > deadline:
                raise PermanentError(f"Another process holds {self._home.lock} and does not say who it is.")
            time.sleep(POLL)
        self.announce("", "")

    def release(self) -> None:
        """Give the lock up; a process that inherited it still holds it."""
        assert self._file is not None
        self._file.close()

    def announce(self, airflow: str, mlflow: str) -> None:
        """Say in the lock's file who holds it and where the system answers."""
        assert self._file is not None
        holder = Holder(os.getpid(), started_at(psutil.Process()), airflow, mlflow)
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(asdict(holder)))
        self._file.flush()


def read_holder(home: Home) -> Holder | None:
    """Who wrote the lock's file last; it may be gone."""
    kept = read_json(home.lock)
    return Holder(**kept) if isinstance(kept, dict) else None


def is_held(home: Home) -> bool:
    """Whether a local system of this home runs, or is being ended."""
    if not home.lock.exists():
        return False
    with home.lock.open("a+") as file:
        return not _take(file)


def wait_until_released(home: Home, seconds: float) -> None:
    """Wait until no local system of this home runs any more.

    Errors: `TransientError` when it still does after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while is_held(home):
        if time.monotonic() > deadline:
            raise TransientError(
                f"The local system is still running after {seconds:.0f} s; its logs are in {home.logs}."
            )
        time.sleep(POLL)


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _already_running(home: Home, holder: Holder) -> str:
    where = f"Airflow: {holder.airflow} · MLflow: {holder.mlflow}. " if holder.airflow else "It is still starting. "
    return (
        f"Perennial already runs from {home.path} (process {holder.pid}). {where}"
        "Stop it with `make stop`, or set PERENNIAL_HOME to another folder to run a second one."
    )
