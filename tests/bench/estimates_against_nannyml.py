"""Our estimates of performance against NannyML's CBPE and DLE, chunk by chunk, on the data that NannyML ships.

Run it by `make bench`. Both calibrate, and learn losses, from the same reference rows. They agree when ours lies within
NannyML's sampling error (of one standard deviation) in at least 95% of the chunks.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from peers import ask

from perennial.modeling.estimation import WindowOutcome, estimate, learn_calibration, learn_losses
from perennial.spec.models import UseCase

CHUNKS = 10
LEAST_AGREEING = 0.95


def main() -> int:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        theirs = ask("estimates", folder)
        ours = {**loans(folder, theirs), **prices(folder, theirs)}
    rows, summary = [], {}
    for metric, values in ours.items():
        chunks = theirs[metric]
        ratios = [abs(mine - chunk["value"]) / chunk["error"] for mine, chunk in zip(values, chunks, strict=True)]
        summary[metric] = {
            "chunks": len(chunks),
            "agreeing": float(np.mean(np.array(ratios) <= 1)),
            "largest_in_sampling_errors": max(ratios),
        }
        for mine, chunk in zip(values, chunks, strict=True):
            rows.append(f"| {metric} | {chunk['start']:,} | {mine:.5g} | {chunk['value']:.5g} | {chunk['error']:.2g} |")
    print("| metric | chunk from row | Perennial | NannyML | its sampling error |\n|---|---|---|---|---|")
    print("\n".join(rows))
    print(json.dumps(summary))
    missed = [name for name, each in summary.items() if each["agreeing"] < LEAST_AGREEING]
    if missed:
        share = f"{LEAST_AGREEING:.0%}"
        print(f"not within the sampling error in {share} of the chunks: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def loans(folder: Path, theirs: dict[str, Any]) -> dict[str, list[float]]:
    reference, analysis = (pd.read_parquet(folder / f"{name}.parquet") for name in ("loans", "loan_analysis"))
    no_features = pd.DataFrame()
    windows = [
        WindowOutcome(part["y_pred_proba"].to_numpy(float), part["repaid"].to_numpy(float), no_features)
        for part in parts(reference)
    ]
    how = learn_calibration(windows)
    assert how is not None
    found = []
    for chunk in theirs["roc_auc"]:
        said = analysis["y_pred_proba"].to_numpy(float)[chunk["start"] : chunk["end"] + 1]
        found.append(estimate(how, said)["roc_auc"].value)
    return {"roc_auc": found}


def prices(folder: Path, theirs: dict[str, Any]) -> dict[str, list[float]]:
    reference, analysis = (pd.read_parquet(folder / f"{name}.parquet") for name in ("prices", "price_analysis"))
    features = theirs["features"]
    spec = spec_of(reference[features])
    windows = [
        WindowOutcome(part["y_pred"].to_numpy(float), part["y_true"].to_numpy(float), frame_of(part[features]))
        for part in parts(reference)
    ]
    how, models = learn_losses(spec, windows)
    assert how is not None
    found: dict[str, list[float]] = {"mae": [], "rmse": []}
    for chunk in theirs["mae"]:
        rows = analysis.iloc[chunk["start"] : chunk["end"] + 1]
        said = estimate(how, rows["y_pred"].to_numpy(float), frame_of(rows[features]), models)
        for metric, values in found.items():
            values.append(said[metric].value)
    return found


def parts(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [frame.iloc[rows] for rows in np.array_split(np.arange(len(frame)), CHUNKS)]


def frame_of(frame: pd.DataFrame) -> pd.DataFrame:
    """As `feature_frame` has it: numbers as float64, categories as text."""
    numbers = dict.fromkeys(frame.select_dtypes("number").columns, float)
    texts = {name: object for name in frame.columns if name not in numbers}
    return frame.astype({**numbers, **texts}).reset_index(drop=True)


def spec_of(features: pd.DataFrame) -> UseCase:
    """A use case with these features; nothing else of it matters here."""
    numeric = set(features.select_dtypes("number").columns)
    source = {"type": "files", "path": "nowhere", "format": "csv"}
    columns = {name: {"kind": "numeric" if name in numeric else "categorical"} for name in features.columns}
    return UseCase.model_validate(
        {
            "name": "cars",
            "title": "Prices of cars",
            "owner": "bench",
            "task": "regression",
            "schedule": {"start": "2020-01-01"},
            "source": source,
            "columns": {
                "row_key": {"kind": "integer", "role": "key"},
                "at": {"kind": "timestamp", "role": "event_time"},
                **columns,
            },
            "labels": {"source": source, "column": "price", "arrival_time": "known_at", "mature_after": "1d"},
            "training": {
                "history": "9d",
                "holdout": "2d",
                "candidates": [{"name": "any", "estimator": "dummy"}],
                "metric": "mae",
            },
        }
    )


if __name__ == "__main__":
    sys.exit(main())
