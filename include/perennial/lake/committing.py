"""A commit is tried again when a rival was first, or when no answer came."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from deltalake.exceptions import CommitFailedError

from perennial.errors import StoreUnavailable
from perennial.lake.storage import reaching

ATTEMPTS = 40
FAILURES = 3
LONGEST_PAUSE_SECONDS = 1.0

Result = TypeVar("Result")


def until_committed(what: str, attempt: Callable[[], Result]) -> Result:
    """Look at the table, and commit on top of what was seen, again and again until the commit is the next version.

    A store that fails may have made the commit and lost only the answer: that, too, is a reason to look again.
    """
    failures = 0
    for lost in range(ATTEMPTS):
        try:
            with reaching(what), suppress(CommitFailedError):
                return attempt()
        except StoreUnavailable:
            failures += 1
            if failures == FAILURES:
                raise
        time.sleep(_pause(lost))
    raise StoreUnavailable(
        f"{what} lost the race against other writers {ATTEMPTS} times. "
        "Nothing was changed; run the task again, or let fewer runs write at once."
    )


def _pause(attempt: int) -> float:
    """Seconds to wait after losing: random, so that losers don't meet again, and longer each time, up to a second."""
    return random.SystemRandom().uniform(0, min(LONGEST_PAUSE_SECONDS, 0.02 * 2**attempt))
