"""How soon injected changes are noticed: ours against Evidently and NannyML, on real flights.

Days of 2013 in random order are ordinary days. Peers alarm as they do by default (Evidently: data-set drift; NannyML:
an alert in any column), and, to be compared, with a threshold on their own score that gives all the same false-alarm
rate.
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
from drift_calibration import Change, Day, changes, fit, load_days, numbers, p_values
from matplotlib.figure import Figure
from peers import ask

from perennial.drift.accumulate import accumulate
from perennial.spec.false_alarms import FalseAlarms
from perennial.window import Every

REFERENCE, ORDINARY, CHANGED = 60, 40, 15
RATE = 0.05
ORDERS = 200
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "drift_power.png"
TABLE = (
    "distance + 0.25 SD",
    "distance, variance x 1.5",
    "5% other carrier",
    "5% missing distances",
    "temperature mirrored within the day",
)
SHIFTS = (0.05, 0.1, 0.25, 0.5)
FACTORS = (1.1, 1.25, 1.5, 2.0)


@dataclass(frozen=True)
class Detector:
    """Whether each day raises an alarm, and the share of ordinary days that do."""

    alarms: dict[str, list[bool]]
    false_alarms: float


def main() -> int:
    days, random = load_days(), np.random.default_rng(11)
    order = random.permutation(len(days))
    known = [days[i] for i in sorted(order[:REFERENCE])]
    ordinary = [days[i] for i in order[REFERENCE : REFERENCE + ORDINARY]]
    new = [days[i] for i in order[REFERENCE + ORDINARY :][:CHANGED]]
    sets = {"ordinary": ordinary, **{name: changed(new, change, random) for name, change in all_changes(days).items()}}
    reference = fit(known)
    found = {name: p_values(reference, each) for name, each in sets.items()}
    peers = of_peers(known, sets)
    detectors = {
        "Perennial": Detector({name: [p <= RATE for p in each] for name, each in found.items()}, 0.0),
        "Evidently": calibrated(peers["evidently_share"]),
        "NannyML": calibrated(peers["nannyml_loudest"]),
        "Evidently, default": fixed(peers["evidently_share"], lambda share: share >= 0.5),
        "NannyML, default": fixed(peers["nannyml_alarms"], lambda alarms: alarms > 0),
    }
    detectors["Perennial"] = Detector(detectors["Perennial"].alarms, share(detectors["Perennial"].alarms["ordinary"]))
    rows = table(detectors, found)
    print("\n".join(rows))
    powers = {
        name: {change: share(each) for change, each in detector.alarms.items()} for name, detector in detectors.items()
    }
    draw(powers)
    print(f"\npower curves: {PICTURE.relative_to(Path.cwd()) if PICTURE.is_relative_to(Path.cwd()) else PICTURE}")
    print(json.dumps({"false_alarms": {n: d.false_alarms for n, d in detectors.items()}, "share_noticed": powers}))
    return 0


def all_changes(days: Sequence[Day]) -> dict[str, Change]:
    """Those of the table, and those of the picture."""
    sd = float(np.nanstd(np.concatenate([rows.column("distance") for _, rows in days])))
    known = changes(days)
    return {
        **{name: known[name] for name in TABLE},
        **{f"mean {shift:g}": numbers("distance", lambda v, s=shift: v + s * sd) for shift in SHIFTS},
        **{
            f"variance {factor:g}": numbers("distance", lambda v, f=factor: v.mean() + math.sqrt(f) * (v - v.mean()))
            for factor in FACTORS
        },
    }


def changed(days: Sequence[Day], change: Change, random: np.random.Generator) -> list[Day]:
    return [(start, change(rows, random)) for start, rows in days]


def of_peers(known: Sequence[Day], sets: dict[str, list[Day]]) -> dict[str, dict[str, list[float]]]:
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
        for score in ("evidently_share", "nannyml_alarms", "nannyml_loudest")
    }


def numbered(rows: pa.Table, day: int) -> pa.Table:
    return rows.append_column("day", pa.array(np.full(rows.num_rows, day)))


def calibrated(scores: dict[str, list[float]]) -> Detector:
    """An alarm is a score above that of all but `RATE` of the ordinary days."""
    threshold = sorted(scores["ordinary"])[-math.floor(RATE * len(scores["ordinary"])) - 1]
    return fixed(scores, lambda score: score > threshold)


def fixed(scores: dict[str, list[float]], rule: Callable[[float], bool]) -> Detector:
    alarms = {name: [rule(score) for score in each] for name, each in scores.items()}
    return Detector(alarms, share(alarms["ordinary"]))


def share(alarms: Sequence[bool]) -> float:
    return sum(alarms) / len(alarms)


def table(detectors: dict[str, Detector], found: dict[str, list[float]]) -> list[str]:
    """Median days until the first alarm, over random orders of the changed days; a dash where most never see one."""
    random = np.random.default_rng(5)
    names = ["Perennial, CUSUM", *detectors]
    rates = ["1 a year", *(f"{each.false_alarms:.0%} of days" for each in detectors.values())]
    lines = ["| median days until noticed | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines.append("| false alarms | " + " | ".join(rates) + " |")
    for change in TABLE:
        waits: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(ORDERS):
            order = random.permutation(CHANGED)
            p = [found[change][i] for i in order]
            raised = accumulate(p, REFERENCE, FalseAlarms.parse("1 per year"), Every.DAY).alarms
            waits["Perennial, CUSUM"].append(raised[0] + 1 if raised else math.inf)
            for name, detector in detectors.items():
                hits = [position for position, i in enumerate(order) if detector.alarms[change][i]]
                waits[name].append(hits[0] + 1 if hits else math.inf)
        medians = [statistics.median(waits[name]) for name in names]
        lines.append(f"| {change} | " + " | ".join(f"{m:g}" if math.isfinite(m) else "-" for m in medians) + " |")
    return lines


def draw(powers: dict[str, dict[str, float]]) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, what, sizes, label in (
        (left, "mean", SHIFTS, "shift of the mean of distance, in SDs"),
        (right, "variance", FACTORS, "factor on the variance of distance"),
    ):
        start = 0.0 if what == "mean" else 1.0
        for name in ("Perennial", "Evidently", "NannyML"):
            shares = [powers[name]["ordinary"], *(powers[name][f"{what} {size:g}"] for size in sizes)]
            axes.plot([start, *sizes], shares, "o-", label=name)
        axes.axhline(RATE, color="grey", linewidth=0.8, linestyle="--")
        axes.set_xlabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylabel(f"share of days noticed\n({RATE:.0%} of ordinary days are, dashed)")
    right.legend(frameon=False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=130)


if __name__ == "__main__":
    sys.exit(main())
