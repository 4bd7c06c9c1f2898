"""The one module that reads the system's clock.

Jobs are given a `Window` or an `as_of`. The clock is read for deadlines, and where commands and pages mean
"now". When an entry was recorded is said by the database's own clock.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """The current instant, in UTC."""
    return datetime.now(UTC)
