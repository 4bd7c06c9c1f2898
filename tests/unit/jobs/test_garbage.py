"""The search for cycles of garbage rests only while it is told to."""

import gc

import pytest

from perennial.jobs.retrain.assembling.garbage import no_search_for_cycles


def test_the_search_goes_on_afterwards_whatever_happened() -> None:
    with pytest.raises(AssertionError, match="inside"), no_search_for_cycles():
        assert gc.isenabled(), "inside"
    assert gc.isenabled()


def test_who_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with no_search_for_cycles(), no_search_for_cycles():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
