"""A reference of the same season only."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from perennial.drift.assess import assess
from perennial.drift.reference import Reference, fit_reference
from perennial.drift.seasonal import of_season
from perennial.spec.columns import Kind
from perennial.spec.monitoring import Season
from perennial.verdict import Verdict
from perennial.window import Window

FIRST = datetime(2011, 1, 3, tzinfo=UTC)  # a Monday
ROWS = 120


def day(number: int) -> Window:
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def rows(number: int, level: float) -> pa.Table:
    random = np.random.default_rng(number)
    return pa.table({"load": random.normal(level, 1.0, ROWS), "kind": random.choice(["a", "b"], ROWS)})


def weekly(number: int) -> float:
    """Sundays are different."""
    return 6.0 if number % 7 == 6 else 0.0


def yearly(number: int) -> float:
    return 8.0 * np.sin(2 * np.pi * number / 365.2425)


@pytest.fixture(scope="module")
def by_week() -> Reference:
    kinds = {"load": Kind.NUMERIC, "kind": Kind.CATEGORICAL}
    return fit_reference([(day(i).key, rows(i, weekly(i))) for i in range(7 * 24)], kinds, {})


def test_a_working_day_that_looks_like_a_sunday_is_noticed_on_its_weekday_only(by_week: Reference) -> None:
    tuesday = 7 * 24 + 1
    strange = rows(tuesday, 6.0)
    assert assess(by_week, strange, 0.05).verdict is Verdict.PASS
    own = of_season(by_week, day(tuesday), Season.WEEKDAY, "UTC")
    assert {Window.parse(name).start.weekday() for name in own.windows} == {1}
    assert assess(own, strange, 0.05).verdict is Verdict.FAIL
    assert assess(own, rows(tuesday, 0.0), 0.05).verdict is Verdict.PASS


def test_weekdays_are_those_of_the_time_zone(by_week: Reference) -> None:
    own = of_season(by_week, day(1), Season.WEEKDAY, "America/New_York")
    # A UTC Tuesday begins on Monday evening in New York.
    assert {Window.parse(name).start.weekday() for name in own.windows} == {1}
    assert own.windows == of_season(by_week, day(8), Season.WEEKDAY, "America/New_York").windows


def test_the_same_season_is_thirty_days_around_the_day_in_earlier_years() -> None:
    reference = fit_reference([(day(i).key, rows(i, yearly(i))) for i in range(0, 760, 2)], {"load": Kind.NUMERIC}, {})
    spring = 365 + 365 + 91
    own = of_season(reference, day(spring), Season.YEAR, "UTC")
    starts = [Window.parse(name).start for name in own.windows]
    assert {start.year for start in starts} == {2011, 2012}
    assert {start.month for start in starts} <= {3, 4, 5}
    assert len(starts) == pytest.approx(2 * 30, abs=3)
    assert assess(own, rows(spring, yearly(spring)), 0.05).verdict is Verdict.PASS
    assert assess(own, rows(spring, yearly(spring) - 5), 0.05).verdict is Verdict.FAIL


def test_without_an_earlier_year_there_is_nothing_to_compare_with(by_week: Reference) -> None:
    own = of_season(by_week, day(7 * 24), Season.YEAR, "UTC")
    assert own.windows == ()
    found = assess(own, rows(1, 0.0), 0.05)
    assert found.verdict is Verdict.INSUFFICIENT
    assert "has 0 windows" in found.reasons[0]


def test_false_alarms_keep_their_rate_within_a_season() -> None:
    random, alarms, trials = np.random.default_rng(1), 0, 0
    kinds = {"load": Kind.NUMERIC}
    for trial in range(12):
        order = [int(i) for i in random.permutation(28)]
        mondays = {number: rows(1000 * trial + number, 0.0) for number in order}
        reference = fit_reference([(day(7 * i).key, mondays[i]) for i in sorted(order[:19])], kinds, {})
        # 19 windows allow level 0.05, but are fewer than are asked for: the verdict says so instead of guessing.
        own = of_season(reference, day(7 * 40), Season.WEEKDAY, "UTC")
        assert assess(own, mondays[order[19]], 0.05).verdict is Verdict.INSUFFICIENT
        larger = fit_reference([(day(7 * i).key, mondays[i]) for i in sorted(order[:21])], kinds, {})
        own = of_season(larger, day(7 * 40), Season.WEEKDAY, "UTC")
        for number in order[21:]:
            trials += 1
            alarms += assess(own, mondays[number], 0.05).verdict is Verdict.FAIL
    assert alarms / trials <= 0.05 + 3 * (0.05 * 0.95 / trials) ** 0.5
