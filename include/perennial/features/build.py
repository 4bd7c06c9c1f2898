"""From rows to model input: one way, the same in training and in scoring."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch
from perennial.grouping import numbered
from perennial.spec.columns import Column, Kind, TimePart
from perennial.spec.models import UseCase
from perennial.wording import WITHHELD

# Forests compute in single precision, and squares of anything much larger leave double precision.
LARGEST_FEATURE = float(np.finfo(np.float32).max)
_CATEGORY, _NUMBER = "a category", "a number"


def feature_frame(spec: UseCase, rows: pa.Table) -> pd.DataFrame:
    """The features of `rows`: one row each, in their order, and the columns of `feature_names`.

    Numbers, integers and booleans become float64 with NaN for null. Categories are str in object columns, and NaN
    for null. Of a timestamp only its derived parts remain, read in UTC, as float64. Every value depends on its own
    row alone. Errors: `SchemaMismatch` when a feature's column is missing or can't be read as its kind.
    """
    missing = [name for name in spec.feature_columns if name not in rows.column_names]
    if missing:
        raise SchemaMismatch(
            f"The features of {spec.name} need the columns {', '.join(missing)}, which the rows don't have; "
            f"they have {', '.join(rows.column_names) or 'none'}."
        )
    features: dict[str, pd.Series] = {}
    for name, column in spec.feature_columns.items():
        try:
            features.update(_features_of(name, column, rows.column(name)))
        except pa.ArrowInvalid as error:
            raise SchemaMismatch(
                f"Column {name} of {spec.name} is {column.kind}, but its values ({rows.column(name).type}) "
                f"can't be read as that: {error}. Correct the column's kind or its source."
            ) from error
    return _frame({name: features[name] for name in feature_names(spec)}, rows.num_rows)


def example_rows(spec: UseCase, rows: pa.Table, most: int) -> pa.Table:
    """The first `most` rows for others to look at: of personal columns, `withheld` in a text's place, and no value in
    that of anything else.
    """
    example = rows.slice(0, most)
    for name in spec.personal_columns:
        if name in example.column_names:
            at, kind = example.column_names.index(name), example.schema.field(name).type
            withheld = pa.repeat(WITHHELD, example.num_rows).cast(kind) if pa.types.is_string(kind) else None
            nothing = pa.nulls(example.num_rows, kind) if withheld is None else withheld
            example = example.set_column(at, pa.field(name, kind), nothing)
    return example


def feature_names(spec: UseCase) -> list[str]:
    """The columns of `feature_frame`, in order: that of the spec, with a timestamp's parts as `<column>_<part>`."""
    return [name for group in feature_groups(spec).values() for name in group]


def feature_groups(spec: UseCase) -> dict[str, tuple[str, ...]]:
    """The features that each source column gives."""
    return {
        name: tuple(f"{name}_{part}" for part in column.derive) if column.kind is Kind.TIMESTAMP else (name,)
        for name, column in spec.feature_columns.items()
    }


def categorical_features(spec: UseCase) -> list[str]:
    """The features whose values are categories."""
    return [name for name, column in spec.feature_columns.items() if column.kind is Kind.CATEGORICAL]


