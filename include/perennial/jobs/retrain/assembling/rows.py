"""The rows of a training set, made of those of its windows."""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from perennial.jobs.retrain.assembling.labelled_windows import LabelledWindow
from perennial.records.training_set import WINDOW_COLUMN

ROWS_AT_ONCE = 10_000  # so many are put together at a time, which saves small windows most of what Arrow's calls take


def rows_of(windows: Sequence[LabelledWindow]) -> pa.Table:
    """The labelled rows as a training set has them, with the key of their window; as text it takes much memory."""
    numbers = np.repeat(np.arange(len(windows)), [each.labelled.num_rows for each in windows])
    keys = pa.array([each.part.window.key for each in windows], pa.string())
    rows = pa.concat_tables([each.labelled for each in windows])
    return rows.append_column(WINDOW_COLUMN, keys.take(pa.array(numbers)))


def taken_out(windows: deque[LabelledWindow]) -> Iterator[pa.Table]:
    """`rows_of` all of them, table by table; windows leave the deque, and so the memory, with their rows."""
    while windows:
        taken = [windows.popleft()]
        rows = taken[0].labelled.num_rows
        while windows and rows + windows[0].labelled.num_rows <= ROWS_AT_ONCE:
            taken.append(windows.popleft())
            rows += taken[-1].labelled.num_rows
        yield rows_of(taken)
