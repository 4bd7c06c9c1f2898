"""Proposals about missing values."""

import math
from collections.abc import Iterator, Sequence

from perennial.quality.proposals.bounds import Bound, upper
from perennial.quality.proposals.proposal import LeftAlone, Looked, Proposal, Series, of_column
from perennial.quality.proposals.seen import ColumnSeen
from perennial.spec.columns import Column
from perennial.wording import counted, percent

NOT_NULL = "expect_column_values_to_not_be_null"
FEWEST_PRESENT = 0.05  # a column that may be missing in nineteen of twenty rows has no bound worth the name


def missing(name: str, column: Column, seen: Sequence[ColumnSeen], looked: Looked) -> Iterator[Proposal | LeftAlone]:
    """That no value is missing, where none ever was; otherwise how many may be."""
    if not column.nullable:  # the rule `required` sets such rows aside in any case
        return
    shares = [each.missing / (each.missing + each.present) for each in seen]
    learnt = shares[: looked.derived]
    series = (Series("share missing", tuple(shares)),)
    if max(shares) == 0:
        yield Proposal(of_column(NOT_NULL, name), f"no value missing in any of {counted(len(seen), 'window')}", series)
        return
    if max(learnt) == 0:
        why = (
            f"values are missing only since the windows that were held out, up to {percent(max(shares))}: no bound yet"
        )
        yield LeftAlone(name, why)
        return
    bound = (
        Bound(2 * max(learnt), "twice as many") if looked.few else upper(learnt, looked.learnt_seasons, factors=False)
    )
    mostly = math.floor(100 * (1 - bound.value)) / 100
    if mostly < FEWEST_PRESENT:
        yield LeftAlone(
            name, f"{percent(min(learnt))} to {percent(max(learnt))} of values missing: no bound would say anything"
        )
        return
    span = " to ".join(dict.fromkeys((percent(min(learnt)), percent(max(learnt)))))
    words = f"{span} of values missing {looked.in_words}; {bound.how}"
    yield Proposal(of_column(NOT_NULL, name, mostly=mostly), words, series)
