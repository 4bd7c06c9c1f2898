"""What proposed expectations would have said of past windows, told from what those were like.

Rows are not needed for it: what is proposed is about counts, extremes, values and shapes. Tests compare each answer
with Great Expectations', and whole suites with what `perennial.quality.validate` says of each window.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from perennial.quality.proposals.missing import NOT_NULL
from perennial.quality.proposals.numbers import BETWEEN, ROW_COUNT
from perennial.quality.proposals.proposal import Proposal
from perennial.quality.proposals.seen import ColumnSeen, WindowSeen
from perennial.quality.proposals.texts import IN_SET, MATCH

Arguments = Mapping[str, Any]


def unmet(proposal: Proposal, window: WindowSeen) -> bool:
    """Whether the window does not meet what is proposed."""
    expectation = proposal.expectation
    if expectation.type == ROW_COUNT:
        return _outside(window.rows, window.rows, expectation.kwargs)
    column = window.columns[expectation.kwargs["column"]]
    return UNMET[expectation.type](column, expectation.kwargs, proposal)


def _outside(low: float, high: float, bounds: Arguments) -> bool:
    least, most = bounds.get("min_value"), bounds.get("max_value")
    return (least is not None and low < least) or (most is not None and high > most)


def _not_between(column: ColumnSeen, bounds: Arguments, _: Proposal) -> bool:
    return column.low is not None and column.high is not None and _outside(column.low, column.high, bounds)


def _missing(column: ColumnSeen, arguments: Arguments, _: Proposal) -> bool:
    mostly = arguments.get("mostly")
    return column.missing > 0 if mostly is None else column.present / (column.present + column.missing) < mostly


def _not_in_set(column: ColumnSeen, arguments: Arguments, _: Proposal) -> bool:
    # Without values there are more of them than a set has, or one that is longer than any in it.
    return column.present > 0 and (not column.values or not column.values.keys() <= set(arguments["value_set"]))


def _no_match(column: ColumnSeen, arguments: Arguments, proposal: Proposal) -> bool:
    if column.values:
        return not all(re.search(arguments["regex"], value) for value in column.values)
    return column.present > 0 and proposal.shape is not None and not proposal.shape.takes_in(column.shape)


UNMET: dict[str, Callable[[ColumnSeen, Arguments, Proposal], bool]] = {
    BETWEEN: _not_between,
    IN_SET: _not_in_set,
    MATCH: _no_match,
    NOT_NULL: _missing,
}
