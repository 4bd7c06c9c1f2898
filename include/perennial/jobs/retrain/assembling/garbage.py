"""Python's search for cycles of objects that nothing else refers to."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Inside, cycles of garbage stay; everything else goes with the last reference to it. Afterwards all is as before.

    The search goes through every object that is new. Thousands of windows make millions of them and next to no cycles,
    so that a tenth of the time and more would go into it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
