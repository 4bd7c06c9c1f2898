"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

import perennial.judgement

MODULES = sorted(path.stem for path in Path(perennial.judgement.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__"])
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"perennial.judgement.{name}")).failed == 0
