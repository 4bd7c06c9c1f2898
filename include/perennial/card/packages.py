"""What a model was deployed with: the installed packages, kept as an artefact under its own digest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from platform import python_version
from typing import Literal

from perennial.code_version import LOCK
from perennial.encoding import from_json_text, json_bytes
from perennial.ports import Ports

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Package:
    """An installed package. `hashes` are the sha-256 of the files that the lock accepts for this version, if any."""

    name: str
    version: str
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Packages:
    """Everything that was installed, by name, and the Python that ran it."""

    python: str
    packages: tuple[Package, ...]
    format: Literal[1] = 1


@cache
def installed() -> Packages:
    """What this process can import, each package once, with the hashes that requirements.txt has for it."""
    locked = locked_hashes(LOCK.read_text()) if LOCK.is_file() else {}
    found: dict[str, Package] = {}
    for each in distributions():
        name, version = canonical(each.name), each.version
        found.setdefault(name, Package(name, version, locked.get((name, version), ())))  # the first is what is imported
    return Packages(python_version(), tuple(found[name] for name in sorted(found)))


def keep_packages(ports: Ports) -> str:
    """Store what is installed; the same packages have the same digest. Errors: `StoreUnavailable`."""
    return ports.artifacts.put(json_bytes(installed()))


def read_packages(digest: str, ports: Ports) -> Packages:
    """What was kept. Errors: `UntrustedModel` when its bytes are missing or changed, `StoreUnavailable`."""
    return from_json_text(Packages, ports.artifacts.get(digest))


def locked_hashes(lock: str) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """The hashes of each package and version in a lock as `pip` reads it.

    >>> locked_hashes("jinja2==3.1.6 \\\\\\n    --hash=sha256:" + "a" * 64)[("jinja2", "3.1.6")] == ("a" * 64,)
    True
    """
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    name: tuple[str, str] | None = None
    for line in lock.splitlines():
        if pin := _PIN.match(line):
            name = canonical(pin[1]), pin[2]
        if name is not None and (hashes := _HASH.findall(line)):
            found[name] = (*found.get(name, ()), *hashes)
    return found


def canonical(name: str) -> str:
    """A package's name as indexes write it.

    >>> canonical("Great_Expectations")
    'great-expectations'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
