"""Drift of 500,000 rows and 20 columns: ours against Evidently and NannyML, on the same values, in one run.

Run it by `make bench`. Ours profiles the rows in the bins of a stored reference, takes all measures and assesses them.
Evidently runs its DataDriftPreset; NannyML's calculate is timed without its fit, with two measures (Wasserstein and
Jensen-Shannon), and with all that ours takes too. Times exclude imports and reading.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from peers import ask
from scipy import stats

from perennial.drift.assess import Assessment, assess_profile
from perennial.drift.distances import jensen_shannon, population_stability_index
from perennial.drift.profiles.bins import NumericBins
from perennial.drift.reference import Reference, fit_reference
from perennial.encoding import as_json, from_json
from perennial.spec.columns import Kind

ROWS, NUMERIC, CATEGORICAL, WINDOWS, REPEATS = 500_000, 15, 5, 50, 5
FASTER_THAN_EVIDENTLY, FASTER_THAN_NANNYML = 50, 10
SAME = 1e-9
SHIFT = 0.1
FLOOR = 1e-4  # shares below it are floored, by each in its own way


def main() -> int:
    random = np.random.default_rng(7)
    before, now = made(random, 0.0), made(random, SHIFT)
    columns = {name: Kind.NUMERIC if name.startswith("n") else Kind.CATEGORICAL for name in before.column_names}
    step = ROWS // WINDOWS
    reference = fit_reference([(str(i), before.slice(i * step, step)) for i in range(WINDOWS)], columns, {})
    reference = from_json(Reference, as_json(reference))
    seconds, found = [], None
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = assess_profile(reference, reference.profile(now), 0.05)
        seconds.append(time.perf_counter() - began)
    assert found is not None
    ours = statistics.median(seconds)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pq.write_table(before, folder / "reference.parquet")
        pq.write_table(now, folder / "current.parquet")
        peers = ask("speed", folder)
    ratios = {
        "evidently": peers["evidently_seconds"] / ours,
        "nannyml_calculate": peers["nannyml_calculate_seconds"] / ours,
        "nannyml_all_calculate": peers["nannyml_all_calculate_seconds"] / ours,
    }
    gaps = {**agreement(peers["agreement"]), **within_bins(reference, found, before, now)}
    print("| what | seconds | times ours |\n|---|---|---|")
    print(f"| Perennial: profile and assess (median of {REPEATS}) | {ours:.3f} | 1 |")
    for name in ("evidently", "nannyml_calculate", "nannyml_fit", "nannyml_all_calculate", "nannyml_all_fit"):
        print(f"| {name} | {peers[f'{name}_seconds']:.2f} | {peers[f'{name}_seconds'] / ours:.0f} |")
    print(json.dumps({"perennial_seconds": ours, "ratios": ratios, "agreement": gaps}))
    missed = [
        f"{name} is {ratios[name]:.1f} times slower, {wanted} were wanted"
        for name, wanted in (("evidently", FASTER_THAN_EVIDENTLY), ("nannyml_calculate", FASTER_THAN_NANNYML))
        if ratios[name] < wanted
    ]
    missed += [f"{name} is off by {gaps[name]:.3g}" for name in ("psi", "jensen_shannon") if gaps[name] > SAME]
    missed += [f"{name} is {gaps[name]:.2f} of the bins' error" for name in ("wasserstein", "ks") if gaps[name] > 1]
    for each in missed:
        print(each, file=sys.stderr)
    return 1 if missed else 0


def made(random: np.random.Generator, shift: float) -> pa.Table:
    """Normal, skewed, heavy-tailed and bounded numbers; categories of 4 to 60 values."""
    draws = (
        lambda: random.normal(shift, 1, ROWS),
        lambda: random.lognormal(shift, 0.7, ROWS),
        lambda: random.standard_t(4, ROWS) * (1 + shift),
        lambda: random.beta(2 + shift, 2, ROWS),
    )
    columns: dict[str, Any] = {f"n{i:02d}": draws[i % len(draws)]() for i in range(NUMERIC)}
    for i, values in enumerate((4, 10, 20, 40, 60)[:CATEGORICAL]):
        weights = np.arange(1, values + 1) ** (-0.5 - shift)
        drawn = random.choice(values, ROWS, p=weights / weights.sum())
        columns[f"c{i}"] = np.array([f"value {v}" for v in range(values)])[drawn]
    return pa.table(columns)


def agreement(columns: list[dict[str, Any]]) -> dict[str, float]:
    """The largest differences from the peers' PSI and scipy's Jensen-Shannon, from the same shares per bin."""
    filled = [each for each in columns if min(*each["reference"], *each["current"]) > FLOOR]
    assert filled, "no column without empty bins to compare"
    pairs = [(each["reference"], each["current"]) for each in filled]
    ours = [population_stability_index(*pair) for pair in pairs]
    psi = [abs(one - each["evidently_psi"]) for one, each in zip(ours, filled, strict=True)]
    js = [abs(jensen_shannon(each["reference"], each["current"]) - each["scipy_jensen_shannon"]) for each in columns]
    return {"psi": max(psi), "psi_columns": len(filled), "jensen_shannon": max(js)}


def within_bins(reference: Reference, found: Assessment, before: pa.Table, now: pa.Table) -> dict[str, float]:
    """The largest errors of Wasserstein-1 and Kolmogorov-Smirnov against scipy's, in units of the stated bin error.

    Kolmogorov-Smirnov is too small by at most the largest share of a bin; Wasserstein-1 by at most what lies in bins
    where the distribution functions cross: their widths times the larger share there.
    """
    ratios: dict[str, list[float]] = {"wasserstein": [0.0], "ks": [0.0]}
    for column in found.columns:
        bins = reference.bins.get(column.name)
        if not isinstance(bins, NumericBins) or column.measures is None:
            continue
        u, v = before.column(column.name).to_numpy(), now.column(column.name).to_numpy()
        low, high = min(u.min(), v.min()), max(u.max(), v.max())
        edges = np.array([low, *bins.edges, high])
        p, q = (np.histogram(values, edges)[0] / len(values) for values in (u, v))
        gap = np.cumsum(p) - np.cumsum(q)
        crossing = np.sign(np.append(0.0, gap[:-1])) * np.sign(gap) <= 0
        room = float((np.diff(edges) * np.maximum(p, q))[crossing].sum()) / bins.scale
        exact = stats.wasserstein_distance(u, v) / bins.scale
        measured, ks = column.measures.wasserstein, column.measures.kolmogorov_smirnov
        assert measured is not None
        assert ks is not None
        ratios["wasserstein"].append(abs(exact - measured) / max(room, SAME))
        ratios["ks"].append(abs(stats.ks_2samp(u, v).statistic - ks) / max(float(p.max()), float(q.max())))
    return {name: max(values) for name, values in ratios.items()}


if __name__ == "__main__":
    sys.exit(main())
