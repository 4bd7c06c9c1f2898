"""`make run`: start everything, play the demonstration, and keep running until somebody stops it."""

import contextlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from perennial.errors import PermanentError, UnknownUseCase
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial_local import census
from perennial_local.demo import USE_CASE, Conductor, stages_until
from perennial_local.execution import IN_THE_SCHEDULER, Execution
from perennial_local.home import Home
from perennial_local.lock import Lock
from perennial_local.screen import Screen
from perennial_local.services import LocalSystem
from perennial_local.summary import show_addresses, show_numbers
from perennial_local.supervisor import Stopped, Supervisor
from perennial_local.watchdog import Watchdog

FOREVER = 3600.0


@dataclass(frozen=True)
class Options:
    """What the user asked for. `demo_until` is the last day to play, None for no demonstration."""

    demo_until: date | None
    airflow_port: int | None
    mlflow_port: int | None


@dataclass(frozen=True)
class Play:
    """The demonstration to play, and its last day."""

    use_case: LoadedUseCase
    until: date


def run(options: Options, screen: Screen, execution: Execution = IN_THE_SCHEDULER) -> None:
    """Start the local system and stay until asked to stop; whatever happens, leave no process behind.

    Errors: `PermanentError` when another one runs from this home, when the home can't be used, or when the
    demonstration fails; `TransientError` when a server does not come up or can't be kept running.
    """
    settings = Settings.from_environment()
    play = None if options.demo_until is None else _plan(settings.use_cases, options.demo_until)
    home = Home(settings.home.absolute())
    home.prepare()
    lock = Lock(home)
    lock.acquire()
    for record in reversed(census.load(home)):
        census.end(record)  # left over where a supervisor and its watchdog were both killed
    supervisor = Supervisor(home, screen, Watchdog(lock.descriptor))
    supervisor.listen()
    try:
        _stay(options, LocalSystem(home, supervisor, screen, execution), supervisor, lock, play)
    except Stopped:
        with contextlib.suppress(OSError, SystemExit):  # the terminal may be gone
            screen.say("Stopping …")
    finally:
        supervisor.stop()
    screen.say("Everything is stopped; `make run` goes on from here")


def _plan(use_cases: Path, until: date) -> Play:
    """What is to be played. Errors: `PermanentError` where there is no demonstration, or no data for that day."""
    try:
        use_case = load_use_case(use_cases / USE_CASE)
    except UnknownUseCase as error:
        raise PermanentError(
            f"{error} It is the demonstration; start the servers without it: make run ARGS=--no-demo"
        ) from error
    list(stages_until(use_case, until))
    return Play(use_case, until)


def _stay(options: Options, system: LocalSystem, supervisor: Supervisor, lock: Lock, play: Play | None) -> None:
    addresses = system.start(options.airflow_port, options.mlflow_port)
    lock.announce(addresses.airflow, addresses.mlflow)
    show_addresses(system.screen.console, addresses, system.keys)
    if play is not None:
        _play(play, system, supervisor)
        show_addresses(system.screen.console, addresses, system.keys)
    system.screen.say("Press Ctrl-C to stop")
    while True:
        supervisor.pause(FOREVER)


def _play(play: Play, system: LocalSystem, supervisor: Supervisor) -> None:
    api = system.api()
    try:
        played = Conductor(api, play.use_case, system.screen, supervisor.pause).play(play.until)
    finally:
        api.close()
    for dag_id, failed in played.failed.items():
        if failed:
            system.screen.say(f"{dag_id}: {failed} windows failed; their tasks' logs in Airflow say why")
    show_numbers(system.screen.console, play.use_case, system.ledger())
