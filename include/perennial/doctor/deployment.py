"""What the checks are given: where things are, and what they ask of the machine."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from perennial import clock
from perennial.clock import Clock
from perennial.settings import Settings
from perennial.sources.port import Connections

GIGABYTE = 10**9


def free_gigabytes(path: Path) -> float:
    """What is left on the disk of a path, or of the nearest folder above it that is there."""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free / GIGABYTE


def _own_name() -> str:
    return f".perennial-doctor-{uuid4().hex}"


@dataclass(frozen=True)
class Deployment:
    """A deployment as this host sees it.

    `patience` is for how many seconds one answer is awaited. `probe` names what is written to try a store. `storage`
    turns the settings into the options of the lake's store.
    """

    settings: Settings
    connections: Connections
    storage: Callable[[], Mapping[str, str]]
    clock: Clock = clock.now
    free: Callable[[Path], float] = free_gigabytes
    patience: float = 10.0
    probe: str = field(default_factory=_own_name)
