"""Rows and arguments as expectations see them: pandas, with values that can be compared."""

from collections.abc import Container, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from perennial.errors import InvalidWindow
from perennial.window import parse_instant


def to_frame(rows: pa.Table, nullable: Container[str] = ()) -> pd.DataFrame:
    """The rows with pandas' own dtypes; columns in `nullable` have those of columns with missing values.

    Integers with missing values become `Int64`, not floats: 17 stays "17" for a regex, and no digit is lost.
    """
    return pd.DataFrame({name: to_series(rows.column(name), nullable=name in nullable) for name in rows.column_names})


def to_series(values: pa.ChunkedArray, *, nullable: bool = False) -> pd.Series:
    """One column of the frame; with `nullable`, with the dtype that it has where values are missing."""
    nullable = nullable or values.null_count > 0
    if pa.types.is_integer(values.type) and nullable:
        series: pd.Series = values.to_pandas(types_mapper=lambda _: pd.Int64Dtype())
    elif pa.types.is_boolean(values.type) and nullable:
        series = values.to_pandas().astype(object)
    else:
        series = values.to_pandas()
    return series


def depends_on_nulls(kind: pa.DataType) -> bool:
    """Whether columns of that type have another dtype in pandas where values are missing."""
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


_COMPARED = ("min_value", "max_value", "value_set")


def comparable_arguments(arguments: Mapping[str, Any], column: Any) -> dict[str, Any]:
    """The arguments as they can be compared with values of the dtype `column`.

    For a column of timestamps, dates and texts become instants in UTC; other arguments and columns stay as they are.
    Great Expectations would compare a bare date with a timestamp, which pandas refuses. Errors: `ValueError` for a
    text that is no date or time.
    """
    if not isinstance(column, pd.DatetimeTZDtype):
        return dict(arguments)
    return {name: _instants(value) if name in _COMPARED else value for name, value in arguments.items()}


def _instants(value: Any) -> Any:
    if isinstance(value, list):
        return [_instants(item) for item in value]
    if isinstance(value, str):
        try:
            return parse_instant(value)
        except InvalidWindow as error:
            raise ValueError(str(error)) from error
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value
