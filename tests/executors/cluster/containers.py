"""How a container comes to be: a process of its own, or a fork of one that has imported the libraries before.

A long story of some two hundred pods takes several times as long when each imports pandas, scikit-learn and MLflow for
itself. Airflow and our own modules are imported by each container in either way, with its own variables.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path


@dataclass(frozen=True)
class Running:
    """A process that leads its own group, and its exit code: None while it runs, negative when a signal ended it."""

    pid: int
    poll: Callable[[], int | None]


Start = Callable[[Sequence[str], Mapping[str, str], Path, Path], Running]
"""Starts a command with these variables in this folder, and lets it print to a file."""


def cold(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Running:
    """A process of its own."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
        )
    return Running(process.pid, process.poll)


def warm(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Running:
    """A fork; for `python -m MODULE …`, as all of Airflow's tasks are."""
    python, option, module, *arguments = command
    if (python, option) != ("python", "-m"):
        return cold(command, environment, folder, log)
    heat()
    process = multiprocessing.get_context("forkserver").Process(
        target=_contain, args=(module, arguments, dict(environment), folder, log)
    )
    process.start()
    assert process.pid is not None
    return Running(process.pid, lambda: process.exitcode)


def heat() -> None:
    """Let the process that is forked begin to import the libraries, once."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(_libraries())
    forkserver.ensure_running()


def _libraries() -> list[str]:
    from perennial_airflow.executor import PRELOADED  # Airflow comes with it, and must not come into the fork

    return [name for name in PRELOADED if not name.startswith("airflow.")]


def _contain(module: str, arguments: list[str], environment: dict[str, str], folder: Path, log: Path) -> None:
    os.setpgid(0, 0)
    with log.open("w") as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(folder))  # as `python -m` does
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


STARTS: dict[str, Start] = {"cold": cold, "warm": warm}
