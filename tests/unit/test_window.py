from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.errors import InvalidWindow
from perennial.window import Every, Grid, Window, longest_run, parse_instant

# In the second line clocks change at midnight or a minute after it: it is skipped, or comes twice.
ZONES = [
    *("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"),
    *("Atlantic/Azores", "America/Havana", "America/Santiago", "America/St_Johns", "Pacific/Apia"),
]
instants = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@given(instants, st.sampled_from(list(Every)), st.sampled_from(ZONES))
def test_windows_tile_time_without_gap_or_overlap(at: datetime, every: Every, zone: str) -> None:
    grid = Grid(every, zone)
    window = grid.containing(at)
    assert window.start <= at < window.end
    assert grid.containing(window.end).start == window.end
    assert grid.containing(window.start - timedelta(microseconds=1)).end == window.start
    assert grid.back(window.end, 1) == window.start


@given(instants, st.timedeltas(timedelta(seconds=1), timedelta(days=90)))
def test_a_key_names_its_window(start: datetime, length: timedelta) -> None:
    window = Window(start, start + length)
    assert Window.parse(window.key) == window


def test_the_days_on_which_clocks_change_have_23_and_25_hours() -> None:
    grid = Grid(Every.DAY, "America/New_York")
    spring, autumn = grid.starting_at("2013-03-10"), grid.starting_at("2013-11-03")
    assert spring.end - spring.start == timedelta(hours=23)
    assert autumn.end - autumn.start == timedelta(hours=25)


@pytest.mark.parametrize("every", [Every.DAY, Every.MONTH, Every.WEEK, Every.SIX_HOURS])
def test_of_a_midnight_that_comes_twice_the_second_begins_the_day_as_in_airflow(every: Every) -> None:
    for zone, day, second in (
        ("Atlantic/Azores", "2024-10-27", datetime(2024, 10, 27, 1, tzinfo=UTC)),
        ("America/Havana", "2026-11-01", datetime(2026, 11, 1, 5, tzinfo=UTC)),  # of a month
        ("Asia/Amman", "2018-10-26", datetime(2018, 10, 25, 22, tzinfo=UTC)),
    ):
        grid, between = Grid(every, zone), second - timedelta(minutes=30)
        assert parse_instant(day, zone) == second
        assert grid.containing(between).start < between < grid.containing(between).end
        if every in (Every.DAY, Every.SIX_HOURS) or (every, day[-2:]) == (Every.MONTH, "01"):
            assert (grid.starting_at(day).start, grid.containing(between).end) == (second, second)


def test_leap_days_and_turns_of_the_year_are_windows_like_others() -> None:
    assert Grid(Every.DAY).starting_at("2024-02-29").end == datetime(2024, 3, 1, tzinfo=UTC)
    assert Grid(Every.MONTH).starting_at("2023-12-01").end == datetime(2024, 1, 1, tzinfo=UTC)
    assert Grid(Every.WEEK).containing(datetime(2024, 1, 3, tzinfo=UTC)).start == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_range_is_tiled_from_boundary_to_boundary() -> None:
    grid = Grid(Every.DAY)
    days = list(grid.between(parse_instant("2013-03-01"), parse_instant("2013-04-01")))
    assert len(days) == 31
    with pytest.raises(InvalidWindow, match="2013-03-01T06:00Z is not where a window of one day"):
        list(grid.between(parse_instant("2013-03-01T06:00"), parse_instant("2013-03-02")))


@pytest.mark.parametrize(
    ("start", "end", "complaint"),
    [
        (datetime(2013, 1, 1), datetime(2013, 1, 2), "time zones"),  # noqa: DTZ001
        (datetime(2013, 1, 2, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC), "end after it starts"),
    ],
)
def test_what_is_no_window_is_refused(start: datetime, end: datetime, complaint: str) -> None:
    with pytest.raises(InvalidWindow, match=complaint):
        Window(start, end)


@pytest.mark.parametrize("text", ["yesterday", "2013-13-01", "", "2013-03-01--"])
def test_what_is_no_date_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidWindow, match="2013-03-01"):
        parse_instant(text)


