"""A command of a run is waited for, and told when it fails."""

import os
import sys

import pytest
from tests.servers import Run


def test_a_command_that_fails_is_told_with_what_it_said(run: Run) -> None:
    run.finish("a good one", [sys.executable, "-c", "print('well')"], os.environ)
    with pytest.raises(AssertionError, match="a bad one: no disk"):
        run.finish("a bad one", [sys.executable, "-c", "raise SystemExit('no disk')"], os.environ)
