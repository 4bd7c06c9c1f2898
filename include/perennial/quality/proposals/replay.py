"""What proposed expectations would have said of past windows.

Great Expectations takes some 4 ms for each expectation and window: a quarter of a minute for 30 windows of 50 columns.
The row rules answer as it does, for all rows at once (`perennial.quality.row_rules`; tests compare them), so they are
asked instead; the number of rows and the share that is missing go through the same rules. Tests compare the result with
what `perennial.quality.validate` says of each window.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from perennial.quality.row_rules import ROW_RULES, failing_rows
from perennial.spec.expectations import Expectation

COUNTED = "expect_table_row_count_to_be_between"
OF_COUNTS = ROW_RULES["expect_column_values_to_be_between"]

Unmet = npt.NDArray[np.bool_]


def unmet(expectations: Sequence[Expectation], windows: Sequence[pa.Table]) -> Unmet:
    """Which expectation (first axis) which window (second axis) does not meet.

    The windows hold conforming rows, one at least each. The expectations are about the number of rows or about single
    rows; `mostly` is a share of all rows of the window, as `expect_column_values_to_not_be_null` counts it.
    """
    rows = pa.concat_tables(windows)
    counts = np.array([window.num_rows for window in windows])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.array([_unmet(expectation, rows, counts, starts) for expectation in expectations], dtype=np.bool_)


def _unmet(
    expectation: Expectation, rows: pa.Table, counts: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]
) -> Unmet:
    if expectation.type == COUNTED:
        return OF_COUNTS(pd.Series(counts), expectation.kwargs)
    mostly = expectation.kwargs.get("mostly")
    each_row = {name: value for name, value in expectation.kwargs.items() if name != "mostly"}
    failing = np.add.reduceat(
        failing_rows(expectation.model_copy(update={"kwargs": each_row}), rows), starts, dtype=int
    )
    return np.asarray(failing > 0 if mostly is None else (counts - failing) / counts < mostly, dtype=np.bool_)
