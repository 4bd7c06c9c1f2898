"""How soon injected changes are noticed: ours against Evidently and NannyML, on real flights.

Days of 2013 in random order are ordinary days; they are split `SPLITS` times into a reference, ordinary days and days
that are changed. Ours alarms at a level of `RATE`, set before it saw an ordinary day. Peers alarm as they do by default
(Evidently: data-set drift; NannyML: an alert in any column), and, to be compared, with a threshold on their own score
that is set afterwards, so that the same share of these very ordinary days raises an alarm.
It prints a table, a picture of power curves (docs/images/drift_power.png), and the same as JSON.
"""

import json
import math
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from drift_calibration import Change, Day, Said, changes, cusum, fit, load_days, numbers, said
from matplotlib.figure import Figure
from peers import ask

from perennial.spec.false_alarms import FalseAlarms

SPLITS, REFERENCE, ORDINARY, CHANGED = 5, 60, 24, 10
RATE = 0.05
ORDERS = 100
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "drift_power.png"
TABLE = (
    "distance + 0.25 SD",
    "distance, variance x 1.5",
    "5% other carrier",
    "5% missing distances",
    "temperature mirrored within the day",
)
# By size, with the names of the sets of days; those of the table are not made twice.
SHIFTS = {0.05: "mean + 0.05", 0.1: "mean + 0.1", 0.25: "distance + 0.25 SD", 0.5: "mean + 0.5"}
FACTORS = {1.1: "variance x 1.1", 1.25: "variance x 1.25", 1.5: "distance, variance x 1.5", 2.0: "variance x 2"}

CUSUM = "Perennial, CUSUM"
WITHOUT_BINS = "NannyML, numbers by Wasserstein alone"
YEARLY = FalseAlarms.parse("1 per year")
ROUNDING = 1e-9

Scores = dict[str, list[float]]


@dataclass(frozen=True)
class Detector:
    """Whether each day raises an alarm, by set of days: `CHANGED` days of each split, one split after the other."""

    alarms: dict[str, list[bool]]

    @property
    def noticed(self) -> dict[str, float]:
        """The share of days with an alarm, by set."""
        return {name: sum(each) / len(each) for name, each in self.alarms.items()}


def main() -> int:
    days, random = load_days(), np.random.default_rng(11)
    ours: dict[str, list[Said]] = {}
    found: dict[str, Scores] = {}
    for _ in range(SPLITS):
        known, sets = split(days, random)
        for name, values in assessed(known, sets).items():
            ours.setdefault(name, []).extend(values)
        for score, by_set in of_peers(known, sets).items():
            for name, scores in by_set.items():
                found.setdefault(score, {}).setdefault(name, []).extend(scores)
    p = {name: [day.p_value for day in each] for name, each in ours.items()}
    detectors = {
        "Perennial": fixed(p, lambda p: p <= RATE + ROUNDING),
        "Evidently": calibrated(found["evidently_share"]),
        "NannyML": calibrated(found["nannyml_loudest"]),
        "Evidently, default": fixed(found["evidently_share"], lambda share: share >= 0.5),
        "NannyML, default": fixed(found["nannyml_alarms"], lambda alarms: alarms > 0),
    }
    noticed = {name: detector.noticed for name, detector in detectors.items()}
    without_bins = calibrated(found["nannyml_without_bins"]).noticed
    waits = delays(detectors, ours)
    print("\n".join(table(noticed, waits)))
    draw({**{name: noticed[name] for name in ("Perennial", "Evidently", "NannyML")}, WITHOUT_BINS: without_bins})
    print(f"\npower curves: {PICTURE.relative_to(Path.cwd()) if PICTURE.is_relative_to(Path.cwd()) else PICTURE}")
    print(json.dumps({"share_noticed": {**noticed, WITHOUT_BINS: without_bins}, "median_days": waits}))
    return 0


def split(days: Sequence[Day], random: np.random.Generator) -> tuple[list[Day], dict[str, list[Day]]]:
    """The days of a reference, and sets of other days: ordinary ones, and the same ones changed in every way."""
    order = random.permutation(len(days))
    known = [days[i] for i in sorted(order[:REFERENCE])]
    ordinary = [days[i] for i in order[REFERENCE : REFERENCE + ORDINARY]]
    new = [days[i] for i in order[REFERENCE + ORDINARY :][:CHANGED]]
    return known, {
        "ordinary": ordinary,
        **{name: changed(new, change, random) for name, change in all_changes(days).items()},
    }


def assessed(known: Sequence[Day], sets: dict[str, list[Day]]) -> dict[str, list[Said]]:
    """What we say of each day, by set of days."""
    reference = fit(known)
    found = {name: said(reference, each) for name, each in sets.items()}
    assert all(len(found[name]) == len(each) for name, each in sets.items()), "a day could not be assessed"
    return found


