"""Canonical Arrow rows as the pandas frame that expectations see."""

import pandas as pd
import pyarrow as pa


def to_frame(rows: pa.Table) -> pd.DataFrame:
    """The rows with pandas' own dtypes.

    Integers with missing values become `Int64`, not floats: 17 stays "17" for a regex, and no digit is lost.
    """
    return pd.DataFrame({name: to_series(rows.column(name)) for name in rows.column_names})


def to_series(values: pa.ChunkedArray) -> pd.Series:
    """One column of the frame."""
    if pa.types.is_integer(values.type) and values.null_count:
        series: pd.Series = values.to_pandas(types_mapper=lambda _: pd.Int64Dtype())
    else:
        series = values.to_pandas()
    return series
