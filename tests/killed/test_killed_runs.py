"""However a run of the tests ends, no server that it started is left."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from tests.e2e.browser import chromium
from tests.e2e.system import EXECUTOR
from tests.servers import Run
from tests.waiting import PATIENCE, ended, wait_until

ENDLESS = Path(__file__).parent / "endless.py"
MARK = "PERENNIAL_KILLED_RUN"
# What is started in the background, or by nohup, inherits that it ignores some signals.
OBEYING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@dataclass
class KilledRun:
    """A run of pytest with two workers, and what it has started."""

    process: "subprocess.Popen[bytes]"
    log: Path
    up: Path
    temporary: Path
    mark: str

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        wait_until(condition, what, lambda: ended(self.process, self.log))

    def started(self) -> dict[psutil.Process, str]:
        """Everything below the run, with its command line."""
        return {each: command_line(each) for each in psutil.Process(self.process.pid).children(recursive=True)}

    def running(self, program: str) -> bool:
        return any(program in line for line in self.started().values())

    def marked(self) -> list[psutil.Process]:
        """Processes that have inherited the run's environment."""
        return [each for each in psutil.process_iter() if environment(each).get(MARK) == self.mark]


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.fixture
def start(run: Run, tmp_path: Path) -> Iterator[Callable[..., KilledRun]]:
    """Starts a run of the named endless tests, with so many workers."""
    runs: list[KilledRun] = []

    def start(workers: int, *names: str) -> KilledRun:
        up, log, mark = tmp_path / "up", tmp_path / "log", uuid4().hex
        up.mkdir()
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTEST_") and name != "AIRFLOW_HOME"
        }
        temporary = run.new_folder("killed")
        own = {"TMPDIR": str(temporary), "SERVERS_ARE_UP": str(up), MARK: mark}
        chosen = [f"{ENDLESS}::{test}" for test in endless_tests(names)]
        command = [sys.executable, "-c", OBEYING, "-n", str(workers), "--dist", "load", "-p", "no:cacheprovider"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--basetemp", str(tmp_path / "run"), *chosen],
                env={**clean, **own}, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True, cwd=ENDLESS.parents[2],
            )  # fmt: skip
        run.watch("a run of endless tests", process.pid)
        runs.append(KilledRun(process, log, up, temporary, mark))
        return runs[-1]

    yield start
    for killed in runs:
        for process in killed.marked():
            with contextlib.suppress(psutil.Error):
                process.kill()
        killed.process.wait(PATIENCE)


def endless_tests(names: tuple[str, ...]) -> list[str]:
    tests = {
        "shared": "test_with_the_servers_that_tests_share",
        "local": "test_with_a_local_system",
        "browser": "test_with_a_browser",
        "command": "test_with_a_command",
    }
    return [tests[name] for name in names]


def assert_nothing_is_left(run: KilledRun, started: dict[psutil.Process, str]) -> None:
    def left() -> list[str]:
        return [started.get(each, command_line(each)) for each in {*started, *run.marked()} if lives(each)]

    try:
        wait_until(lambda: not left(), "everything to be gone")
    except AssertionError as error:
        raise AssertionError(f"{left()} is left\n{run.log.read_text()}") from error
    folders = [each.name for each in run.temporary.iterdir() if each.name.startswith(("perennial-tests-", "airflow-"))]
    assert not folders


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_ended_by_a_signal_leaves_no_server(start: Callable[..., KilledRun], number: int) -> None:
    run = start(0, "shared")
    run.wait_for("the servers to be up", (run.up / "shared").exists)
    started = run.started()
    assert run.running("postgres -D")
    os.kill(run.process.pid, number)
    run.process.wait(PATIENCE)
    assert_nothing_is_left(run, started)


def test_a_killed_worker_leaves_no_server_when_the_run_has_ended(start: Callable[..., KilledRun]) -> None:
    run = start(1, "shared")
    run.wait_for("the servers to be up", (run.up / "shared").exists)
    started = run.started()
    (worker,) = [
        each for each in psutil.Process(run.process.pid).children() if "perennial_local.watchdog" not in started[each]
    ]
    worker.kill()
    run.process.wait(PATIENCE)
    assert "1 failed" in run.log.read_text()
    assert_nothing_is_left(run, started)


@pytest.mark.parametrize(("name", "program"), [("browser", "--type=renderer"), ("command", "SERVERS_ARE_UP")])
def test_a_killed_run_leaves_neither_a_browser_nor_a_command(
    start: Callable[..., KilledRun], name: str, program: str
) -> None:
    if name == "browser":
        chromium()  # without one there is nothing to test
    run = start(0, name)
    run.wait_for(f"the {name} to be there", (run.up / name).exists)
    started = run.started()
    assert run.running(program)
    run.process.kill()
    run.process.wait(PATIENCE)
    assert_nothing_is_left(run, started)


def test_a_killed_run_with_two_workers_leaves_neither_their_servers_nor_airflow(
    start: Callable[..., KilledRun],
) -> None:
    run = start(2, "shared", "local")
    run.wait_for("the shared servers to be up", (run.up / "shared").exists)
    run.wait_for("Airflow and MLflow to be started", lambda: run.running("mlflow server") and run.running("airflow"))
    if EXECUTOR != "local":  # what does the tasks starts last
        run.wait_for("the whole system to be up", (run.up / "local system").exists)
    started = run.started()
    assert run.running("postgres -D")
    assert run.running("moto.server")
    run.process.kill()
    run.process.wait(PATIENCE)
    assert_nothing_is_left(run, started)
