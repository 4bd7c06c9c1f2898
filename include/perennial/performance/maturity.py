"""How much of a window's truth is known."""

import math
from datetime import timedelta
from enum import StrEnum

# Labels of a window that has this share of what is usual, or more, are not called far too few: windows differ.
FAR_FEWER = 0.75
Z = 3.0  # and chance alone must not explain it


class Maturity(StrEnum):
    """How much of a window's truth is known.

    `overdue`: the labels should be complete by now, but far fewer came than usual. `given_up`: they were overdue for
    so long that they are no longer asked for. Only `final` figures are the truth.
    """

    ESTIMATED = "estimated"
    PARTIAL = "partial"
    OVERDUE = "overdue"
    FINAL = "final"
    GIVEN_UP = "given_up"


def maturity_of(
    age: timedelta,
    *,
    mature_after: timedelta,
    give_up_after: timedelta,
    settled: int,
    rows: int,
    usual_share: float | None,
) -> Maturity:
    """The maturity of a window that ended `age` ago; the labels of `settled` of its `rows` are decided.

    Before `mature_after` it is `partial`, or `estimated` while no label has arrived; even a complete window may still
    be corrected. Later it is `final`, unless `far_too_few` labels came: then it is `overdue`, and `given_up` when that
    has lasted for `give_up_after`. `usual_share` is the share of rows that are settled in windows that are final.
    """
    if age < mature_after:
        return Maturity.PARTIAL if settled else Maturity.ESTIMATED
    if not far_too_few(settled, rows, usual_share):
        return Maturity.FINAL
    return Maturity.OVERDUE if age < mature_after + give_up_after else Maturity.GIVEN_UP


def far_too_few(settled: int, rows: int, usual_share: float | None) -> bool:
    """Whether labels must be missing: none came, or fewer than three quarters of the usual, and not by chance.

    Chance is three standard deviations of a binomial count. Without a `usual_share` only no label at all is too few.
    """
    if settled == 0:
        return rows > 0
    if usual_share is None:
        return False
    expected = usual_share * rows
    chance = Z * math.sqrt(expected * (1 - usual_share))
    return settled < min(FAR_FEWER * expected, expected - chance)
