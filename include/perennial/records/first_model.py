"""When a use case can have its first model: what it takes to learn from must lie behind that moment."""

import math
from datetime import datetime

from perennial.spec.models import UseCase


def first_training(spec: UseCase, wanted: datetime, rows_per_window: float) -> datetime:
    """As of when a first model can be trained, at `wanted` or after it, so that it has windows enough behind it.

    The start of a window: a model holds from the moment that it was trained as of. It needs `training.min_rows` rows,
    if windows go on having `rows_per_window` of them, twice its holdout, and labels that are complete.
    """
    needed = math.ceil(spec.training.min_rows / rows_per_window) if rows_per_window else 1
    at = spec.start
    for _ in range(min(needed, _windows_of_history(spec))):
        at = spec.grid.containing(at).end
    earliest = max(at, spec.start + 2 * spec.training.holdout) + spec.labels.mature_after
    if wanted >= earliest:
        return wanted
    window = spec.grid.containing(earliest)
    return earliest if window.start == earliest else window.end


def history_too_short(spec: UseCase, rows_per_window: float) -> str | None:
    """That `training.history` never holds `training.min_rows` rows, whenever a model is trained; None when it does.

    The whole history counts, also what is not mature: what is said is certain. `rows_per_window` may be 0, for unknown.
    """
    windows = _windows_of_history(spec)
    if not rows_per_window or windows * rows_per_window >= spec.training.min_rows:
        return None
    return (
        f"training.history holds {windows:,} windows, about {windows * rows_per_window:,.0f} rows, and "
        f"training.min_rows asks for {spec.training.min_rows:,}: lengthen the one or lower the other"
    )


def _windows_of_history(spec: UseCase) -> int:
    window = spec.grid.containing(spec.start)
    return math.ceil(spec.training.history / (window.end - window.start))
