"""What the project depends on: ranges with two ends, the lock inside them, and a lock of the lowest versions to try."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
RUNTIME = [Requirement(text) for text in (*PROJECT["dependencies"], *EXTRAS["local"])]
EXPORTS = [Requirement(text) for text in (*EXTRAS["onnx"], *EXTRAS["pmml"], *EXTRAS["lineage"])]
DEVELOPMENT = [Requirement(text) for text in EXTRAS["dev"]]
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each package in a lock: several, where it depends on the Python version."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall((ROOT / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


def floor(requirement: Requirement) -> str | None:
    """The lower end of a range; None where the requirement is no range with two ends."""
    ends = {each.operator: each.version for each in requirement.specifier}
    return ends[">="] if set(ends) == {">=", "<"} and len(requirement.specifier) == 2 else None


@pytest.mark.parametrize("text", ["a", "a==1", "a>=1", "a<2", "a>1,<2", "a>=1,<2,!=1.1", "a~=1.0"])
def test_what_is_no_range_with_two_ends_is_noticed(text: str) -> None:
    assert floor(Requirement(text)) is None


@pytest.mark.parametrize("requirement", [*RUNTIME, *EXPORTS], ids=str)
def test_dependencies_are_ranges(requirement: Requirement) -> None:
    assert floor(requirement), "give it a lowest version that was tried (>=), and an end (<)"


@pytest.mark.parametrize("requirement", RUNTIME, ids=str)
@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_lies_in_the_ranges(lock: str, requirement: Requirement) -> None:
    locked = pins(lock).get(canonicalize_name(requirement.name), set())
    assert locked
    assert [version for version in locked if version not in requirement.specifier] == [], "run `make lock`"


@pytest.mark.parametrize("requirement", [*DEVELOPMENT, *EXPORTS], ids=str)
def test_the_tools_are_locked_too(requirement: Requirement) -> None:
    locked = pins("requirements-dev.txt").get(canonicalize_name(requirement.name), set())
    assert locked
    assert [version for version in locked if version not in requirement.specifier] == [], "run `make lock`"


@pytest.mark.parametrize("requirement", [*RUNTIME, *EXPORTS], ids=str)
def test_the_lowest_versions_are_those_that_are_tried(requirement: Requirement) -> None:
    lowest = floor(requirement)
    tried = pins("requirements-lowest.txt").get(canonicalize_name(requirement.name), set())
    assert lowest
    assert {Version(version) for version in tried} == {Version(lowest)}, "run `make lock` and `make test-lowest`"
