"""Data intervals are windows: Airflow's calendar and ours agree, also where clocks change."""

from datetime import UTC, date, datetime, timedelta

import pendulum
import pytest
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import DataInterval, TimeRestriction

from perennial.spec.models import Schedule
from perennial.window import Every
from perennial_airflow.schedule import timetable

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo")
HALF_HOURS = ("Asia/Kolkata", "Australia/Lord_Howe")
FIRST = date(2013, 7, 1)  # a Monday, and the first of a month
INTERVALS = {Every.HOUR: 24 * 10, Every.DAY: 365, Every.WEEK: 53, Every.MONTH: 14}


CASES = [(every, zone) for every in Every for zone in ZONES if every is not Every.HOUR or zone not in HALF_HOURS]


@pytest.mark.parametrize(("every", "zone"), CASES)
def test_intervals_are_the_windows_of_the_grid(every: Every, zone: str) -> None:
    schedule = Schedule(every=every, timezone=zone, start=FIRST)
    core = coerce_to_core_timetable(timetable(schedule))
    at = schedule.grid.containing(datetime(2013, 3, 4, 12, tzinfo=UTC)).start
    restriction = TimeRestriction(earliest=pendulum.instance(at), latest=None, catchup=True)
    last: DataInterval | None = None
    windows = []
    for _ in range(INTERVALS[every]):
        info = core.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        assert info is not None
        last = info.data_interval
        assert last is not None
        windows.append((last.start.astimezone(UTC), last.end.astimezone(UTC)))
    assert windows[0][0] == at
    expected = [(w.start, w.end) for w in schedule.grid.between(at, windows[-1][1])]
    assert windows == expected


def test_a_day_on_which_clocks_change_is_one_window() -> None:
    schedule = Schedule(every=Every.DAY, timezone="America/New_York", start=date(2013, 1, 1))
    at = pendulum.datetime(2013, 3, 10, 5)
    core = coerce_to_core_timetable(timetable(schedule))
    info = core.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(earliest=at, latest=None, catchup=True)
    )
    assert info is not None
    assert info.data_interval is not None
    assert info.data_interval.end - info.data_interval.start == timedelta(hours=23)
