"""From rows to model input: one way, the same in training and in scoring."""

from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import InvalidSpec, SchemaMismatch
from perennial.spec.models import Column, Kind, TimePart, UseCase


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
    return pd.DataFrame({name: features[name] for name in feature_names(spec)}, index=pd.RangeIndex(rows.num_rows))


def feature_names(spec: UseCase) -> list[str]:
    """The columns of `feature_frame`, in order: that of the spec, with a timestamp's parts as `<column>_<part>`.

    Errors: `InvalidSpec` when two features would have one name.
    """
    names = [name for group in feature_groups(spec).values() for name in group]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InvalidSpec(
            f"{spec.name}: two features are named {', '.join(doubled)}, a column and a part of a timestamp; "
            "rename the column."
        )
    return names


def feature_groups(spec: UseCase) -> dict[str, tuple[str, ...]]:
    """The features that each source column gives."""
    return {
        name: tuple(f"{name}_{part}" for part in column.derive) if column.kind is Kind.TIMESTAMP else (name,)
        for name, column in spec.feature_columns.items()
    }


def categorical_features(spec: UseCase) -> list[str]:
    """The features whose values are categories."""
    return [name for name, column in spec.feature_columns.items() if column.kind is Kind.CATEGORICAL]


def _features_of(name: str, column: Column, values: pa.ChunkedArray) -> dict[str, pd.Series]:
    if column.kind is Kind.TIMESTAMP:
        instants = values.cast(pa.timestamp("us", tz="UTC"))
        return {f"{name}_{part}": _numbers(_TIME_PARTS[part](instants)) for part in column.derive}
    if column.kind is Kind.CATEGORICAL:
        return {name: _categories(values)}
    return {name: _numbers(values)}


def _numbers(values: pa.ChunkedArray) -> pd.Series:
    # Integers beyond 2**53 lose their last digits: as model input that is no loss.
    return pd.Series(values.cast(pa.float64(), safe=False).to_numpy(), dtype="float64")


def _categories(values: pa.ChunkedArray) -> pd.Series:
    texts = pd.Series(values.cast(pa.string()).to_numpy(), dtype=object)
    # scikit-learn's encoders treat None as one more category, and only NaN as missing.
    return texts.where(texts.notna(), float("nan"))


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
