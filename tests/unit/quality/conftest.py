"""A small use case with a column of every kind, and rows for one of its windows."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from perennial.spec.expectations import Expectation
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.window import Window

START = datetime(2013, 3, 1, tzinfo=UTC)

COLUMNS = {
    "trip_id": {"kind": "integer", "role": "key"},
    "departure": {"kind": "timestamp", "role": "event_time"},
    "distance": {"kind": "numeric", "nullable": False},
    "fare": {"kind": "numeric"},
    "stops": {"kind": "integer"},
    "carrier": {"kind": "categorical"},
    "rainy": {"kind": "boolean"},
}

MakeUseCase = Callable[..., LoadedUseCase]
MakeRows = Callable[..., pa.Table]


def use_case_with(
    expectations: list[dict[str, Any]] | None = None, columns: dict[str, Any] | None = None, **quality: Any
) -> LoadedUseCase:
    source = {"type": "postgres", "connection": "warehouse", "query": "source.sql"}
    spec = UseCase.model_validate(
        {
            "name": "trips",
            "title": "Late trips",
            "owner": "ada@example.org",
            "task": "binary_classification",
            "schedule": {"every": "day", "start": date(2013, 3, 1)},
            "source": source,
            "columns": columns or COLUMNS,
            "labels": {
                "source": source,
                "column": "late",
                "arrival_time": "arrived",
                "mature_after": timedelta(days=1),
            },
            "quality": quality,
            "training": {
                "history": timedelta(days=60),
                "holdout": timedelta(days=14),
                "candidates": [{"name": "base", "estimator": "dummy"}],
                "metric": "roc_auc",
            },
        }
    )
    suite = tuple(Expectation.model_validate(expectation) for expectation in expectations or [])
    return LoadedUseCase(spec=spec, folder=Path("trips"), expectations=suite, queries={})


def rows_with(count: int = 10, **columns: list[Any] | pa.Array) -> pa.Table:
    """`count` ordinary rows of the window, with these columns instead of its own."""
    table = {
        "trip_id": pa.array(range(count), pa.int64()),
        "departure": pa.array([START + timedelta(minutes=i) for i in range(count)], pa.timestamp("us", "UTC")),
        "distance": pa.array([100.0 + i for i in range(count)], pa.float64()),
        "fare": pa.array([10.5] * count, pa.float64()),
        "stops": pa.array([i % 3 for i in range(count)], pa.int64()),
        "carrier": pa.array([("AA", "DL", "UA")[i % 3] for i in range(count)], pa.string()),
        "rainy": pa.array([i % 2 == 0 for i in range(count)], pa.bool_()),
    }
    given = {
        name: pa.array(values, table[name].type) if isinstance(values, list) else values
        for name, values in columns.items()
    }
    return pa.table(table | given)


def rows_of(case: dict[str, Any]) -> pa.Table:
    """The rows that a golden case is about."""
    count = case.get("rows", 10)
    rows = rows_with(count)
    changed = {name: [value] * count for name, value in case.get("all", {}).items()}
    for name, values in case.get("columns", {}).items():
        changed[name] = [*values, *rows.column(name).to_pylist()[len(values) :]]
    rows = rows_with(count, **changed).drop_columns(case.get("drop", []))
    return rows.rename_columns([case.get("rename", {}).get(name, name) for name in rows.column_names])


@pytest.fixture(scope="session")
def window() -> Window:
    return Window(START, START + timedelta(days=1))


@pytest.fixture(scope="session")
def make_use_case() -> MakeUseCase:
    return use_case_with


@pytest.fixture(scope="session")
def make_rows() -> MakeRows:
    return rows_with


@pytest.fixture(scope="session")
def spec() -> UseCase:
    return use_case_with().spec
