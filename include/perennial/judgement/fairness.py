"""Whether a challenger's decisions treat groups more differently than the champion's do.

A group is compared with all other rows in four rates (the names are those of fairlearn, against which the values are
tested): how many are decided for (demographic parity), how many of those whose outcome came and of those whose did not
(equalised odds: Hardt, Price and Srebro, 2016, Equality of Opportunity in Supervised Learning, NIPS 29), and how many
decisions are wrong. Which of them ought to be equal is a question to the use case; they can't all be at once where
outcomes differ between groups (Chouldechova, 2017, Big Data 5).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
from scipy import stats

from perennial.arrays import Bools, Floats
from perennial.grouping import numbered_texts
from perennial.judgement.comparison import CONFIDENCE, Comparison, comparison_of
from perennial.judgement.multiplicity import holm
from perennial.judgement.resampling import RESAMPLES, resamples
from perennial.judgement.rows import Scored, Unit, Units, units_of
from perennial.judgement.slices import LEVEL, MIN_ROWS, MISSING, OTHER
from perennial.performance.interval import Interval
from perennial.wording import counted

MIN_OF_OUTCOME = 30  # rows of a group whose outcome came, or did not, for a rate among them
MOST_GROUPS = 20  # of a column; those with the fewest rows are one group
TWO = 2


class Rate(StrEnum):
    """What is compared between groups."""

    SELECTION = "selection rate"
    TRUE_POSITIVE = "true positive rate"
    FALSE_POSITIVE = "false positive rate"
    ERROR = "error rate"


class FairnessStanding(StrEnum):
    """What is known about a difference. `measured` is one that there is no champion's to compare with."""

    WIDER = "wider"
    NOT_WIDER = "not wider"
    UNCLEAR = "unclear"
    MEASURED = "measured"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class GroupRate:
    """A rate of a group and of the others, both as shares, and the group's less the others' with its interval."""

    group: float
    others: float
    difference: Interval


@dataclass(frozen=True)
class FairnessJudgement:
    """One rate of one group. `rows` are those of the group that the rate is about.

    `wider` compares the sizes of both models' differences, whatever their signs: its gain is negative where the
    challenger's is the larger. `p_value` is adjusted for all differences; intervals are this difference's own.
    """

    column: str
    value: str
    rate: Rate
    rows: int
    standing: FairnessStanding
    margin: float
    challenger: GroupRate | None
    champion: GroupRate | None
    wider: Comparison | None
    p_value: float | None
    reason: str

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.rate} of {self.column} {self.value}"


@dataclass(frozen=True)
class FairnessJudged:
    """All differences, by column, group and rate, and what to tell of them."""

    differences: tuple[FairnessJudgement, ...]
    reasons: tuple[str, ...]

    def of(self, standing: FairnessStanding) -> tuple[FairnessJudgement, ...]:
        """Those of that standing."""
        return tuple(each for each in self.differences if each.standing is standing)

    @property
    def refused(self) -> bool:
        """Whether any difference is wider than the champion's by more than the margin."""
        return bool(self.of(FairnessStanding.WIDER))


@dataclass(frozen=True)
class _Found:
    column: str
    value: str
    rate: Rate
    rows: int
    lacking: str = ""
    challenger: GroupRate | None = None
    champion: GroupRate | None = None
    wider: Comparison | None = None


def judge_fairness(
    scored: Scored,
    columns: Mapping[str, Sequence[object] | pa.ChunkedArray],
    margin: float,
    *,
    against_champion: bool = True,
    challenger: str = "the challenger",
    champion: str = "the champion",
) -> FairnessJudged:
    """Each value of each of `columns` as a group. `scored` has decisions, 0 or 1, in the place of predictions.

    A difference is `wider` when its size surely exceeds that of the champion's by more than `margin`: one-sided
    p-values from a bootstrap of windows, adjusted for all rates of all groups by Holm's method, so that a challenger
    that is no less fair is refused with a chance of at most `LEVEL`. It is `not wider` when its own 95% interval says
    so. Of two groups one is the other's mirror, so the smaller alone is judged. Groups of fewer than `MIN_ROWS` rows,
    rates of fewer than `MIN_OF_OUTCOME`, and those of too few windows where the whole is judged by windows, are named
    as not judged. Without a champion, differences are measured, and refuse nobody.
    """
    unit = scored.units().unit
    found = [each for column, values in columns.items() for each in _of_column(scored, column, values, unit)]
    tested = [(each, each.wider.p_below(-margin)) for each in found if each.wider] if against_champion else []
    adjusted = dict(zip((id(each) for each, _ in tested), holm([p for _, p in tested]), strict=True))
    names = challenger, champion
    judged = tuple(_judged(each, adjusted.get(id(each)), margin, against_champion, names) for each in found)
    return FairnessJudged(judged, _reasons(judged, against_champion))


