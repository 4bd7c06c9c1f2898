"""One process that starts the others, watches them, and leaves none behind.

Everything happens in one thread: whoever waits, waits in `Supervisor.pause`, and there a request to stop is noticed
and a service that died is started again. So a signal at any moment, during start-up too, is answered at the next
safe point, and `stop` always finds a complete list.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import FrameType

from perennial.errors import TransientError
from perennial_local.census import Record, end, record_process, save
from perennial_local.home import Home
from perennial_local.screen import Screen
from perennial_local.watchdog import Watchdog

POLL = 0.1
COMMAND_GRACE = 5.0
LOG_LINES = 15
RESTARTS = 3


class Stopped(BaseException):
    """Somebody asked the supervisor to stop. Not an `Exception`, so that no handler of errors catches it."""


@dataclass(frozen=True)
class Service:
    """A process to keep running. `together` names services that may be ended at the same time."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    grace: float = 5.0
    together: str = ""


class _Kind(Enum):
    SERVICE = "is started again when it dies"
    ADOPTED = "takes everything with it when it dies"
    COMMAND = "ends by itself"


@dataclass
class _Running:
    kind: _Kind
    process: "subprocess.Popen[bytes]"
    record: Record | None
    service: Service | None = None
    restarts: int = 0


class Supervisor:
    """Starts and ends processes whose logs go to the home's `logs`."""

    def __init__(self, home: Home, screen: Screen, watchdog: Watchdog) -> None:
        self._home = home
        self._screen = screen
        self._watchdog = watchdog
        self._environment: Mapping[str, str] = {}
        self._running: dict[str, _Running] = {}
        self._stopping = False

    def listen(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP as requests to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGINT:
                signal.signal(number, self._ask)

    def use(self, environment: Mapping[str, str]) -> None:
        """Give this environment to every process from now on."""
        self._environment = environment

    def log(self, name: str) -> Path:
        """Where the process's output goes."""
        return self._home.logs / f"{name}.log"

    def adopt(self, name: str, process: "subprocess.Popen[bytes]", stop_signal: int, grace: float) -> None:
        """Watch and end a process that was started elsewhere; its death ends everything."""
        record = record_process(name, process.pid, stop_signal, grace)
        self._register(name, _Running(_Kind.ADOPTED, process, record))

    def start(self, service: Service) -> None:
        """Start the service; it may not be ready yet."""
        self.check()
        process = self._launch(service.name, service.command)
        record = record_process(service.name, process.pid, signal.SIGTERM, service.grace)
        self._register(service.name, _Running(_Kind.SERVICE, process, record, service))

    def wait_until_ready(self, service: Service, timeout: float = 180.0) -> None:
        """Wait until the service answers. Errors: `TransientError` when it does not in time."""
        deadline = time.monotonic() + timeout
        while not service.ready():
            if time.monotonic() > deadline:
                raise TransientError(
                    f"The {service.name} did not answer within {timeout:.0f} s.\n{self._log_end(service.name)}"
                )
            self.pause(POLL)

    def launch_command(self, name: str, command: tuple[str, ...]) -> None:
        """Start a command that ends by itself; `finish_command` waits for it."""
        self.check()
        process = self._launch(name, command)
        record = record_process(name, process.pid, signal.SIGTERM, COMMAND_GRACE)
        self._register(name, _Running(_Kind.COMMAND, process, record))

    def finish_command(self, name: str) -> None:
        """Wait for the command. Errors: `TransientError` when it fails."""
        running = self._running[name]
        while running.process.poll() is None:
            self.pause(POLL)
        self._forget(name)
        if running.process.returncode != 0:
            raise TransientError(f"`{name}` failed with exit code {running.process.returncode}.\n{self._log_end(name)}")

    def pause(self, seconds: float) -> None:
        """Wait, and meanwhile look after the services.

        Raises `Stopped` when asked to stop. Errors: `TransientError` when a service can't be kept running.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            self._look_after()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(POLL, left))

    def check(self) -> None:
        """Raise `Stopped` when asked to stop."""
        if self._stopping:
            raise Stopped

    def stop(self) -> None:
        """End everything, last started first; further requests to stop change nothing."""
        self._stopping = True
        groups: list[list[str]] = []
        for name, running in reversed(self._running.items()):
            together = running.service.together if running.service else ""
            previous = self._running[groups[-1][0]].service if groups else None
            if together and previous is not None and previous.together == together:
                groups[-1].append(name)
            else:
                groups.append([name])
        for group in groups:
            with ThreadPoolExecutor(len(group)) as threads:
                list(threads.map(self._end, group))
            for name in group:
                self._forget(name)
        self._watchdog.dismiss()

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _launch(self, name: str, command: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        log = self.log(name)
        if log.exists():
            log.replace(log.with_name(f"{name}.previous.log"))
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own commands
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=dict(self._environment),
                start_new_session=True,
            )

    def _register(self, name: str, running: _Running) -> None:
        self._running[name] = running
        if running.record is not None:
            self._watchdog.watch(running.record)
        self._save()

    def _look_after(self) -> None:
        for name, running in list(self._running.items()):
            code = running.process.poll()
            if code is None or running.kind is _Kind.COMMAND:
                continue
            self._end(name)
            if running.service is None or running.restarts >= RESTARTS:
                raise TransientError(f"{name} stopped (exit code {code}), so everything stops.\n{self._log_end(name)}")
            self._screen.say(f"{name} stopped (exit code {code}) and is started again.\n{self._log_end(name)}")
            self._forget(name)
            self.start(running.service)
            self._running[name].restarts = running.restarts + 1

    def _end(self, name: str) -> None:
        running = self._running[name]
        if running.record is not None:
            end(running.record)
        running.process.kill()  # nothing is left to kill, unless `end` did not recognise it
        running.process.wait()

    def _forget(self, name: str) -> None:
        running = self._running.pop(name)
        if running.record is not None:
            self._watchdog.forget(running.record)
        self._save()

    def _save(self) -> None:
        save(self._home, [running.record for running in self._running.values() if running.record is not None])

    def _log_end(self, name: str) -> str:
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        return "\n".join([f"Its log {log} ends:", *(f"    {line}" for line in lines)])
