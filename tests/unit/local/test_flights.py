"""The loader, against a real PostgreSQL and the real file."""

from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from tests.servers import WatchedPostgres

from perennial.errors import StoreUnavailable
from perennial_local.flights import FLIGHTS, Loaded, load_flights


@pytest.fixture(scope="module")
def loaded(postgres: WatchedPostgres) -> tuple[str, Loaded, list[int]]:
    url = postgres.url(postgres.new_database("flights"))
    told: list[int] = []
    return url, load_flights(url, told.append), told


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url, options="-c timezone=UTC")
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def test_every_row_arrives(loaded: tuple[str, Loaded, list[int]]) -> None:
    _, counts, told = loaded
    assert counts == Loaded(flights=336_776, arrivals=327_346, weather=26_115, planes=3_322, fresh=True)
    assert told == sorted(told)
    assert told[-1] == FLIGHTS


def test_first_flight_as_it_stands_in_the_file(loaded: tuple[str, Loaded, list[int]]) -> None:
    # UA 1545, Newark to Houston, scheduled 5:15 in New York, 2 minutes late, 227 minutes in the air, due 8:19.
    [row] = ask(loaded[0], "SELECT * FROM flights WHERE flight_id = 1")
    departure = datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    assert row == (1, "UA", 1545, "N14228", "EWR", "IAH", departure, 8 * 60 + 19, 1400)
    [arrival] = ask(loaded[0], "SELECT * FROM arrivals WHERE flight_id = 1")
    assert arrival == (1, datetime(2013, 1, 1, 14, 34, tzinfo=UTC), 11.0, 227.0)  # 10:15 + 2 + 227 + 30 minutes


@pytest.mark.parametrize(
    ("table", "digest"),
    [
        ("flights", "01e3ce0e07e3729211022d08ded00db4"),
        ("arrivals", "9be9d48fcec52e5d6f0ac7c49d24aeae"),
        ("weather", "0c95817320fb3572e9cafdbaff401898"),
        ("planes", "ba12424a6da105b48b8b14be605f6622"),
    ],
)
def test_the_content_is_what_it_always_was(loaded: tuple[str, Loaded, list[int]], table: str, digest: str) -> None:
    """As it was when every row was converted by itself. Models and metrics of the demonstration depend on it."""
    order = {"weather": "origin, observed_at", "planes": "tailnum"}.get(table, "flight_id")
    assert ask(loaded[0], f"SELECT md5(string_agg(t::text, E'\\n' ORDER BY {order})) FROM {table} t") == [(digest,)]


def test_columns_have_the_types_that_queries_count_on(loaded: tuple[str, Loaded, list[int]]) -> None:
    query = "SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attnum > 0 AND attrelid = '{}'::regclass"
    types = {table: dict(ask(loaded[0], query.format(table))) for table in ("flights", "arrivals")}
    assert types["flights"]["scheduled_departure"] == types["arrivals"]["arrived_at"] == "timestamp with time zone"
    assert types["flights"]["flight_id"] == types["arrivals"]["flight_id"] == "bigint"
    assert types["arrivals"]["arr_delay"] == "double precision"


def test_missing_values_are_null_and_cancelled_flights_never_arrive(loaded: tuple[str, Loaded, list[int]]) -> None:
    url = loaded[0]
    assert ask(url, "SELECT count(*) FROM flights WHERE tailnum IS NULL") == [(2_512,)]
    assert ask(url, "SELECT count(*) FROM flights WHERE tailnum IN ('', 'NA')") == [(0,)]
    assert ask(url, "SELECT count(*) FROM flights LEFT JOIN arrivals USING (flight_id) WHERE arr_delay IS NULL") == [
        (9_430,)
    ]
    assert ask(url, "SELECT count(*) FROM weather WHERE pressure IS NULL") == [(2_729,)]


def test_loading_again_changes_nothing(loaded: tuple[str, Loaded, list[int]]) -> None:
    told: list[int] = []
    again = load_flights(loaded[0], told.append)
    assert again == Loaded(flights=336_776, arrivals=327_346, weather=26_115, planes=3_322, fresh=False)
    assert told == []


def test_a_load_that_is_stopped_leaves_nothing(database_url: str) -> None:
    class StopNowError(Exception):
        pass

    def stop(_done: int) -> None:
        raise StopNowError

    with pytest.raises(StopNowError):
        load_flights(database_url, stop)
    assert ask(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_database_that_does_not_answer_is_a_disturbance() -> None:
    with pytest.raises(StoreUnavailable, match="could not be loaded"):
        load_flights("postgresql://nobody@127.0.0.1:1/none", lambda _done: None)
