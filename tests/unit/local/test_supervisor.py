"""The supervisor with small real processes: restarts, failures, requests to stop, and being killed itself."""

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from tests.waiting import PATIENCE, wait_until

from perennial.errors import TransientError
from perennial_local.home import Home
from perennial_local.lock import Lock, is_held
from perennial_local.screen import Screen
from perennial_local.supervisor import Service, Stopped, Supervisor
from perennial_local.watchdog import Watchdog

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
DIE = (sys.executable, "-c", "import sys; print('the disk is on fire'); sys.exit(7)")


class Stage:
    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.home.logs.mkdir(parents=True)
        self.lock = Lock(self.home)
        self.lock.acquire()
        self.output = io.StringIO()
        screen = Screen(Console(file=self.output, width=200))
        self.supervisor = Supervisor(self.home, screen, Watchdog(self.lock.descriptor))
        self.supervisor.use(dict(os.environ))

    def children(self) -> list[psutil.Process]:
        wait_until(lambda: all(map(has_begun, self._running())), "processes to have begun")
        return [child for child in self._running() if "time.sleep(600)" in " ".join(command_line(child))]

    def _running(self) -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if command_line(child) is not None]


def command_line(process: psutil.Process) -> list[str] | None:
    """None when the process has ended."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return None


def has_begun(child: psutil.Process) -> bool:
    """For a moment after a process was started, the kernel knows no command line of it."""
    return command_line(child) != []


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    made = Stage(tmp_path / "home")
    yield made
    made.supervisor.stop()
    made.lock.release()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def sleeper(name: str, together: str = "") -> Service:
    return Service(name, SLEEP, lambda: True, together=together)


def test_everything_is_ended_and_forgotten(stage: Stage) -> None:
    for service in (sleeper("a"), sleeper("b", "group"), sleeper("c", "group"), sleeper("d")):
        stage.supervisor.start(service)
    assert len(stage.children()) == 4
    assert len(stage.home.processes.read_text().split('"name"')) == 5
    stage.supervisor.stop()
    assert stage.children() == []
    assert stage.home.processes.read_text() == "[]"


def test_a_service_that_dies_is_started_again_and_reported(stage: Stage) -> None:
    stage.supervisor.start(sleeper("worker"))
    [first] = stage.children()
    first.kill()

    def started_again() -> bool:
        stage.supervisor.pause(0.0)
        return "is started again" in stage.output.getvalue()

    wait_until(started_again, "the service to be started again")
    [second] = stage.children()
    assert second.pid != first.pid
    assert "worker stopped (exit code -9)" in stage.output.getvalue()


def test_a_service_that_keeps_dying_ends_everything_with_its_last_words(stage: Stage) -> None:
    stage.supervisor.start(Service("worker", DIE, lambda: False))
    with pytest.raises(TransientError, match=r"worker stopped \(exit code 7\)(.|\n)*the disk is on fire"):
        stage.supervisor.pause(PATIENCE)
    assert stage.output.getvalue().count("is started again") == 3


def test_an_adopted_process_is_not_started_again(stage: Stage) -> None:
    process = subprocess.Popen(SLEEP, start_new_session=True)
    stage.supervisor.adopt("postgres", process, signal.SIGINT, 1.0)
    process.terminate()
    with pytest.raises(TransientError, match=r"postgres stopped \(exit code -15\)"):
        stage.supervisor.pause(PATIENCE)


def test_a_command_that_fails_says_so_and_one_that_works_does_not(stage: Stage) -> None:
    stage.supervisor.launch_command("works", (sys.executable, "-c", ""))
    stage.supervisor.finish_command("works")
    stage.supervisor.launch_command("migrate", DIE)
    with pytest.raises(TransientError, match=r"`migrate` failed with exit code 7.(.|\n)*the disk is on fire"):
        stage.supervisor.finish_command("migrate")


def test_a_service_that_is_never_ready_is_a_disturbance(stage: Stage) -> None:
    service = Service("mute", SLEEP, lambda: False)
    stage.supervisor.start(service)
    with pytest.raises(TransientError, match=re.escape("mute did not answer within 0 s")):
        stage.supervisor.wait_until_ready(service, timeout=0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_next_pause(stage: Stage, number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    stage.supervisor.listen()
    os.kill(os.getpid(), number)
    with pytest.raises(Stopped):
        stage.supervisor.pause(PATIENCE)
    with pytest.raises(Stopped):
        stage.supervisor.start(sleeper("late"))
    assert stage.children() == []


def test_logs_start_anew_and_the_last_one_is_kept(stage: Stage) -> None:
    for word in ("first", "second"):
        stage.supervisor.launch_command("talk", (sys.executable, "-c", f"print('{word}')"))
        stage.supervisor.finish_command("talk")
    assert stage.supervisor.log("talk").read_text() == "second\n"
    assert (stage.home.logs / "talk.previous.log").read_text() == "first\n"


SUPERVISE = """
import os, psutil, sys
from pathlib import Path
from perennial_local.home import Home
from perennial_local.lock import Lock
from perennial_local.screen import Screen
from perennial_local.supervisor import Service, Supervisor
from perennial_local.watchdog import Watchdog
home = Home(Path({home!r}))
home.logs.mkdir(parents=True)
lock = Lock(home)
lock.acquire()
supervisor = Supervisor(home, Screen(), Watchdog(lock.descriptor))
supervisor.use(dict(os.environ))
for name in "ab":
    supervisor.start(Service(name, (sys.executable, "-c", "import time; time.sleep(600)"), lambda: True))
print(*[child.pid for child in psutil.Process().children() if "time.sleep" in child.cmdline()[-1]], flush=True)
supervisor.pause(600)
"""


def test_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(SUPERVISE.format(home=str(tmp_path / "home")))
    supervisor = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    children = [psutil.Process(int(pid)) for pid in supervisor.stdout.readline().split()]
    assert len(children) == 2
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert alive == []
    wait_until(lambda: not is_held(Home(tmp_path / "home")), "the watchdog to let go of the lock")