def too_large(spec: UseCase, rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """For each numeric feature with such values, in which rows it is beyond `LARGEST_FEATURE`, as booleans."""
    numeric = [name for name, column in spec.feature_columns.items() if column.kind is Kind.NUMERIC]
    found = {
        name: pc.fill_null(pc.greater(pc.abs(rows.column(name)), LARGEST_FEATURE), fill_value=False)
        for name in numeric
        if name in rows.column_names
    }
    return {name: mask for name, mask in found.items() if pc.any(mask).as_py()}


def frame_of(features: Sequence[str], categorical: Collection[str], rows: pa.Table) -> pd.DataFrame:
    """The named features of `rows`, as `feature_frame` makes them: what a model needs, whatever the spec says today.

    Errors: `SchemaMismatch` when `unavailable` names any of them.
    """
    types = {field.name: str(field.type) for field in rows.schema}
    if lacking := unavailable(features, categorical, types):
        raise SchemaMismatch(f"The rows don't have what the model was trained on: {'; '.join(lacking.values())}.")
    return _frame({name: _feature(name, name in categorical, rows) for name in features}, rows.num_rows)


def unavailable(features: Sequence[str], categorical: Collection[str], columns: Mapping[str, str]) -> dict[str, str]:
    """The features that rows with these columns (name to Arrow type) can't give, each with why not."""
    found = {}
    for name in features:
        kind = columns.get(name)
        if kind is None:
            if _timestamp_and_part(name, columns) is None:
                found[name] = f"{name} is not among the columns"
        elif kind != "null" and _sort_of(kind) != (sort := _CATEGORY if name in categorical else _NUMBER):
            found[name] = f"{name} was {sort} and is now {_sort_of(kind)}"
    return found


def _sort_of(kind: str) -> str:
    if "string" in kind:
        return _CATEGORY
    return "a timestamp" if kind.startswith("timestamp") else _NUMBER


def _feature(name: str, is_category: bool, rows: pa.Table) -> pd.Series:
    if name in rows.column_names:
        return _categories(rows.column(name)) if is_category else _numbers(rows.column(name))
    derived = _timestamp_and_part(name, {field.name: str(field.type) for field in rows.schema})
    assert derived is not None, "unavailable features were refused"
    column, part = derived
    return _numbers(_TIME_PARTS[part](rows.column(column).cast(pa.timestamp("us", tz="UTC"))))


def _timestamp_and_part(feature: str, columns: Mapping[str, str]) -> tuple[str, TimePart] | None:
    """The timestamp, and the part of it, that a feature named `<column>_<part>` is read off."""
    for part in TimePart:
        column = feature.removesuffix(f"_{part}")
        if column != feature and columns.get(column, "").startswith("timestamp"):
            return column, part
    return None


def _frame(features: Mapping[str, pd.Series], rows: int) -> pd.DataFrame:
    """The features side by side, as they lie in memory: numbers without a null may be those of the rows themselves."""
    return pd.DataFrame(dict(features), index=pd.RangeIndex(rows), copy=False)


def _features_of(name: str, column: Column, values: pa.ChunkedArray) -> dict[str, pd.Series]:
    if column.kind is Kind.TIMESTAMP:
        instants = values.cast(pa.timestamp("us", tz="UTC"))
        return {f"{name}_{part}": _numbers(_TIME_PARTS[part](instants)) for part in column.derive}
    if column.kind is Kind.CATEGORICAL:
        return {name: _categories(values)}
    return {name: _numbers(values)}


def _numbers(values: pa.ChunkedArray) -> pd.Series:
    # Integers beyond 2**53 lose their last digits: as model input that is no loss.
    return pd.Series(values.cast(pa.float64(), safe=False).to_numpy(), dtype="float64", copy=False)


def _categories(values: pa.ChunkedArray) -> pd.Series:
    distinct, of_row = numbered(values.cast(pa.string()))  # so that rows share the texts: each would take 60 bytes
    # scikit-learn's encoders treat None as one more category, and only NaN as missing.
    texts = np.array([float("nan") if each is None else each for each in distinct], dtype=object)
    return pd.Series(texts[of_row], dtype=object, copy=False)


def _minute_of_day(instants: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.add(pc.multiply(pc.hour(instants), 60), pc.minute(instants))


_TIME_PARTS: dict[TimePart, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    TimePart.HOUR: pc.hour,
    TimePart.MINUTE_OF_DAY: _minute_of_day,
    TimePart.WEEKDAY: pc.day_of_week,
    TimePart.DAY_OF_MONTH: pc.day,
    TimePart.DAY_OF_YEAR: pc.day_of_year,
    TimePart.MONTH: pc.month,
}
