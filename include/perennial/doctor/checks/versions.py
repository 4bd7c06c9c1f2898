"""What is installed here, against what this version of Perennial was tried with."""

import re
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from platform import python_version

from packaging.requirements import Requirement

from perennial.code_version import LOCK, code_version, lock_digest
from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Found, fail, ok, warn

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)
_SHOWN = 5


def packages_are_in_range(deployment: Deployment) -> Found:
    """Python and each package that Perennial imports are of a version that it allows."""
    del deployment
    wrong = out_of_range([f"python {metadata('perennial')['Requires-Python']}", *(requires("perennial") or ())], _here)
    if wrong:
        return fail(_some(wrong), "Install what requirements.txt says: `make setup`, or build the image again.")
    return ok(
        f"Python {python_version()}, Perennial {code_version()}, lock {lock_digest()[:12]}: compare with other hosts"
    )


def packages_are_as_locked(deployment: Deployment) -> Found:
    """What is installed has the versions of requirements.txt, with which the tests ran."""
    del deployment
    if not LOCK.is_file():
        return warn(
            f"{LOCK.name} is not beside this installation", "Nothing is wrong if you installed it as a package."
        )
    other = different(LOCK.read_text(), _here)
    if other:
        return warn(_some(other), f"Install what {LOCK.name} says, or test the versions that you run yourself.")
    return ok(f"the installed packages are those of {LOCK.name}")


def out_of_range(requirements: Iterable[str], here: Callable[[str], str | None]) -> list[str]:
    """The requirements that what is `here` does not meet, as sentences' parts; extras are not looked at.

    >>> out_of_range(["numpy>=2.3,<3", "rich>=14"], {"numpy": "3.0.1", "rich": "14.1"}.get)
    ['numpy is 3.0.1, allowed is <3,>=2.3']
    """
    wrong = []
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed, allowed = here(requirement.name), str(requirement.specifier) or "any version"
        if installed is None:
            wrong.append(f"{requirement.name} is not installed, allowed is {allowed}")
        elif not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} is {installed}, allowed is {allowed}")
    return wrong


def different(lock: str, here: Callable[[str], str | None]) -> list[str]:
    """The packages that are here in another version than the lock has.

    >>> different("numpy==2.3 ; sys_platform == 'x'\\nnumpy==2.4\\nrich==14.0", {"numpy": "2.4", "rich": "14.1"}.get)
    ['rich is 14.1, locked is 14.0']
    """
    locked: dict[str, set[str]] = {}
    for name, pinned in _PIN.findall(lock):
        locked.setdefault(name, set()).add(pinned)
    found = {name: here(name) for name in locked}
    return [
        f"{name} is {installed}, locked is {' or '.join(sorted(locked[name]))}"
        for name, installed in found.items()
        if installed is not None and installed not in locked[name]
    ]


def _here(name: str) -> str | None:
    """The version of what this process can import; None where it can't."""
    if name == "python":
        return python_version()
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _some(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return "; ".join(wrong[:_SHOWN]) + more
