"""The SQL of our use cases against a real PostgreSQL that holds the tables of the flights database."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

from perennial.spec.load import load_all
from perennial.spec.parameters import PARAMETERS, bound_names
from perennial_local.flights import SCHEMA

USE_CASES = load_all(Path(__file__).parents[3] / "include" / "use_cases")
DAY = (datetime(2013, 7, 4, tzinfo=UTC), datetime(2013, 7, 5, tzinfo=UTC))
LATER = datetime(2013, 8, 1, tzinfo=UTC)

# Flights 1 and 2 lie in the window; 3 leaves just before it and 4 just after; 5 is cancelled.
ROWS = """
SET timezone = 'Asia/Kolkata';
INSERT INTO planes VALUES ('N1', 1999, 'jet', 'BOEING', '747', 4, 400, NULL, 'Turbo-fan');
INSERT INTO weather (origin, observed_at, temp, visib) VALUES
    ('JFK', '2013-07-04T13:00Z', 80, 10), ('JFK', '2013-07-04T14:00Z', 81, 9), ('EWR', '2013-07-04T13:00Z', 82, 8);
INSERT INTO flights VALUES
    (1, 'UA', 10, 'N1', 'JFK', 'LAX', '2013-07-04T13:59Z', 900, 2475),
    (2, 'B6', 11, NULL, 'LGA', 'BOS', '2013-07-04T00:00Z', 60, 184),
    (3, 'UA', 10, 'N1', 'JFK', 'LAX', '2013-07-03T23:59:59Z', 900, 2475),
    (4, 'UA', 10, 'N1', 'JFK', 'LAX', '2013-07-05T00:00Z', 900, 2475),
    (5, 'DL', 12, 'N9', 'EWR', 'ATL', '2013-07-04T12:00Z', 800, 746);
INSERT INTO arrivals VALUES
    (1, '2013-07-04T19:30Z', 15, 330), (2, '2013-07-04T01:30Z', 14.9, 40),
    (3, '2013-07-04T06:00Z', 0, 330), (4, '2013-07-05T06:00Z', 99, 330);
"""


@pytest.fixture
def cursor(database_url: str) -> Iterator[psycopg2.extras.RealDictCursor]:
    connection = psycopg2.connect(database_url)
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute(SCHEMA + ROWS)
        yield cursor
    connection.close()


def ask(cursor: psycopg2.extras.RealDictCursor, use_case: str, file: str, as_of: datetime) -> dict[int, dict[str, Any]]:
    sql = re.sub(r":(start|end|as_of)\b", r"%(\1)s", USE_CASES[use_case].queries[file])
    cursor.execute(sql, {"start": DAY[0], "end": DAY[1], "as_of": as_of})
    rows = cursor.fetchall()
    found = {row["flight_id"]: dict(row) for row in rows}
    assert len(found) == len(rows), "a flight is there twice"
    return found


@pytest.mark.parametrize("name", USE_CASES)
def test_the_queries_bind_the_window_and_nothing_else(name: str) -> None:
    for sql in USE_CASES[name].queries.values():
        assert {"start", "end"} <= set(bound_names(sql)) <= set(PARAMETERS)


@pytest.mark.parametrize("name", USE_CASES)
def test_the_labels_are_asked_as_of(name: str) -> None:
    assert "as_of" in bound_names(USE_CASES[name].queries["labels.sql"])


@pytest.mark.parametrize("name", USE_CASES)
def test_the_source_delivers_the_columns_of_the_spec_for_the_flights_of_the_window(
    name: str, cursor: psycopg2.extras.RealDictCursor
) -> None:
    found = ask(cursor, name, "source.sql", LATER)
    assert set(found) == {1, 2, 5}
    assert set(found[1]) == set(USE_CASES[name].spec.columns)


@pytest.mark.parametrize("name", USE_CASES)
def test_the_labels_source_delivers_key_outcome_and_arrival(name: str, cursor: psycopg2.extras.RealDictCursor) -> None:
    spec = USE_CASES[name].spec
    found = ask(cursor, name, "labels.sql", LATER)
    assert set(found) == {1, 2, 5}
    assert set(found[1]) == {spec.key, spec.labels.column, spec.labels.arrival_time}
    assert [flight for flight, row in found.items() if row[spec.labels.column] is None] == [5]


@pytest.mark.parametrize("name", USE_CASES)
def test_of_a_cancelled_flight_no_outcome_will_come_and_that_is_known_a_day_later(
    name: str, cursor: psycopg2.extras.RealDictCursor
) -> None:
    column = USE_CASES[name].spec.labels.column
    a_day_later = datetime(2013, 7, 5, 12, tzinfo=UTC)
    assert 5 not in ask(cursor, name, "labels.sql", a_day_later - timedelta(seconds=1))
    assert ask(cursor, name, "labels.sql", a_day_later)[5] == {
        "flight_id": 5,
        column: None,
        "arrived_at": a_day_later,
    }
    cursor.execute("INSERT INTO arrivals VALUES (5, '2013-07-05T13:00Z', 1400, 90)")
    assert ask(cursor, name, "labels.sql", a_day_later)[5][column] is None
    assert ask(cursor, name, "labels.sql", LATER)[5][column] in (True, 90)


@pytest.mark.parametrize("name", USE_CASES)
def test_no_label_is_known_before_it_arrived(name: str, cursor: psycopg2.extras.RealDictCursor) -> None:
    assert set(ask(cursor, name, "labels.sql", datetime(2013, 7, 4, 19, 29, tzinfo=UTC))) == {2}
    assert set(ask(cursor, name, "labels.sql", datetime(2013, 7, 4, 19, 30, tzinfo=UTC))) == {1, 2}
    assert set(ask(cursor, name, "labels.sql", DAY[0])) == set()


def test_late_means_fifteen_minutes_or_more(cursor: psycopg2.extras.RealDictCursor) -> None:
    found = ask(cursor, "flight_delays", "labels.sql", LATER)
    assert {flight: row["late"] for flight, row in found.items()} == {1: True, 2: False, 5: None}


def test_air_time_is_in_minutes(cursor: psycopg2.extras.RealDictCursor) -> None:
    assert ask(cursor, "air_time", "labels.sql", LATER)[1]["air_time"] == 330


def test_a_flight_has_its_plane_and_the_weather_of_its_airport_and_hour(
    cursor: psycopg2.extras.RealDictCursor,
) -> None:
    found = ask(cursor, "flight_delays", "source.sql", LATER)
    assert (found[1]["temp"], found[1]["visib"]) == (80, 10)
    assert (found[1]["plane_year"], found[1]["seats"], found[1]["engines"]) == (1999, 400, 4)
    assert (found[2]["temp"], found[2]["seats"]) == (None, None)  # no observation, no tail number: the flight stays
    assert (found[5]["temp"], found[5]["seats"]) == (None, None)  # observed an hour later; unknown plane


def test_weather_that_was_not_observed_yet_is_not_used(cursor: psycopg2.extras.RealDictCursor) -> None:
    found = ask(cursor, "flight_delays", "source.sql", datetime(2013, 7, 4, 12, 59, tzinfo=UTC))
    assert set(found) == {1, 2, 5}
    assert found[1]["temp"] is None
