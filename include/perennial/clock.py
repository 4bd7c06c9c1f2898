"""The one place that knows what time it is.

Everything else is told: a `Window` or an `as_of`. Only `recorded_at` columns come from here.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """The current instant, in UTC."""
    return datetime.now(UTC)
