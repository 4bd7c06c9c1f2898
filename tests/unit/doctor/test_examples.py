"""The examples in the docstrings are true, and the page has every check."""

import doctest
from pathlib import Path

from perennial.doctor.checks import versions
from perennial.doctor.registry import CHECKS
from perennial.settings import environment
from perennial_airflow import doctor


def test_the_page_names_every_check(repository: Path) -> None:
    page = (repository / "docs" / "doctor.md").read_text()
    listed = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")]
    assert [name for name in listed if name not in ("check", "---")] == [*CHECKS, *doctor.CHECKS]


def test_examples() -> None:
    for module in (versions, environment, doctor):
        found = doctest.testmod(module)
        assert found.attempted > 0, module
        assert found.failed == 0, module
