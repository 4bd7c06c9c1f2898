"""What the peers say and how long they take. Runs in their environment; reads and writes files that ours names.

`python measure.py WHAT FOLDER`: the answer is FOLDER/WHAT.json. Times exclude imports and reading.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

import nannyml  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from evidently import DataDefinition, Dataset, Report  # noqa: E402
from evidently.metrics import DriftedColumnsCount  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402
from scipy.spatial.distance import jensenshannon  # noqa: E402

# The least that tells anything, and all that ours takes too.
CONTINUOUS, CATEGORICAL = ["wasserstein", "jensen_shannon"], ["jensen_shannon"]
ALL_CONTINUOUS = ["wasserstein", "jensen_shannon", "kolmogorov_smirnov", "hellinger"]
ALL_CATEGORICAL = ["jensen_shannon", "chi2", "hellinger"]
EVIDENTLY_BINS = 30


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def kinds_of(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    numeric = list(frame.select_dtypes("number").columns)
    return numeric, [name for name in frame.columns if name not in numeric]


def evidently_drift(
    reference: pd.DataFrame, current: pd.DataFrame, what: Callable[[], Any] = DataDriftPreset
) -> dict[str, Any]:
    numeric, categorical = kinds_of(reference)
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    sets = [Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference)]
    return Report([what()]).run(*sets).dict()


def share_drifted(reference: pd.DataFrame, current: pd.DataFrame) -> float:
    """The share of columns that Evidently calls drifted. It is the preset's first metric; the others take most time.

    Evidently fails on a column without any value; on such days it is asked about the others.
    """
    filled = [name for name in current.columns if current[name].notna().any()]
    report = evidently_drift(reference[filled], current[filled], DriftedColumnsCount)
    return float(report["metrics"][0]["value"]["share"])


def nannyml_calculator(
    reference: pd.DataFrame,
    continuous: Sequence[str] = CONTINUOUS,
    categories: Sequence[str] = CATEGORICAL,
    **chunks: Any,
) -> Any:
    numeric, categorical = kinds_of(reference.drop(columns=["timestamp"], errors="ignore"))
    return nannyml.UnivariateDriftCalculator(
        column_names=[*numeric, *categorical],
        treat_as_categorical=categorical,
        continuous_methods=list(continuous),
        categorical_methods=list(categories),
        **chunks,
    )


def speed(folder: Path) -> dict[str, Any]:
    reference, current = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "current"))
    evidently_seconds, _ = timed(lambda: evidently_drift(reference, current))
    fit_seconds, calculate_seconds = nannyml_speed(reference, current, CONTINUOUS, CATEGORICAL)
    all_fit_seconds, all_calculate_seconds = nannyml_speed(reference, current, ALL_CONTINUOUS, ALL_CATEGORICAL)
    return {
        "evidently_seconds": evidently_seconds,
        "nannyml_fit_seconds": fit_seconds,
        "nannyml_calculate_seconds": calculate_seconds,
        "nannyml_all_fit_seconds": all_fit_seconds,
        "nannyml_all_calculate_seconds": all_calculate_seconds,
        "agreement": agreement(reference, current),
    }


def nannyml_speed(
    reference: pd.DataFrame, current: pd.DataFrame, continuous: list[str], categories: list[str]
) -> tuple[float, float]:
    calculator = nannyml_calculator(reference, continuous, categories, chunk_number=1)
    fit_seconds, _ = timed(lambda: calculator.fit(reference))
    return fit_seconds, float(np.median([timed(lambda: calculator.calculate(current))[0] for _ in range(3)]))


def agreement(reference: pd.DataFrame, current: pd.DataFrame) -> list[dict[str, Any]]:
    """The peers' distances with the very shares per bin that they computed them from."""
    from evidently.legacy.calculations.stattests.psi import _psi
    from evidently.legacy.calculations.stattests.utils import get_binned_data
    from evidently.legacy.core import ColumnType

    numeric, categorical = kinds_of(reference)
    found = []
    for name in [*numeric, *categorical]:
        kind = ColumnType.Numerical if name in numeric else ColumnType.Categorical
        shares = get_binned_data(reference[name], current[name], kind, EVIDENTLY_BINS)
        said = _psi(reference[name], current[name], kind, 0.1, EVIDENTLY_BINS)
        found.append(
            {
                "column": name,
                "reference": np.asarray(shares[0], dtype=float).tolist(),
                "current": np.asarray(shares[1], dtype=float).tolist(),
                "evidently_psi": float(said[0]),
                "scipy_jensen_shannon": float(jensenshannon(shares[0], shares[1], base=2)),
            }
        )
    return found


