"""Whether a challenger is worse for some: each value of the slice columns by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from perennial.errors import NotEnoughData
from perennial.grouping import Numbers, numbered_texts
from perennial.judgement.compare import compare, what_is_lacking
from perennial.judgement.comparison import Comparison
from perennial.judgement.multiplicity import holm
from perennial.judgement.rows import Scored, Unit
from perennial.judgement.wording import facts_text
from perennial.performance.gain import METRIC_TITLES
from perennial.wording import counted

LEVEL = 0.05
MIN_ROWS = 100
MIN_OF_CLASS = 10
MOST_SLICES = 50  # of a column; those with the fewest rows are judged together
OTHER = "(other)"
MISSING = "(missing)"


class SliceStanding(StrEnum):
    """What is known about a slice. `unclear` is neither shown to be worse nor shown not to be."""

    WORSE = "worse"
    NOT_WORSE = "not worse"
    UNCLEAR = "unclear"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class SliceJudgement:
    """One slice. `p_value` is adjusted for the number of slices; it and `comparison` are None where not judged.

    The comparison's interval is this slice's own, not widened for the others. `reason` is a sentence.
    """

    column: str
    value: str
    rows: int
    standing: SliceStanding
    margin: float
    comparison: Comparison | None
    p_value: float | None
    reason: str

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.column} {self.value}"


@dataclass(frozen=True)
class SlicesJudged:
    """All slices, by column and then by rows, and what to tell of them."""

    slices: tuple[SliceJudgement, ...]
    reasons: tuple[str, ...]

    def of(self, standing: SliceStanding) -> tuple[SliceJudgement, ...]:
        """Those of that standing."""
        return tuple(each for each in self.slices if each.standing is standing)

    @property
    def refused(self) -> bool:
        """Whether any slice is worse beyond its margin."""
        return bool(self.of(SliceStanding.WORSE))


@dataclass(frozen=True)
class _Slice:
    column: str
    value: str
    rows: int
    margin: float
    lacking: str
    comparison: Comparison | None


def judge_slices(
    metric: str,
    scored: Scored,
    columns: Mapping[str, Sequence[object] | pa.ChunkedArray],
    margins: Mapping[str, float],
    challenger: str = "the challenger",
    champion: str = "the champion",
    how: Callable[[str, Scored], Comparison] = compare,
) -> SlicesJudged:
    """Each value of each of `columns` as a slice of the rows, with its margin, the loss that would not matter.

    A slice is `worse` when its gain surely lies below -margin: one-sided p-values, adjusted for all slices of all
    columns by Holm's method, so that a challenger that is no worse anywhere is refused with a chance of at most
    `LEVEL`. It is `not worse` when its own 95% interval lies above -margin.

    Rows without a value are a slice of their own. Values with fewer than `MIN_ROWS` rows, with too few of either
    class, or with too few windows where the whole is judged by windows, are named as not judged, and are judged
    together as `(other)`. So are all but the `MOST_SLICES` values with the most rows, which are counted and not named.
    Errors: `KeyError` for a column without a margin.
    """
    unit = scored.units().unit
    found: list[_Slice] = []
    crowded: list[str] = []
    for column, values in columns.items():
        names, of_row = numbered_texts(values, MISSING)
        found += _of_column(metric, scored, column, names, of_row, margins[column], unit, how)
        if len(names) > MOST_SLICES:
            told = f"the {MOST_SLICES} with the most rows are judged one by one, all others together"
            crowded.append(f"{column} has {len(names):,} values: {told}.")
    tested = [(each, each.comparison.p_below(-each.margin)) for each in found if each.comparison]
    adjusted = dict(zip((id(each) for each, _ in tested), holm([p for _, p in tested]), strict=True))
    slices = tuple(_judged(each, adjusted.get(id(each)), challenger, champion) for each in found)
    return SlicesJudged(slices, (*_reasons(slices, METRIC_TITLES[metric]), *crowded))


def _of_column(
    metric: str,
    scored: Scored,
    column: str,
    names: npt.NDArray[np.str_],
    of_row: Numbers,
    margin: float,
    unit: Unit,
    how: Callable[[str, Scored], Comparison],
) -> list[_Slice]:
    order = np.argsort(-np.bincount(of_row, minlength=len(names)), kind="stable").tolist()
    found: list[_Slice] = []
    left: list[int] = order[MOST_SLICES:]
    for index in order[:MOST_SLICES]:
        part = scored.where(of_row == index)
        lacking, comparison = _compared(metric, part, unit, how)
        if comparison is None:
            left.append(index)
        found.append(_Slice(column, str(names[index]), len(part), margin, lacking, comparison))
    if len(left) > 1:
        part = scored.where(np.isin(of_row, left))
        lacking, comparison = _compared(metric, part, unit, how)
        found.append(_Slice(column, OTHER, len(part), margin, lacking, comparison))
    return found


def _compared(
    metric: str, part: Scored, unit: Unit, how: Callable[[str, Scored], Comparison]
) -> tuple[str, Comparison | None]:
    """The slice's comparison; or why there is none."""
    lacking = what_is_lacking(metric, part, MIN_ROWS, MIN_OF_CLASS)
    if lacking:
        return lacking, None
    try:
        comparison = how(metric, part)
    except NotEnoughData as error:
        return str(error), None
    if unit is not Unit.ROW and comparison.unit is Unit.ROW:
        return f"most of its rows are of too few {comparison.group}s ({comparison.windows})", None
    return "", comparison


def _judged(each: _Slice, adjusted: float | None, challenger: str, champion: str) -> SliceJudgement:
    name = f"{each.column} {each.value}"
    if each.comparison is None or adjusted is None:
        reason = f"{name} was not judged: {each.lacking}."
        return SliceJudgement(
            each.column, each.value, each.rows, SliceStanding.NOT_JUDGED, each.margin, None, None, reason
        )
    if adjusted <= LEVEL:
        standing = SliceStanding.WORSE
        told = f"worse by more than the margin of {each.margin:g}, beyond chance (p = {adjusted:.2g} for all slices)"
    elif each.comparison.low > -each.margin:
        standing, told = SliceStanding.NOT_WORSE, f"not worse by the margin of {each.margin:g}"
    else:
        standing, told = (
            SliceStanding.UNCLEAR,
            f"a loss beyond the margin of {each.margin:g} is not shown, nor ruled out",
        )
    reason = f"{name}: {facts_text(each.comparison, challenger, champion)}: {told}."
    return SliceJudgement(each.column, each.value, each.rows, standing, each.margin, each.comparison, adjusted, reason)


def _reasons(slices: Sequence[SliceJudgement], title: str) -> tuple[str, ...]:
    """The slices that are worse, each with its numbers, and one sentence that counts all."""
    by = {standing: [each for each in slices if each.standing is standing] for standing in SliceStanding}
    judged = len(slices) - len(by[SliceStanding.NOT_JUDGED])
    if not slices:
        return ()
    counts = (
        f"Of {counted(judged, 'slice')} judged by {title}, {len(by[SliceStanding.WORSE])} worse beyond their margin, "
        f"{len(by[SliceStanding.NOT_WORSE])} surely not, {len(by[SliceStanding.UNCLEAR])} unclear."
    )
    skipped = by[SliceStanding.NOT_JUDGED]
    names = ", ".join(f"{each.name} ({counted(each.rows, 'row')})" for each in skipped)
    return (
        *(each.reason for each in by[SliceStanding.WORSE]),
        counts,
        *([f"Not judged, because there are too few rows, outcomes or windows: {names}."] if skipped else []),
    )
