"""What a decision about retraining looks at: history, as it was known at a moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeVar

from perennial.drift.accumulate import Thresholds
from perennial.performance.audit import Trust
from perennial.verdict import Verdict
from perennial.window import Every, Window


class ColumnPoint(NamedTuple):
    """A column's own p-value in a window, and whether its missing values are the most unusual thing about it.

    `importance` is the column's share of the model's, 0 to 1; None where it is not a column of its own, or not known.
    """

    p_value: float
    missing: bool
    importance: float | None = None


@dataclass(frozen=True)
class DriftPoint:
    """How far a window drifted from what the model now in force considers normal. `fail` is an alarm.

    `missing` are the columns that are unusual only by their missing values. `columns` is by name. `learnable` says
    whether a retraining could learn from the window's `rows` rows yet, None where nobody asked.
    """

    window: Window
    verdict: Verdict
    p_value: float | None
    missing: tuple[str, ...] = ()
    columns: Mapping[str, ColumnPoint] = field(default_factory=dict)
    rows: int = 0
    learnable: bool | None = None


@dataclass(frozen=True)
class PerformancePoint:
    """The deciding metric of a window that the model now in force scored, measured or estimated on `rows` rows."""

    window: Window
    value: float
    standard_error: float
    rows: int


@dataclass(frozen=True)
class Awaited:
    """The last challenger was neither better nor surely no better: on `had` labelled rows that could not be told.

    `needed` rows would probably tell; `come` final labels came of windows after its holdout. From `until` on a holdout
    has none of the same rows, so that the next judgement is one of its own.
    """

    needed: int
    had: int
    come: int
    until: datetime


@dataclass(frozen=True)
class RetrainingEvidence:
    """All that counts, as of a moment of the data's time. Points are of the model now in force, in any order.

    `performance` holds final windows, `estimates` those whose labels are not final yet, corrected by the estimate's
    usual gap; `trust` says how far estimates may be believed, and `concept_drift` that they were persistently wrong on
    ordinary inputs. `at_deployment` is the metric on the model's holdout. `reference_windows` is the number of windows
    in the model's reference. `last_trained_as_of` is when the model in force was trained, in the data's time.
    `retrains` are the moments at which retraining was decided on or a challenger was judged (those of decisions may lie
    at or after `as_of`: another window was monitored sooner), `rejected_at` the last one at which the champion stayed.
    `new_labels` counts final labels of windows after those that the model in force learnt from, None when nothing was
    measured since. `failed` is the last window that was validated, if it failed. `thresholds` are those that were
    simulated when the model was deployed. `awaited` are the labels that the last judgement was in want of.
    """

    as_of: datetime
    every: Every
    metric: str
    at_deployment: float | None = None
    reference_windows: int = 0
    drift: tuple[DriftPoint, ...] = ()
    performance: tuple[PerformancePoint, ...] = ()
    estimates: tuple[PerformancePoint, ...] = ()
    trust: Trust = Trust.UNPROVEN
    concept_drift: bool = False
    last_trained_as_of: datetime | None = None
    deployed_at: datetime | None = None
    retrains: tuple[datetime, ...] = ()
    rejected_at: datetime | None = None
    new_labels: int | None = None
    failed: Window | None = None
    thresholds: Thresholds = field(default_factory=dict)
    awaited: Awaited | None = None


Point = TypeVar("Point", DriftPoint, PerformancePoint)


def latest(points: Sequence[Point], as_of: datetime, count: int | None = None) -> list[Point]:
    """The last points that had ended by `as_of`, oldest first; all of them without a count."""
    past = sorted((point for point in points if point.window.end <= as_of), key=lambda point: point.window)
    return past if count is None else past[-count:]
