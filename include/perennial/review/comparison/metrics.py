"""A metric of two things: each with its interval, and the difference with its own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perennial.performance.interval import Z
from perennial.spec.names import METRICS

Json = Mapping[str, Any]


@dataclass(frozen=True)
class MetricCompared:
    """A metric before and after, in its own unit, with 95% intervals where they are known.

    `difference` is after minus before; `low` and `high` are its own 95% interval, None where it can't be told.
    `higher_is_better` says which sign is good.
    """

    name: str
    higher_is_better: bool
    before: float | None
    before_low: float | None
    before_high: float | None
    after: float | None
    after_low: float | None
    after_high: float | None
    difference: float | None
    low: float | None
    high: float | None

    @property
    def told_apart(self) -> bool:
        """Whether the difference's interval leaves out zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    @property
    def better(self) -> bool | None:
        """Whether it is better after than before; None where they can't be told apart."""
        if not self.told_apart or self.difference is None:
            return None
        return (self.difference > 0) == self.higher_is_better


def of_separate_samples(
    before: Mapping[str, float], before_spread: Json, after: Mapping[str, float], after_spread: Json
) -> tuple[MetricCompared, ...]:
    """Metrics of two samples that share no row, such as two windows, each with its `low`, `high`, `standard_error`.

    The variance of a difference between separate samples is the sum of both variances; its interval is the normal one
    (for ROC AUC: Hanley and McNeil, 1982, Radiology 143). Whether two intervals overlap says less: intervals that
    overlap may belong to values that are told apart.
    """
    return tuple(
        _compared(name, before.get(name), before_spread.get(name) or {}, after.get(name), after_spread.get(name) or {})
        for name in METRICS
        if name in before or name in after
    )


def of_different_rows(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[MetricCompared, ...]:
    """Metrics whose spread is not on record: the difference has no interval."""
    return of_separate_samples(before, {}, after, {})


def _compared(name: str, before: float | None, spread: Json, after: float | None, spread_after: Json) -> MetricCompared:
    difference = after - before if after is not None and before is not None else None
    error, error_after = spread.get("standard_error"), spread_after.get("standard_error")
    low = high = None
    if difference is not None and error is not None and error_after is not None:
        reach = Z * math.hypot(error, error_after)
        if math.isfinite(reach):
            low, high = difference - reach, difference + reach
    return MetricCompared(
        name=name,
        higher_is_better=METRICS[name].higher_is_better,
        before=before,
        before_low=spread.get("low"),
        before_high=spread.get("high"),
        after=after,
        after_low=spread_after.get("low"),
        after_high=spread_after.get("high"),
        difference=difference,
        low=low,
        high=high,
    )
