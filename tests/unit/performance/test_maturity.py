"""When a window's truth counts as known."""

from datetime import timedelta

import pytest

from perennial.performance.maturity import Maturity, far_too_few, maturity_of

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("age", "labelled", "usual_share", "expected"),
    [
        (timedelta(0), 0, None, Maturity.ESTIMATED),
        (timedelta(0), 1, None, Maturity.PARTIAL),
        (DAY - timedelta(microseconds=1), 100, None, Maturity.PARTIAL),
        (DAY, 97, None, Maturity.FINAL),
        (DAY, 1, None, Maturity.FINAL),
        (DAY, 0, None, Maturity.OVERDUE),
        (DAY, 0, 0.01, Maturity.OVERDUE),
        (DAY, 97, 0.98, Maturity.FINAL),
        (DAY, 60, 0.98, Maturity.OVERDUE),
        (30 * DAY, 60, 0.98, Maturity.OVERDUE),
        (31 * DAY - timedelta(microseconds=1), 0, None, Maturity.OVERDUE),
        (31 * DAY, 0, None, Maturity.GIVEN_UP),
        (31 * DAY, 97, 0.98, Maturity.FINAL),
    ],
)
def test_maturity(age: timedelta, labelled: int, usual_share: float | None, expected: Maturity) -> None:
    found = maturity_of(
        age, mature_after=DAY, give_up_after=30 * DAY, settled=labelled, rows=100, usual_share=usual_share
    )
    assert found is expected


def test_a_window_without_rows_waits_for_nothing() -> None:
    assert not far_too_few(0, 0, 0.98)


@pytest.mark.parametrize(
    ("labelled", "rows", "usual_share", "expected"),
    [
        (1, 10, 0.3, False),  # three were to be expected, and one is no surprise
        (100, 1000, 0.3, True),
        (750, 1000, 1.0, False),  # three quarters are not far fewer
        (749, 1000, 1.0, True),
    ],
)
def test_far_too_few_is_more_than_chance(labelled: int, rows: int, usual_share: float, expected: bool) -> None:
    assert far_too_few(labelled, rows, usual_share) is expected
