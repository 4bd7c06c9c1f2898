"""The user's budget of false alarms: read, refused where it makes no sense, and turned into a level."""

import pytest

from perennial.errors import InvalidSpec
from perennial.spec.false_alarms import FalseAlarms, Period, windows_per_year
from perennial.window import Every


@pytest.mark.parametrize(
    ("text", "every", "level"),
    [
        ("1 per month", Every.DAY, 12 / 365.2425),
        ("2 per week", Every.DAY, 2 / 7),
        ("1 per day", Every.HOUR, 1 / 24),
        ("0.5 per year", Every.MONTH, 0.5 / 12),
        ("1 per year", Every.WEEK, 7 / 365.2425),
        ("1 per 2 years", Every.DAY, 0.5 / 365.2425),
        ("1 per 20 windows", Every.HOUR, 0.05),
    ],
)
def test_a_budget_becomes_a_level(text: str, every: Every, level: float) -> None:
    budget = FalseAlarms.parse(text)
    assert budget.level(every) == pytest.approx(level)
    assert str(budget) == text
    assert FalseAlarms.parse(str(budget)) == budget


@pytest.mark.parametrize(
    "text",
    [
        "",
        "often",
        "-1 per month",
        "0 per month",
        "1 per fortnight",
        "one per year",
        "1 per 0 days",
        "1 per 2 day",
        "1 per days",
    ],
)
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec, match="such as '1 per month'"):
        FalseAlarms.parse(text)


@pytest.mark.parametrize(("text", "every"), [("1 per day", Every.DAY), ("1 per week", Every.MONTH)])
def test_more_alarms_than_windows_are_refused(text: str, every: Every) -> None:
    with pytest.raises(InvalidSpec, match="Accept fewer false alarms"):
        FalseAlarms.parse(text).level(every)


def test_years_and_windows() -> None:
    assert FalseAlarms(1, Period.MONTH).per_year(Every.DAY) == pytest.approx(12)
    assert FalseAlarms(1, Period.WINDOW, 20).per_year(Every.WEEK) == pytest.approx(52.18 / 20, rel=1e-3)
    assert [windows_per_year(each) for each in (Every.HOUR, Every.DAY, Every.WEEK, Every.MONTH)] == [8766, 365, 52, 12]
    assert windows_per_year(Every.SIX_HOURS) == 4 * 365 + 1
