"""What a check found, and the report of all checks."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Status(StrEnum):
    """`warn` is what works today and should be mended; with `fail`, something does not work or is not safe."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One check's line: what was found, and what to do, which is "" when all is well."""

    check: str
    status: Status
    found: str
    todo: str = ""


@dataclass(frozen=True)
class Report:
    """Every finding, in the order of the registry. `healthy`: none is a `fail`."""

    findings: tuple[Finding, ...]
    healthy: bool
    format: Literal[1] = 1


@dataclass(frozen=True)
class Found:
    """What a check returns; the registry knows its name."""

    status: Status
    found: str
    todo: str = ""


def ok(found: str) -> Found:
    """All is well."""
    return Found(Status.OK, found)


def warn(found: str, todo: str) -> Found:
    """Works, and should be mended."""
    return Found(Status.WARN, found, todo)


def fail(found: str, todo: str) -> Found:
    """Does not work, or is not safe."""
    return Found(Status.FAIL, found, todo)
