"""One difference between two things, and the order in which a person wants to hear of several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from perennial.wording import counted


class Rank(StrEnum):
    """What a difference is about; the first matter most. `ORDINARY` is no more than between many ordinary windows."""

    OUTCOME = "outcome"
    COLUMNS = "columns"
    DRIFT = "drift"
    PERFORMANCE = "performance"
    VALUES = "values"
    CHECKS = "checks"
    ROWS = "rows"
    MADE_OF = "made_of"
    DECISION = "decision"
    ORDINARY = "ordinary"


@dataclass(frozen=True)
class Difference:
    """Something that is different, in one sentence. Among those of one rank, the larger `size` comes first.

    `section` is the part of the page that has the details.
    """

    rank: Rank
    said: str
    section: str
    size: float = 0.0


def ranked(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """The differences, the most important first."""
    order = list(Rank)
    return tuple(sorted(found, key=lambda each: (order.index(each.rank), -each.size, each.said)))


def sentence(differences: Sequence[Difference], nothing: str) -> str:
    """The most important difference, and how many more there are.

    `nothing` is what to say when there is none, or before the greatest of those that are not out of the ordinary.

    >>> sentence([Difference(Rank.ROWS, "B has twice the rows of A.", "rows")], "They are alike.")
    'B has twice the rows of A.'
    >>> sentence([Difference(Rank.ORDINARY, "temp moved.", "columns")], "They are alike.")
    'They are alike. Most of all: temp moved.'
    """
    if not differences:
        return nothing
    if differences[0].rank is Rank.ORDINARY:
        return f"{nothing} Most of all: {differences[0].said}"
    more = sum(each.rank is not Rank.ORDINARY for each in differences) - 1
    return f"{differences[0].said} {counted(more, 'more difference')} below." if more else differences[0].said
