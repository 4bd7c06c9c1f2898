"""The columns of two windows: missing shares, ranges of values, and both histograms over the same bins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perennial.drift.columns import ColumnDrift, measures_of
from perennial.drift.profiles.bins import Counts
from perennial.drift.profiles.profile import PROBABILITIES, NumericProfile, WindowProfile
from perennial.drift.reference import ColumnReference, Reference
from perennial.review.comparison.ordinary import share_closer, share_closer_in_missing

TOP = 5
NOTICEABLE = 0.05  # share of rows that moved
NOTICEABLE_MISSING = 0.01
RARE = 0.95  # of pairs of ordinary windows are closer
TIMES_CHANCE = 2.0
LEAST_WEIGHT = 0.1  # of a column that the model hardly uses


@dataclass(frozen=True)
class Figures:
    """The values of a column in one window.

    `missing` is the share of rows without a usable value. `low` to `high` are all numbers, `low_5` to `high_95` nine
    tenths of them; all are None where there is no number. `top` are the most frequent categories with their shares of
    rows, `distinct` is how many different ones there are (about, where they are very many).
    """

    rows: int
    missing: float
    mean: float | None = None
    low: float | None = None
    low_5: float | None = None
    median: float | None = None
    high_95: float | None = None
    high: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    distinct: int | None = None


@dataclass(frozen=True)
class SharedBar:
    """A bar of both windows' histograms: the share of rows that fall there, in the reference and in either window."""

    label: str
    reference: float
    before: float
    after: float


@dataclass(frozen=True)
class ColumnCompared:
    """A column of two windows.

    `moved` is the share of rows that would have to go to another bar for both histograms to be the same (the total
    variation distance), `by_chance` what two random samples of these sizes from one distribution differ by on
    average. Days are not alike, so ordinary windows differ by more: `share_closer` is the share of pairs of the
    reference's windows that are less far apart than these two, `missing_share_closer` the same for missing values;
    both are None where the reference can't tell. `importance` is the column's share of the model's importances, and
    `drifted` says whether monitoring found it so in either window; None without a report.
    """

    name: str
    importance: float | None
    before: Figures | None
    after: Figures | None
    bars: tuple[SharedBar, ...]
    moved: float | None
    by_chance: float | None
    share_closer: float | None
    missing_share_closer: float | None
    drifted_before: bool | None
    drifted_after: bool | None

    @property
    def stands_out(self) -> bool:
        """Whether more rows moved than between most ordinary windows."""
        if self.moved is None or self.moved < NOTICEABLE:
            return False
        if self.share_closer is None:
            return self.moved >= TIMES_CHANCE * (self.by_chance or 0.0)
        return self.share_closer >= RARE

    @property
    def missing_change(self) -> float | None:
        """By how much the share of missing values changed; None where a window's is not known."""
        return self.after.missing - self.before.missing if self.before and self.after else None

    @property
    def missing_stands_out(self) -> bool:
        """Whether the share of missing values changed by more than between most ordinary windows."""
        change = self.missing_change
        if change is None or abs(change) < NOTICEABLE_MISSING:
            return False
        return self.missing_share_closer is None or self.missing_share_closer >= RARE

    @property
    def weight(self) -> float:
        """What columns are ordered by: how many rows moved, and how important the column is to the model."""
        return (self.moved or 0.0) * max(self.importance or 0.0, LEAST_WEIGHT)


def columns(
    before: WindowProfile | None,
    after: WindowProfile | None,
    reference: Reference | None,
    drift: tuple[Sequence[ColumnDrift], Sequence[ColumnDrift]],
) -> tuple[ColumnCompared, ...]:
    """The columns of both profiles, counted in the reference's bins where there is one; what moved most first."""
    known = {column.name: column for column in reference.columns} if reference else {}
    rows = reference.rows if reference else ()
    was, now = ({column.name: column.drifted for column in side} for side in drift)
    found = [
        _compared(name, (before, after), known.get(name), rows, (was.get(name), now.get(name)))
        for name in dict.fromkeys([*_names(before), *_names(after)])
    ]
    return tuple(
        sorted(found, key=lambda each: (not (each.stands_out or each.missing_stands_out), -each.weight, each.name))
    )


def _names(profile: WindowProfile | None) -> list[str]:
    return [*profile.numeric, *profile.categorical] if profile else []


def _compared(
    name: str,
    profiles: tuple[WindowProfile | None, WindowProfile | None],
    reference: ColumnReference | None,
    rows: tuple[int, ...],
    drifted: tuple[bool | None, bool | None],
) -> ColumnCompared:
    before, after = (_figures(each, name) for each in profiles)
    counts = [each.counted(name) if each else None for each in profiles]
    bars = _bars(reference, *counts) if reference else ()
    sizes = [each.rows for each in counts if each is not None and each.rows]
    return ColumnCompared(
        name=name,
        importance=reference.importance if reference else None,
        before=before,
        after=after,
        bars=bars,
        moved=sum(abs(bar.after - bar.before) for bar in bars) / 2 if bars else None,
        by_chance=_by_chance(bars, sizes) if bars else None,
        share_closer=share_closer(reference, *counts) if reference and bars else None,
        missing_share_closer=share_closer_in_missing(reference, rows, before.missing, after.missing)
        if reference and before and after
        else None,
        drifted_before=drifted[0],
        drifted_after=drifted[1],
    )


def _figures(profile: WindowProfile | None, name: str) -> Figures | None:
    if profile is None or name not in {*profile.numeric, *profile.categorical}:
        return None
    if name in profile.numeric:
        return _of_numbers(profile.numeric[name])
    found = profile.categorical[name]
    rows = found.rows or 1
    return Figures(
        rows=found.rows,
        missing=found.missing / rows,
        top=tuple((value, count / rows) for value, count in list(found.top.items())[:TOP]),
        distinct=found.distinct,
    )


def _of_numbers(found: NumericProfile) -> Figures:
    missing = (found.missing + found.non_finite) / (found.rows or 1)
    if not found.moments.count:
        return Figures(found.rows, missing)
    at = dict(zip(PROBABILITIES, found.quantiles, strict=True))
    return Figures(
        rows=found.rows,
        missing=missing,
        mean=found.moments.mean,
        low=found.moments.minimum,
        low_5=at[0.05],
        median=at[0.5],
        high_95=at[0.95],
        high=found.moments.maximum,
    )


def _bars(reference: ColumnReference, before: Counts | None, after: Counts | None) -> tuple[SharedBar, ...]:
    measured = measures_of(reference, before), measures_of(reference, after)
    if measured[0] is None or measured[1] is None:
        return ()
    was, now = ({bar.label: bar for bar in each.bars} for each in measured if each)
    labels = dict.fromkeys([*was, *now])
    return tuple(
        SharedBar(
            label=label,
            reference=(was.get(label) or now[label]).reference,
            before=was[label].window if label in was else 0.0,
            after=now[label].window if label in now else 0.0,
        )
        for label in labels
    )


def _by_chance(bars: Sequence[SharedBar], sizes: Sequence[int]) -> float:
    """Half the sum of the mean absolute differences of the bars' shares, each about normal."""
    spread = sum(1 / size for size in sizes)
    together = [(bar.before + bar.after) / 2 for bar in bars]
    return sum(math.sqrt(2 / math.pi * p * (1 - p) * spread) for p in together) / 2
