"""Examples of Hypothesis may take as long as a busy machine makes them."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

MORE_THAN_ITS_OWN_DEADLINE = 0.25  # seconds; Hypothesis by default allows 0.2


def test_an_example_that_takes_long_fails_no_test() -> None:
    @settings(max_examples=2)
    @given(st.booleans())
    def slow(_: bool) -> None:
        time.sleep(MORE_THAN_ITS_OWN_DEADLINE)

    slow()
