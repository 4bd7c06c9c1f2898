"""The rules that hold for every row of every use case, without being asked for.

| rule | what it catches |
| --- | --- |
| required(column) | no value in a column with `nullable: false`; key and event time always are |
| short_key(column) | a key of more than 1,000 bytes: the published table's index could not hold it |
| unique_key(column) | a key that another row of the window has too: all of them, since nothing tells which is right |
| finite(column) | plus or minus infinity in a numeric column |
| in_window(column) | an event time outside the window |
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.row_rules import Mask
from perennial.spec.models import Kind, UseCase
from perennial.window import Window

LONGEST_KEY = 1_000  # bytes; PostgreSQL refuses index entries of more than about 2,700


def integrity_rules(spec: UseCase, rows: pa.Table, window: Window) -> Iterator[tuple[str, Mask]]:
    """Each rule's name, and which of the conforming rows it catches."""
    for name, column in spec.columns.items():
        if not column.nullable:
            yield f"required({name})", _mask(pc.is_null(rows.column(name)))
    if spec.columns[spec.key].kind is Kind.CATEGORICAL:
        yield f"short_key({spec.key})", _mask(pc.greater(pc.binary_length(rows.column(spec.key)), LONGEST_KEY))
    yield f"unique_key({spec.key})", doubled(rows.column(spec.key))
    for name, column in spec.columns.items():
        if column.kind is Kind.NUMERIC:
            yield f"finite({name})", _mask(pc.is_inf(rows.column(name)))
    yield f"in_window({spec.event_time})", outside_window(spec, rows, window)


def outside_window(spec: UseCase, rows: pa.Table, window: Window) -> Mask:
    """Which conforming rows have an event time outside the window; a row without one is not among them."""
    times = rows.column(spec.event_time)
    early = pc.less(times, pa.scalar(window.start, times.type))
    late = pc.greater_equal(times, pa.scalar(window.end, times.type))
    return _mask(pc.or_(early, late))


def doubled(values: pa.ChunkedArray) -> Mask:
    """Which values occur more than once; missing ones never do."""
    counts = values.value_counts()
    several = counts.field("values").filter(pc.greater(counts.field("counts"), 1)).drop_null()
    return _mask(pc.is_in(values, value_set=several))


def _mask(answers: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(answers, fill_value=False).to_numpy(), dtype=np.bool_)