def all_changes(days: Sequence[Day]) -> dict[str, Change]:
    """Those of the table, and those of the picture."""
    sd = float(np.nanstd(np.concatenate([rows.column("distance") for _, rows in days])))
    known = changes(days)
    made = {name: known[name] for name in TABLE}
    for shift, name in SHIFTS.items():
        made.setdefault(name, numbers("distance", lambda v, s=shift: v + s * sd))
    for factor, name in FACTORS.items():
        made.setdefault(name, numbers("distance", lambda v, f=factor: v.mean() + math.sqrt(f) * (v - v.mean())))
    return made


def changed(days: Sequence[Day], change: Change, random: np.random.Generator) -> list[Day]:
    return [(start, change(rows, random)) for start, rows in days]


def of_peers(known: Sequence[Day], sets: dict[str, list[Day]]) -> dict[str, Scores]:
    """Each peer's scores, by set of days."""
    parts = [numbered(rows, i - len(known)) for i, (_, rows) in enumerate(known)]
    borders, at = {}, 0
    for name, days in sets.items():
        parts += [numbered(rows, at + i) for i, (_, rows) in enumerate(days)]
        borders[name] = (at, at + len(days))
        at += len(days)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pq.write_table(pa.concat_tables(parts, promote_options="permissive"), folder / "days.parquet")
        said = ask("days", folder)
    assert said["days"] == list(range(at))
    return {
        score: {name: said[score][begin:end] for name, (begin, end) in borders.items()}
        for score in ("evidently_share", "nannyml_alarms", "nannyml_loudest", "nannyml_without_bins")
    }


def numbered(rows: pa.Table, day: int) -> pa.Table:
    return rows.append_column("day", pa.array(np.full(rows.num_rows, day)))


def calibrated(scores: Scores) -> Detector:
    """An alarm is a score above that of all but `RATE` of the ordinary days."""
    threshold = sorted(scores["ordinary"])[-math.floor(RATE * len(scores["ordinary"])) - 1]
    return fixed(scores, lambda score: score > threshold)


def fixed(scores: Scores, rule: Callable[[float], bool]) -> Detector:
    return Detector({name: [rule(score) for score in each] for name, each in scores.items()})


def delays(detectors: dict[str, Detector], ours: dict[str, list[Said]]) -> dict[str, dict[str, float | None]]:
    """By detector and change: median days until the first alarm, over splits and random orders of their changed days.

    None where most never raise one.
    """
    random, rule = np.random.default_rng(5), cusum(YEARLY)
    waits: dict[tuple[str, str], list[float]] = {}
    for change in TABLE:
        for _ in range(ORDERS):
            for part in range(SPLITS):
                order = part * CHANGED + random.permutation(CHANGED)
                raised = rule([ours[change][i] for i in order], REFERENCE)
                waits.setdefault((CUSUM, change), []).append(raised[0] + 1 if raised else math.inf)
                for name, detector in detectors.items():
                    hits = [position for position, i in enumerate(order) if detector.alarms[change][i]]
                    waits.setdefault((name, change), []).append(hits[0] + 1 if hits else math.inf)
    medians = {key: statistics.median(each) for key, each in waits.items()}
    return {
        name: {change: medians[name, change] if math.isfinite(medians[name, change]) else None for change in TABLE}
        for name in (CUSUM, *detectors)
    }


def table(noticed: dict[str, dict[str, float]], waits: dict[str, dict[str, float | None]]) -> list[str]:
    """Median days until noticed, and in brackets the share of changed days that raise an alarm by themselves."""
    rates = ["1 a year, promised", *(f"{each['ordinary']:.1%} of days" for each in noticed.values())]
    lines = ["| median days until noticed | " + " | ".join(waits) + " |", "|---" * (len(waits) + 1) + "|"]
    lines.append("| false alarms | " + " | ".join(rates) + " |")
    for change in TABLE:
        cells = []
        for name, found in waits.items():
            days = "-" if found[change] is None else f"{found[change]:g}"
            cells.append(days if name == CUSUM else f"{days} ({noticed[name][change]:.0%})")
        lines.append(f"| {change} | " + " | ".join(cells) + " |")
    return lines


def draw(powers: dict[str, dict[str, float]]) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, start, sizes, label in (
        (left, 0.0, SHIFTS, "shift of the mean of distance, in SDs"),
        (right, 1.0, FACTORS, "factor on the variance of distance"),
    ):
        for name, shares in powers.items():
            axes.plot(
                [start, *sizes], [shares["ordinary"], *(shares[each] for each in sizes.values())], "o-", label=name
            )
        axes.axhline(RATE, color="grey", linewidth=0.8, linestyle="--")
        axes.set_xlabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylabel(f"share of days noticed\n({RATE:.0%} of ordinary days are, dashed)")
    figure.legend(*right.get_legend_handles_labels(), frameon=False, loc="outside upper center", ncols=len(powers))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=130)


if __name__ == "__main__":
    sys.exit(main())
