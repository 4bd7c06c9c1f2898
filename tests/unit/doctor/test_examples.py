"""The examples in the docstrings are true."""

import doctest

from perennial.doctor.checks import versions
from perennial.settings import environment
from perennial_airflow import doctor


def test_examples() -> None:
    for module in (versions, environment, doctor):
        found = doctest.testmod(module)
        assert found.attempted > 0, module
        assert found.failed == 0, module