def test_a_date_is_read_in_the_zone_of_the_schedule() -> None:
    assert parse_instant("2013-03-01", "America/New_York") == datetime(
        2013, 3, 1, tzinfo=ZoneInfo("America/New_York")
    ).astimezone(UTC)


def test_a_start_that_is_none_names_the_window_around_it() -> None:
    with pytest.raises(InvalidWindow, match="the one around it starts at 2013-03-04T00:00Z"):
        Grid(Every.WEEK).starting_at("2013-03-06")


def lengths(every: Every, day: str, zone: str = "Europe/Berlin") -> list[float]:
    """The lengths of the windows of a local day, in hours."""
    start = parse_instant(day, zone)
    end = Grid(Every.DAY, zone).containing(start).end
    return [(window.end - window.start) / timedelta(hours=1) for window in Grid(every, zone).between(start, end)]


def test_windows_of_several_hours_follow_the_local_clock_also_when_it_changes() -> None:
    assert lengths(Every.SIX_HOURS, "2024-03-30") == [6, 6, 6, 6]
    assert lengths(Every.SIX_HOURS, "2024-03-31") == [5, 6, 6, 6]
    assert lengths(Every.SIX_HOURS, "2024-10-27") == [7, 6, 6, 6]
    assert lengths(Every.TWO_HOURS, "2024-03-31")[:3] == [2, 1, 2]
    assert lengths(Every.TWO_HOURS, "2024-10-27")[:3] == [3, 2, 2]
    assert lengths(Every.SIX_HOURS, "2024-06-01", "Asia/Kolkata") == [6, 6, 6, 6]


def test_a_window_of_several_hours_is_named_by_its_local_start() -> None:
    grid = Grid(Every.SIX_HOURS, "Europe/Berlin")
    assert grid.starting_at("2024-07-01T06:00").key == "2024-07-01T04:00Z--2024-07-01T10:00Z"
    with pytest.raises(InvalidWindow, match=r"No window of 6 hours \(Europe/Berlin\) starts at '2024-07-01T05:00'"):
        grid.starting_at("2024-07-01T05:00")


def test_a_time_that_clocks_skip_is_refused_with_one_that_they_show() -> None:
    with pytest.raises(InvalidWindow, match=r"no 2024-03-31T02:00 in Europe/Berlin.*such as 2024-03-31T03:00\+02:00"):
        Grid(Every.HOUR, "Europe/Berlin").starting_at("2024-03-31T02:00")


def test_a_time_that_happens_twice_asks_for_its_offset() -> None:
    grid = Grid(Every.HOUR, "Europe/Berlin")
    with pytest.raises(InvalidWindow, match=r"twice.*2024-10-27T02:00\+02:00 or 2024-10-27T02:00\+01:00"):
        grid.starting_at("2024-10-27T02:00")
    assert grid.starting_at("2024-10-27T02:00+02:00").start == datetime(2024, 10, 27, 0, tzinfo=UTC)
    assert grid.starting_at("2024-10-27T02:00+01:00").start == datetime(2024, 10, 27, 1, tzinfo=UTC)


def test_a_date_names_the_start_of_its_day_also_where_clocks_skip_midnight() -> None:
    assert parse_instant("2017-10-15", "America/Sao_Paulo") == datetime(2017, 10, 15, 3, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00+14:00", "9998-01-01", "9999-12-31T23:59-14:00"])
def test_a_year_beside_which_there_is_no_other_names_no_window(text: str) -> None:
    with pytest.raises(InvalidWindow, match=r"is in the year \d+; write one from 1000 to 9997"):
        parse_instant(text, "America/New_York")


def test_the_longest_run_of_windows_without_a_gap() -> None:
    days = [
        *Grid(Every.DAY, "Europe/Berlin").between(
            parse_instant("2024-03-28T23:00Z"), parse_instant("2024-04-07T22:00Z")
        )
    ]
    assert longest_run([]) == ()
    assert longest_run(days) == tuple(days)
    assert longest_run(days[:2] + days[3:7] + days[8:]) == tuple(days[3:7])
    assert longest_run(days[:2] + days[3:5]) == tuple(days[3:5])  # of two that are as long, the last
