"""Real processes are ended to the last child, and nobody else's."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.waiting import wait_until

from perennial_local.census import Record, end, load, record_process, save, started_at
from perennial_local.home import Home
from perennial_local.lock import Holder

# A leader with a child in a process group of its own; it says both process ids.
LEADER = """
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def started() -> Iterator[list["subprocess.Popen[str]"]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def lead(started: list["subprocess.Popen[str]"], *arguments: str) -> tuple[Record, int]:
    command = [sys.executable, "-c", LEADER, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    started.append(process)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    record = record_process("leader", process.pid, signal.SIGTERM, 1.0)
    assert record is not None
    return record, child


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("arguments", [(), ("stubborn",)], ids=["that obeys", "that ignores the signal"])
def test_a_process_is_ended_with_its_children(
    started: list["subprocess.Popen[str]"], arguments: tuple[str, ...]
) -> None:
    record, child = lead(started, *arguments)
    end(record)
    assert gone(record.pid)
    assert gone(child)


def test_a_process_is_recognised_after_the_clock_was_set(
    started: list["subprocess.Popen[str]"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, child = lead(started)
    holder = Holder(os.getpid(), started_at(psutil.Process()))
    for each in Path("/proc").iterdir():  # Linux tells processes' starts by the machine's, which moves with the clock
        if each.name != "stat":
            (tmp_path / each.name).symlink_to(each)
    since = int(psutil.boot_time())
    (tmp_path / "stat").write_text(Path("/proc/stat").read_text().replace(f"btime {since}", f"btime {since + 1}"))
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert psutil.boot_time() == since + 1
    assert holder.lives
    end(record)
    assert gone(record.pid)
    assert gone(child)


def test_children_of_a_killed_leader_are_found(started: list["subprocess.Popen[str]"]) -> None:
    record, child = lead(started)
    os.kill(record.pid, signal.SIGKILL)
    started[0].wait()
    assert not gone(child)
    end(record)
    wait_until(lambda: gone(child), "the child to be gone")


def test_a_number_that_was_used_again_is_left_alone(started: list["subprocess.Popen[str]"]) -> None:
    record, child = lead(started)
    end(replace(record, started=record.started - 1000))
    assert not gone(record.pid)
    assert not gone(child)
    end(record)  # and its child, which would sleep on


def test_records_survive_and_a_torn_file_counts_as_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert load(home) == []
    records = [Record("a", 1, 2.0, 15, 3.0), Record("b", 2, 2.5, 2, 1.0)]
    save(home, records)
    assert load(home) == records
    assert home.processes.stat().st_mode & 0o777 == 0o600
    home.processes.write_text('[{"name": "a"')
    assert load(home) == []
