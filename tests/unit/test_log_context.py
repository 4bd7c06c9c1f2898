"""What a line of the log is about: scopes end, also by an error, and the example in the docstring is true."""

import doctest

import pytest

from perennial import log_context
from perennial.log_context import about, also, known


def test_the_example() -> None:
    found = doctest.testmod(log_context)
    assert found.attempted
    assert found.failed == 0


def test_a_scope_that_ends_by_an_error_leaves_nothing() -> None:
    with pytest.raises(RuntimeError), about(use_case="parcels", model="3"):
        raise RuntimeError
    assert known() == {}


def test_outside_of_every_scope_nothing_is_kept() -> None:
    also(model="3")
    assert known() == {}


def test_other_fields_are_refused_and_leave_nothing() -> None:
    with pytest.raises(ValueError, match="colour: a log is about use_case, window, run, model"), about(colour="red"):
        raise AssertionError("it is not entered")
    also(model="3")
    assert known() == {}
