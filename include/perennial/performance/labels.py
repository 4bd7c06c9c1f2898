"""Outcomes as they were known at a time."""

from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch
from perennial.spec.names import Task


def active_labels(labels: pa.Table, *, key: str, label: str, arrival: str, as_of: datetime) -> pa.Table:
    """The outcome of each entity that was in force at `as_of`: the last that had arrived by then, ordered by `key`.

    A null outcome that arrived last withdraws the earlier one. Of outcomes that arrived at one instant the greatest
    counts, so that the answer doesn't depend on the order of rows. Rows without key or arrival time don't count.
    """
    arrived = labels.filter(pc.less_equal(labels.column(arrival), _like(as_of, labels.column(arrival).type)))
    arrived = arrived.filter(pc.is_valid(arrived.column(key)))
    if arrived.num_rows == 0:
        return arrived
    order = [(name, "ascending", "at_start") for name in (key, arrival, label)]
    arrived = arrived.take(pc.sort_indices(arrived, sort_keys=order))
    keys = arrived.column(key).combine_chunks()
    last = np.ones(len(keys), dtype=bool)
    last[:-1] = pc.not_equal(keys[:-1], keys[1:]).to_numpy(zero_copy_only=False)
    active = arrived.filter(pa.array(last))
    return active.filter(pc.is_valid(active.column(label)))


def join_labels(rows: pa.Table, labels: pa.Table, key: str) -> pa.Table:
    """The rows that have a label, in their order, with the other columns of `labels` beside theirs.

    `labels` has each key once, as `active_labels` gives it.
    """
    at = pc.index_in(rows.column(key), value_set=labels.column(key).cast(rows.column(key).type).combine_chunks())
    labelled = rows.filter(pc.is_valid(at))
    found = labels.take(pc.drop_null(at))
    for name in labels.column_names:
        if name != key:
            labelled = labelled.append_column(name, found.column(name))
    return labelled


def truth_of(task: Task, labels: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Outcomes as numbers, shape (rows,): 0 and 1 for classification, the value for regression.

    Errors: `SchemaMismatch` when they are not numbers, or not 0 and 1 (false and true) for classification.
    """
    try:
        truth = np.asarray(labels.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaMismatch(f"Labels must be numbers or booleans; these are {labels.type}: {error}.") from error
    if not np.isfinite(truth).all():
        raise SchemaMismatch("Some labels are missing or infinite; only rows that have a finite label can be judged.")
    if task is Task.BINARY_CLASSIFICATION and not np.isin(truth, (0, 1)).all():
        strange = sorted(set(truth[~np.isin(truth, (0, 1))].tolist()))[:5]
        raise SchemaMismatch(
            f"The labels of a binary classification are 0 and 1, or false and true; found {strange}. "
            "Correct the labels' query, or make the task a regression."
        )
    return truth


def _like(instant: datetime, type_: pa.DataType) -> pa.Scalar:
    if type_.tz is None:
        raise SchemaMismatch(f"Arrival times need a time zone; this column is {type_}. Select them with one.")
    return pa.scalar(instant, pa.timestamp("us", tz="UTC")).cast(pa.timestamp(type_.unit, tz=type_.tz), safe=False)