def _of_column(scored: Scored, column: str, values: Sequence[object] | pa.ChunkedArray, unit: Unit) -> list[_Found]:
    names, of_row = numbered_texts(values, MISSING)
    counts = np.bincount(of_row, minlength=len(names))
    order = [int(each) for each in np.argsort(-counts, kind="stable")]
    groups = [(str(names[index]), of_row == index) for index in order[:MOST_GROUPS]]
    if order[MOST_GROUPS:]:
        groups.append((OTHER, np.isin(of_row, order[MOST_GROUPS:])))
    if len(groups) == TWO:
        groups = groups[1:]
    if len(names) == 1:
        lacking = f"{column} has one value alone in these rows, so there is nobody to compare it with"
        return [_Found(column, name, rate, int(inside.sum()), lacking) for name, inside in groups for rate in Rate]
    return [_compared(scored, column, name, rate, inside, unit) for name, inside in groups for rate in Rate]


def _compared(scored: Scored, column: str, name: str, rate: Rate, inside: Bools, unit: Unit) -> _Found:
    counting = _counting(scored.truth, rate)
    group, others = inside & counting, ~inside & counting
    rows = int(group.sum())
    least = MIN_OF_OUTCOME if rate in (Rate.TRUE_POSITIVE, Rate.FALSE_POSITIVE) else MIN_ROWS
    if int(inside.sum()) < MIN_ROWS or min(rows, int(others.sum())) < least:
        needed = f"{MIN_ROWS:,} rows of the group, and {least:,} that this rate is about, of it and of the others"
        return _Found(column, name, rate, rows, f"{counted(rows, 'row')} of it; it takes {needed}")
    units = units_of(scored.windows, [group, others], scored.group)
    if unit is not Unit.ROW and units.unit is Unit.ROW:
        return _Found(column, name, rate, rows, f"most of its rows are of too few {scored.group}s ({units.windows})")
    return _measured(scored, _Found(column, name, rate, rows), group, others, units)


def _counting(truth: Floats, rate: Rate) -> Bools:
    """The rows that the rate is about."""
    if rate is Rate.TRUE_POSITIVE:
        return np.asarray(truth == 1)
    if rate is Rate.FALSE_POSITIVE:
        return np.asarray(truth == 0)
    return np.ones(len(truth), dtype=np.bool_)


def _measured(scored: Scored, found: _Found, group: Bools, others: Bools, units: Units) -> _Found:
    of_models = [
        (each != scored.truth).astype(np.float64) if found.rate is Rate.ERROR else each
        for each in (scored.champion, scored.challenger)
    ]
    parts = [part.astype(np.float64) for part in (group, others)]
    table = np.column_stack([column for part in parts for column in (part, *(part * each for each in of_models))])
    sums = units.sums(table)
    rates = _rates(sums.sum(axis=0, keepdims=True))[0]
    resampled = np.concatenate([_rates(counts @ sums) for counts in resamples(units)])
    resampled = resampled[np.isfinite(resampled).all(axis=1)]
    if len(resampled) < RESAMPLES / 2:
        lacking = f"its rows are of too few {scored.group}s to see how much the rate varies"
        return _Found(found.column, found.value, found.rate, found.rows, lacking)
    made = [_group_rate(rates, resampled, model, units) for model in (0, 1)]
    sizes = np.abs(resampled[:, 0:2] - resampled[:, 2:4])
    champion, challenger = (abs(each.difference.value) for each in made)
    wider = comparison_of(
        f"difference in {found.rate}",
        (champion, challenger),
        champion - challenger,
        _scatter(sizes[:, 1] - sizes[:, 0], units),
        units,
        found.rows,
        f"paired bootstrap of {units.unit}s",
    )
    return _Found(found.column, found.value, found.rate, found.rows, "", made[1], made[0], wider)


