"""Proposals about texts: a closed set of values, or else a pattern, or else none."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from perennial.quality.proposals.proposal import LeftAlone, Looked, Proposal, Series, of_column
from perennial.quality.proposals.seen import MOST_VALUES, ColumnSeen
from perennial.quality.proposals.shapes import merged, shape_of
from perennial.wording import counted

IN_SET = "expect_column_values_to_be_in_set"
MATCH = "expect_column_values_to_match_regex"
MOST_NEW_VALUES = 0.05  # a new value in one window of twenty is all that a set may cost
EACH_ROW = 0.9  # of a window's rows with different texts: they name single things


def texts(name: str, seen: Sequence[ColumnSeen], looked: Looked) -> Proposal | LeftAlone:
    """What the texts of a column have in common, of which the windows that may be learnt from have some."""
    learnt = [each for each in seen[: looked.derived] if each.present]
    windows_of = Counter(value for each in learnt for value in each.values)
    rows_of = Counter[str]()
    for each in learnt:
        rows_of.update(each.values)
    few = all(each.values for each in learnt)
    if few and len(windows_of) <= MOST_VALUES:
        # Among too few windows nothing recurs, so rows must tell.
        once = sum(count == 1 for count in (rows_of if looked.few else windows_of).values())
        if once <= (0 if looked.few else max(1.0, MOST_NEW_VALUES * len(learnt))):
            always = sum(count == len(learnt) for count in windows_of.values())
            words = f"{counted(len(windows_of), 'value')} {looked.in_words}, {always} of them in every one"
            series = Series("different values", tuple(float(each.different) for each in seen))
            return Proposal(of_column(IN_SET, name, value_set=sorted(windows_of)), words, (series,))
    shape = merged(shape_of(pa.array(list(each.values))) if each.values else each.shape for each in learnt)
    pattern = shape.pattern if shape is not None else None
    if pattern is None:
        return LeftAlone(name, _free_text(learnt, len(windows_of) if few else None))
    most = max(each.different for each in learnt)
    words = f"up to {most:,} different texts a window, all written alike {looked.in_words}"
    series = Series("different values", tuple(float(each.different) for each in seen))
    return Proposal(of_column(MATCH, name, regex=pattern), words, (series,), shape)


def _free_text(learnt: Sequence[ColumnSeen], values: int | None) -> str:
    most = max(each.different for each in learnt)
    if values is not None:
        return f"{counted(values, 'value')}, and windows keep bringing new ones; they are not written alike either"
    each_row = most > EACH_ROW * max(each.present for each in learnt)
    kind = "ids, names or free text" if each_row else "names or free text"
    return f"{kind}, it seems: up to {counted(most, 'different text')} a window, not written alike"
