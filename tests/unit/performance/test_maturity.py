from datetime import UTC, datetime, timedelta

import pytest

from perennial.performance.maturity import Maturity, maturity_of

END = datetime(2013, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("after", "completeness", "expected"),
    [
        (timedelta(0), 0.0, Maturity.ESTIMATED),
        (timedelta(0), 0.001, Maturity.PARTIAL),
        (DAY - timedelta(microseconds=1), 1.0, Maturity.PARTIAL),
        (DAY, 0.97, Maturity.FINAL),
        (DAY, 0.0, Maturity.FINAL),
        (30 * DAY, 0.5, Maturity.FINAL),
    ],
)
def test_maturity(after: timedelta, completeness: float, expected: Maturity) -> None:
    assert maturity_of(END, END + after, DAY, completeness) is expected
