"""The examples in docstrings are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["statements", "packages"])
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"perennial.card.{name}"))
    assert found.attempted
    assert found.failed == 0
