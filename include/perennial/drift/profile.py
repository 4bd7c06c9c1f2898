"""What one window's columns look like, in numbers small enough to keep for every window."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from perennial.drift.values import Categories, Numbers, Values, read_column
from perennial.errors import SchemaMismatch
from perennial.spec.models import Kind

PROBABILITIES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
TOP_CATEGORIES = 20


@dataclass(frozen=True)
class NumericProfile:
    """A numeric column of a window.

    `missing` counts nulls, `non_finite` NaN and infinities; the rest describes the other values. `quantiles` are at
    `PROBABILITIES` (type 7 of Hyndman and Fan, 1996); `sd` is the sample standard deviation (n - 1).
    Without a value, all of them are None and `quantiles` is empty; with one value, `sd` is None.
    """

    rows: int
    missing: int
    non_finite: int
    mean: float | None
    sd: float | None
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class CategoricalProfile:
    """A categorical or boolean column of a window: its `TOP_CATEGORIES` most frequent values, and all `other`."""

    rows: int
    missing: int
    distinct: int
    top: dict[str, int]
    other: int


@dataclass(frozen=True)
class WindowProfile:
    """All profiled columns of a window."""

    rows: int
    numeric: dict[str, NumericProfile]
    categorical: dict[str, CategoricalProfile]

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON object."""
        value: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "WindowProfile":
        """The profile that `to_json` wrote. Errors: `SchemaMismatch` when it is not one."""
        try:
            return _ADAPTER.validate_python(dict(value))
        except ValidationError as error:
            raise SchemaMismatch(f"This is not a window's profile; monitor the window again: {error}") from error


_ADAPTER: TypeAdapter[WindowProfile] = TypeAdapter(WindowProfile)


def profile(rows: pa.Table, columns: Mapping[str, Kind]) -> WindowProfile:
    """Summarise the named columns of a window.

    Errors: `SchemaMismatch` when a column is not there or holds another kind of values.
    """
    numeric: dict[str, NumericProfile] = {}
    categorical: dict[str, CategoricalProfile] = {}
    for name, kind in columns.items():
        values: Values = read_column(rows, name, kind)
        if isinstance(values, Numbers):
            numeric[name] = _numeric(values)
        else:
            categorical[name] = _categorical(values)
    return WindowProfile(rows.num_rows, numeric, categorical)


def _numeric(column: Numbers) -> NumericProfile:
    values = column.values
    return NumericProfile(
        rows=column.rows,
        missing=column.missing,
        non_finite=column.non_finite,
        mean=float(values.mean()) if values.size else None,
        sd=float(values.std(ddof=1)) if values.size > 1 else None,
        quantiles=tuple(float(q) for q in np.quantile(values, PROBABILITIES)) if values.size else (),
    )


def _categorical(column: Categories) -> CategoricalProfile:
    top = dict(list(column.counts.items())[:TOP_CATEGORIES])
    present = column.rows - column.missing
    return CategoricalProfile(column.rows, column.missing, len(column.counts), top, present - sum(top.values()))
