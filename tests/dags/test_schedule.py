"""Data intervals are windows: Airflow's calendar and ours agree, also where clocks change."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, CronDataIntervalTimetable
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import coerce_to_core_timetable, encode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction

import perennial_airflow.timetable
from perennial.spec.models import Schedule
from perennial.window import Every
from perennial_airflow.schedule import timetable
from perennial_airflow.timetable import DelayedWindows

ZONES = (
    *("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"),
    "Atlantic/Azores",  # where midnight comes twice
)
HALF_HOURS = ("Asia/Kolkata", "Australia/Lord_Howe")
FIRST = date(2013, 7, 1)  # a Monday, and the first of a month
INTERVALS = {Every.HOUR: 24 * 10, Every.DAY: 365, Every.WEEK: 53, Every.MONTH: 14}
SEVERAL_HOURS = [every for every in Every if every.hours]


CASES = [(every, zone) for every in INTERVALS for zone in ZONES if every is not Every.HOUR or zone not in HALF_HOURS]


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


DELAY = timedelta(hours=30)
BEGIN = pendulum.datetime(2024, 1, 1)


def delayed(delay: timedelta = DELAY) -> Any:
    return timetable(Schedule(every=Every.DAY, start=date(2024, 1, 1), delay=delay))


def next_run(found: Any, last: DataInterval | None = None, *, catchup: bool = True) -> DagRunInfo:
    restriction = TimeRestriction(earliest=BEGIN, latest=None, catchup=catchup)
    info: DagRunInfo | None = found.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
    assert info is not None
    assert info.data_interval is not None
    return info


def test_with_a_delay_the_interval_stays_the_window_and_the_run_starts_later() -> None:
    first = next_run(delayed())
    assert first.data_interval == DataInterval(BEGIN, BEGIN.add(days=1))
    assert first.run_after == BEGIN.add(days=1, hours=30)
    second = next_run(delayed(), first.data_interval)
    assert second.data_interval == DataInterval(BEGIN.add(days=1), BEGIN.add(days=2))


@pytest.mark.parametrize(
    ("now", "starts"),
    [
        (BEGIN.add(days=9, hours=5, minutes=59), BEGIN.add(days=6)),
        (BEGIN.add(days=9, hours=6), BEGIN.add(days=7)),
        (BEGIN.add(days=9, hours=7), BEGIN.add(days=7)),
    ],
)
def test_without_catching_up_the_next_run_is_of_the_last_window_that_is_due(
    now: pendulum.DateTime, starts: pendulum.DateTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the last window that ended, the run is always still to come when a delay is longer than a window."""
    monkeypatch.setattr(perennial_airflow.timetable, "utcnow", lambda: now)
    info = next_run(delayed(), catchup=False)
    assert info.data_interval is not None
    assert info.data_interval.start == starts
    assert info.run_after <= now


def test_a_run_by_hand_is_about_the_last_window_that_is_due() -> None:
    found = delayed().infer_manual_data_interval(run_after=BEGIN.add(days=9, hours=5))
    assert found == DataInterval(BEGIN.add(days=6), BEGIN.add(days=7))


def test_airflow_writes_and_reads_the_timetable_through_the_plugin() -> None:
    written = encode_timetable(delayed())
    read = decode_timetable(written)
    assert isinstance(read, DelayedWindows)
    assert encode_timetable(read) == written
    assert next_run(read) == next_run(delayed())
    assert read.summary == "0 0 * * * + 1 day, 6:00:00"


def test_a_backfill_of_a_delayed_schedule_has_a_run_for_every_window() -> None:
    with DAG("late.predict", schedule=delayed(), start_date=BEGIN, catchup=False) as dag:
        pass
    read = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    runs = list(read.iter_dagrun_infos_between(BEGIN, BEGIN.add(days=3)))
    assert [info.data_interval.start for info in runs] == [BEGIN.add(days=day) for day in range(4)]
    assert [info.run_after for info in runs] == [info.data_interval.end + DELAY for info in runs]


def test_without_a_delay_it_is_airflows_own_timetable() -> None:
    assert type(delayed(timedelta(0))) is CronDataIntervalTimetable


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"])
@pytest.mark.parametrize("every", SEVERAL_HOURS)
def test_intervals_of_several_hours_are_the_windows_where_clocks_change(every: Every, zone: str) -> None:
    schedule = Schedule(every=every, timezone=zone, start=FIRST)
    core = coerce_to_core_timetable(timetable(schedule))
    days = Schedule(every=Every.DAY, timezone=zone, start=date(2013, 1, 1)).grid
    first, last = (days.starting_at(day).start for day in ("2013-01-02", "2013-12-30"))
    changes = [day for day in days.between(first, last) if day.end - day.start != timedelta(days=1)]
    assert len(changes) == 2
    for change in changes:
        found, interval, begin = [], None, days.back(change.start, 1)
        while interval is None or interval.end < change.end:
            info = core.next_dagrun_info(
                last_automated_data_interval=interval,
                restriction=TimeRestriction(earliest=pendulum.instance(begin), latest=None, catchup=True),
            )
            assert info is not None
            interval = info.data_interval
            assert interval is not None
            found.append((interval.start.astimezone(UTC), interval.end.astimezone(UTC)))
        assert found == [(w.start, w.end) for w in schedule.grid.between(begin, change.end)]
