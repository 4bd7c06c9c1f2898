"""What a use case asks for although it can never be decided, as far as the spec alone shows: remarks, not mistakes."""

import math
from collections.abc import Iterator
from datetime import timedelta

from perennial.spec.false_alarms import FalseAlarms, hours_of_window
from perennial.spec.models import UseCase
from perennial.spec.monitoring import Season, Trigger
from perennial.spec.problems import Problem

# How much drift and judging need. The same numbers are in `perennial.drift.reference` and `perennial.modeling.holdout`,
# which take too long to import where specs are read; a test compares them.
MIN_WINDOWS, MIN_HOLDOUT_ROWS = 20, 100
WEEKDAYS = 7


def undecidable(spec: UseCase) -> Iterator[Problem]:
    """Each thing that can't happen with this schedule, this history and these limits, at the key to change."""
    windows = _windows(spec, spec.training.history)
    yield from _of_drift(spec, windows)
    yield from _of_rows(spec, windows)


def _of_drift(spec: UseCase, windows: int) -> Iterator[Problem]:
    if Trigger.DRIFT not in spec.monitoring.triggers:
        return
    weekday = spec.monitoring.season is Season.WEEKDAY
    alike, named = (windows // WEEKDAYS, "windows of one weekday") if weekday else (windows, "windows")
    if alike < MIN_WINDOWS:
        text = (
            f"holds about {alike} {named}, and drift needs {MIN_WINDOWS} to compare with: every window is "
            "'insufficient'"
        )
        yield Problem(("training", "history"), text)
        return
    budget: FalseAlarms = spec.monitoring.false_alarms
    needed = math.ceil(1 / budget.level(spec.schedule.every)) - 1
    if alike < needed:
        text = (
            f"{budget} can't be told from chance with about {alike} {named} in training.history: it takes {needed:,}, "
            "and until then every window is 'insufficient'"
        )
        yield Problem(("monitoring", "false_alarms"), text)


def _of_rows(spec: UseCase, windows: int) -> Iterator[Problem]:
    most = spec.limits.max_rows
    told = f"limits.max_rows allows {most:,} rows a window"
    monitoring, training = spec.monitoring, spec.training
    if monitoring.min_rows is not None and monitoring.min_rows > most:
        yield Problem(("monitoring", "min_rows"), f"{told}: no window will ever be compared")
    trailing = monitoring.trailing_windows
    if monitoring.min_labelled_rows is not None and monitoring.min_labelled_rows > trailing * most:
        yield Problem(("monitoring", "min_labelled_rows"), f"{told}: {trailing} trailing windows never have as many")
    held_out = _windows(spec, training.holdout)
    if held_out * most < MIN_HOLDOUT_ROWS:
        text = f"{told}: the holdout never has the {MIN_HOLDOUT_ROWS} rows that judging needs"
        yield Problem(("training", "holdout"), text)
    if (windows - held_out) * most < training.min_rows:
        text = f"{told}: a history of about {windows} windows never has {training.min_rows:,} before its holdout"
        yield Problem(("training", "min_rows"), text)


def _windows(spec: UseCase, stretch: timedelta) -> int:
    """The largest number of windows that can lie in the stretch."""
    return math.ceil(stretch / timedelta(hours=hours_of_window(spec.schedule.every)))