def days(folder: Path) -> dict[str, Any]:
    """Of each day in days.parquet (column `day`): how loud each peer is. Days below 0 are the reference.

    A measure of NannyML's is as loud as its value is in units of its upper threshold. Jensen-Shannon distances of
    numbers are over bins, and a column of few different values leaps from bin to bin when it moves; so there is the
    loudness without these, too.
    """
    frame = pd.read_parquet(folder / "days.parquet")
    reference = frame[frame["day"] < 0]
    later = frame[frame["day"] >= 0]
    names = [name for name in frame.columns if name != "day"]
    evidently_shares = {int(day): share_drifted(reference[names], rows[names]) for day, rows in later.groupby("day")}
    start = pd.Timestamp("2000-01-01")
    stamped = frame.assign(timestamp=start + pd.to_timedelta(frame["day"] - frame["day"].min(), unit="D"))
    inside = stamped["day"] < 0
    calculator = nannyml_calculator(stamped[[*names]], timestamp_column_name="timestamp", chunk_period="D")
    calculator.fit(stamped.loc[inside, [*names, "timestamp"]])
    result = calculator.calculate(stamped.loc[~inside, [*names, "timestamp"]]).filter(period="analysis").to_df()
    numeric, _ = kinds_of(frame[names])
    alarms = np.zeros(len(result))
    loudest, without_bins = np.zeros(len(result)), np.zeros(len(result))
    for name in names:
        for method in CONTINUOUS if name in numeric else CATEGORICAL:
            part = result[(name, method)]
            alarms += part["alert"].to_numpy().astype(float)
            upper = part["upper_threshold"].to_numpy().astype(float)
            loudness = part["value"].to_numpy().astype(float) / np.maximum(upper, 1e-12)
            loudest = np.maximum(loudest, loudness)
            if name not in numeric or method != "jensen_shannon":
                without_bins = np.maximum(without_bins, loudness)
    return {
        "evidently_share": [evidently_shares[day] for day in sorted(evidently_shares)],
        "nannyml_alarms": alarms.tolist(),
        "nannyml_loudest": loudest.tolist(),
        "nannyml_without_bins": without_bins.tolist(),
        "days": sorted(evidently_shares),
    }


def estimates(folder: Path) -> dict[str, Any]:
    """CBPE and DLE on the packaged data; the data goes to files for ours to read."""
    loans, loan_analysis, _ = nannyml.load_synthetic_car_loan_dataset()
    prices, price_analysis, _ = nannyml.load_synthetic_car_price_dataset()
    frames = {"loans": loans, "loan_analysis": loan_analysis, "prices": prices, "price_analysis": price_analysis}
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    cbpe = nannyml.CBPE(
        y_pred_proba="y_pred_proba", y_pred="y_pred", y_true="repaid", problem_type="classification_binary",
        metrics=["roc_auc"], chunk_size=5000,
    )  # fmt: skip
    cbpe.fit(loans)
    classified = cbpe.estimate(loan_analysis).filter(period="analysis").to_df()
    features = [name for name in prices.columns if name not in ("y_pred", "y_true", "timestamp", "id")]
    dle = nannyml.DLE(
        feature_column_names=features, y_pred="y_pred", y_true="y_true", metrics=["mae", "rmse"], chunk_size=6000
    )
    dle.fit(prices)
    regressed = dle.estimate(price_analysis).filter(period="analysis").to_df()
    return {
        "roc_auc": _chunks(classified, "roc_auc"),
        "mae": _chunks(regressed, "mae"),
        "rmse": _chunks(regressed, "rmse"),
        "features": features,
    }


def _chunks(frame: pd.DataFrame, metric: str) -> list[dict[str, float]]:
    part = frame[metric]
    return [
        {"start": int(start), "end": int(end), "value": float(value), "error": float(error)}
        for start, end, value, error in zip(
            frame[("chunk", "start_index")], frame[("chunk", "end_index")], part["value"], part["sampling_error"],
            strict=True,
        )
    ]  # fmt: skip


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    answer = {"speed": speed, "days": days, "estimates": estimates}[what](folder)
    (folder / f"{what}.json").write_text(json.dumps(answer))