def _rates(sums: Floats) -> Floats:
    """Of the group and of the others, for champion and challenger: shape (resamples, 4)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack([sums[:, 1:3] / sums[:, :1], sums[:, 4:6] / sums[:, 3:4]])


def _group_rate(rates: Floats, resampled: Floats, model: int, units: Units) -> GroupRate:
    group, others = float(rates[model]), float(rates[2 + model])
    error = _scatter(resampled[:, model] - resampled[:, 2 + model], units)
    reach = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, units.degrees_of_freedom))
    value = group - others
    return GroupRate(group, others, Interval(value, max(-1.0, value - reach), min(1.0, value + reach), error))


def _scatter(values: Floats, units: Units) -> float:
    return float(np.std(values, ddof=1)) * math.sqrt(units.count / (units.count - 1))


def _judged(
    found: _Found, adjusted: float | None, margin: float, against_champion: bool, names: tuple[str, str]
) -> FairnessJudgement:
    standing, told = _standing(found, adjusted, margin, against_champion)
    if found.challenger is None or found.champion is None:
        reason = f"The {found.rate} of {found.column} {found.value} was not judged: {told}."
    else:
        both = ((names[0], found.challenger), (names[1], found.champion))
        rates = "; ".join(_rate_text(name, each) for name, each in both[: 2 if against_champion else 1])
        rows = counted(found.rows, "row")
        reason = f"The {found.rate} of {found.column} {found.value} ({rows}) against the others: {rates}: {told}."
    return FairnessJudgement(
        column=found.column,
        value=found.value,
        rate=found.rate,
        rows=found.rows,
        standing=standing,
        margin=margin,
        challenger=found.challenger,
        champion=found.champion if against_champion else None,
        wider=found.wider if against_champion else None,
        p_value=adjusted,
        reason=reason,
    )


def _standing(
    found: _Found, adjusted: float | None, margin: float, against_champion: bool
) -> tuple[FairnessStanding, str]:
    """The standing, and how the sentence ends."""
    if found.wider is None:
        return FairnessStanding.NOT_JUDGED, found.lacking
    if not against_champion or adjusted is None:
        return FairnessStanding.MEASURED, "there is no champion to compare with, so it decides nothing"
    points = f"the margin of {_points(margin)}"
    if adjusted <= LEVEL:
        told = f"wider by {_points(-found.wider.gain)}, more than {points} beyond chance"
        return FairnessStanding.WIDER, f"{told} (p = {adjusted:.2g} for all differences)"
    if found.wider.low > -margin:
        return FairnessStanding.NOT_WIDER, f"not wider by {points}"
    return FairnessStanding.UNCLEAR, f"wider by more than {points} is not shown, nor ruled out"


def _rate_text(name: str, found: GroupRate) -> str:
    difference = found.difference
    value, low, high = (f"{100 * each:+.1f}" for each in (difference.value, difference.low, difference.high))
    rates = f"{100 * found.group:.1f}% against {100 * found.others:.1f}%"
    return f"{name} {rates} ({value} points, 95% interval: {low} to {high})"


def _points(share: float) -> str:
    return f"{100 * share:.3g} points"


def _reasons(judged: Sequence[FairnessJudgement], against_champion: bool) -> tuple[str, ...]:
    """The differences that are wider, each with its numbers, and one sentence that counts all."""
    by = {standing: [each for each in judged if each.standing is standing] for standing in FairnessStanding}
    skipped = by[FairnessStanding.NOT_JUDGED]
    known = len(judged) - len(skipped)
    if against_champion:
        counts = (
            f"Of {counted(known, 'difference')} between groups, {len(by[FairnessStanding.WIDER])} wider than the "
            f"champion's by more than the margin, {len(by[FairnessStanding.NOT_WIDER])} surely not, "
            f"{len(by[FairnessStanding.UNCLEAR])} unclear."
        )
    else:
        counts = (
            f"{counted(known, 'difference')} between groups {'was' if known == 1 else 'were'} measured; without a "
            "champion to compare with they decide nothing."
        )
    names = ", ".join(f"{each.name} ({counted(each.rows, 'row')})" for each in skipped)
    return (
        *(each.reason for each in by[FairnessStanding.WIDER]),
        counts,
        *([f"Differences not judged, because there are too few rows or windows: {names}."] if skipped else []),
    )
