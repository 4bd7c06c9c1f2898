"""A small use case with real signal, for everything that fits a model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from perennial.features.build import feature_frame
from perennial.performance.labels import truth_of
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.training import Candidate

START = datetime(2013, 1, 1, tzinfo=UTC)

CANDIDATES: dict[str, dict[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 12},
    "random_forest": {"n_estimators": 6, "max_depth": 6},
    "extra_trees": {"n_estimators": 6, "max_depth": 6},
    "linear": {},
    "dummy": {},
}


@dataclass(frozen=True)
class Problem:
    """A spec, rows with outcomes, and the same as model input."""

    spec: UseCase
    rows: pa.Table
    frame: pd.DataFrame
    truth: npt.NDArray[np.float64]


def candidate(estimator: str, parameters: dict[str, Any] | None = None) -> Candidate:
    return Candidate(name=estimator, estimator=estimator, parameters=parameters or CANDIDATES.get(estimator, {}))


def use_case(task: Task, **training: Any) -> UseCase:
    source = {"type": "files", "path": "data", "format": "parquet"}
    metric = "roc_auc" if task is Task.BINARY_CLASSIFICATION else "mae"
    return UseCase.model_validate(
        {
            "name": "trips",
            "title": "Trips",
            "owner": "team",
            "task": task,
            "schedule": {"start": "2013-01-01"},
            "source": source,
            "columns": {
                "id": {"kind": "integer", "role": "key"},
                "at": {"kind": "timestamp", "role": "event_time", "derive": ["hour", "weekday"]},
                "distance": {"kind": "numeric"},
                "noise": {"kind": "numeric"},
                "carrier": {"kind": "categorical"},
            },
            "labels": {"source": source, "column": "late", "arrival_time": "arrived", "mature_after": "P1D"},
            "training": {
                "history": "P60D",
                "holdout": "P14D",
                "metric": metric,
                "min_rows": 200,
                "seed": 7,
                "candidates": [{"name": "trees", "estimator": "hist_gradient_boosting"}],
                **training,
            },
        }
    )


def problem(task: Task, rows: int = 1_500) -> Problem:
    """Hourly rows; hour, distance and carrier matter, noise does not; a tenth of each feature is missing."""
    random = np.random.default_rng(3)
    at = [START + timedelta(hours=i) for i in range(rows)]
    distance, noise = random.normal(size=rows), random.normal(size=rows)
    carrier = random.choice(["UA", "AA", "DL", "9E"], size=rows)
    score = (
        distance + 1.5 * (carrier == "UA") + np.array([t.hour for t in at]) / 12 - 1.5 + random.normal(size=rows) / 2
    )
    late = (score > 0).astype(float) if task is Task.BINARY_CLASSIFICATION else score
    table = pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "distance": pa.array(distance, mask=random.random(rows) < 0.1),
            "noise": pa.array(noise, mask=random.random(rows) < 0.1),
            "carrier": pa.array(carrier, mask=random.random(rows) < 0.1),
            "late": late,
        }
    )
    spec = use_case(task)
    return Problem(spec, table, feature_frame(spec, table), truth_of(task, table.column("late")))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other make tiny fits slow on a busy machine."""
    with threadpool_limits(1, "openmp"):
        yield


@pytest.fixture(scope="session")
def problems() -> dict[Task, Problem]:
    """One problem of each kind."""
    return {task: problem(task) for task in Task}


@pytest.fixture(scope="session")
def make_candidate() -> Callable[..., Candidate]:
    """A candidate of the named estimator, small unless parameters say otherwise."""
    return candidate


@pytest.fixture(scope="session")
def make_use_case() -> Callable[..., UseCase]:
    """The problems' spec with other training settings."""
    return use_case
