"""The processes that the supervisor started: how to recognise them after its death, and how to end them all.

A process is identified by its number and its start time, because numbers are used again. The start time counts from
the machine's own start, so that setting the clock changes nothing. Each process leads a session of its own. Its
descendants stay in that session, whatever process group they move to. Those that left it (PostgreSQL's do) are found
through the process tree as long as their parent lives.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import psutil

from perennial_local.home import Home, read_json, write_private

POLL = 0.05
LEFTOVER_GRACE = 2.0


@dataclass(frozen=True)
class Record:
    """One started process, the signal that asks it to end, and the seconds it is given for that.

    `started` is what `started_at` says of it.
    """

    name: str
    pid: int
    started: float
    stop_signal: int
    grace: float


def record_process(name: str, pid: int, stop_signal: int, grace: float) -> Record | None:
    """The record of a process that was just started; None when it has already ended."""
    try:
        return Record(name, pid, started_at(psutil.Process(pid)), stop_signal, grace)
    except psutil.NoSuchProcess:
        return None


def started_at(process: psutil.Process) -> float:
    """When the process was started, in seconds since the machine's start."""
    return round(process.create_time() - psutil.boot_time(), 2)  # both move when the clock is set


def end(record: Record) -> None:
    """Ask the process to end, wait its grace, then kill it and whatever is left of its descendants and session."""
    leader = _leader(record)
    family = set(_family(record, leader))
    if leader is not None and _runs(leader):
        with contextlib.suppress(psutil.NoSuchProcess):
            leader.send_signal(record.stop_signal)
        _wait([leader], record.grace)
        if not _runs(leader):  # it ended by itself, and its children may be about to
            _wait(family, LEFTOVER_GRACE)
    family |= set(_family(record, leader))
    for process in family:
        if _runs(process):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    _wait(family, LEFTOVER_GRACE)


def save(home: Home, records: Iterable[Record]) -> None:
    """Remember the records for the next start."""
    write_private(home.processes, json.dumps([asdict(record) for record in records]))


def load(home: Home) -> list[Record]:
    """What the last supervisor left behind in its records, oldest first."""
    kept = read_json(home.processes)
    return [Record(**each) for each in kept] if isinstance(kept, list) else []


def _leader(record: Record) -> psutil.Process | None:
    try:
        process = psutil.Process(record.pid)
        return process if started_at(process) == record.started else None
    except psutil.NoSuchProcess:
        return None


def _family(record: Record, leader: psutil.Process | None) -> list[psutil.Process]:
    if leader is None and psutil.pid_exists(record.pid):
        return []  # another process has the number now, so nothing of the session is left
    members = [process for process in psutil.process_iter() if _session(process.pid) == record.pid]
    if leader is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            members += [leader, *leader.children(recursive=True)]
    return members


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait(processes: Iterable[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    waiting = list(processes)
    while waiting and time.monotonic() < deadline:
        waiting = [process for process in waiting if _runs(process)]
        if waiting:
            time.sleep(POLL)
