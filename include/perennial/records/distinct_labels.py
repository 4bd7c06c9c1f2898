"""Labels that arrived, together with those that were known: each one once, also where they don't fit in memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.joining import grouped
from perennial.ordered import CHUNK_ROWS, OrderedRows, OrderedTable, ordered
from perennial.performance.labels import contradicting


def in_memory(arrived: pa.Table, known: pa.Table) -> pa.Table:
    """The labels of both tables, each once, in whatever order."""
    together = arrived if known.num_rows == 0 else pa.concat_tables([known.select(arrived.column_names), arrived])
    return together.group_by(together.column_names).aggregate([]).select(arrived.column_names)


@contextmanager
def distinct(arrived: OrderedRows, known: OrderedRows) -> Iterator[OrderedRows]:
    """The labels of both, each once, in canonical order; they are there until the end of the block.

    Many are sorted outside of memory. Errors: as `perennial.ordered.ordered`.
    """
    if arrived.num_rows + known.num_rows <= CHUNK_ROWS:
        yield OrderedTable.of(in_memory(arrived.table(), known.table()))
        return
    names = arrived.schema.names
    before = (chunk.select(names) for chunk in known.chunks())
    with ordered(chain(before, arrived.chunks())) as together, ordered(_without_repeats(together.chunks())) as found:
        yield found


def _without_repeats(chunks: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Rows in canonical order, each once: those that are equal follow each other."""
    last: pa.Table | None = None
    for chunk in chunks:
        rows = (chunk if last is None else pa.concat_tables([last, chunk])).combine_chunks()
        fresh = np.ones(rows.num_rows, dtype=np.bool_)
        fresh[0] = last is None
        fresh[1:] = ~_equal_to_the_next(rows)
        yield rows.filter(pa.array(fresh))
        last = rows.slice(rows.num_rows - 1).take([0])  # a copy, which does not keep all others in memory


def _equal_to_the_next(rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For each row but the last whether the next one is the same; a null is the same as a null."""
    same = np.ones(max(rows.num_rows - 1, 0), dtype=np.bool_)
    for name in rows.column_names:
        values = rows.column(name)
        this, following = values[:-1], values[1:]
        both_null = pc.and_(pc.is_null(this), pc.is_null(following))
        same &= pc.or_(pc.fill_null(pc.equal(this, following), fill_value=False), both_null).to_numpy()
    return same


def all_contradicting(labels: OrderedRows, *, key: str, label: str, arrival: str) -> tuple[int, object]:
    """How many keys `contradicting` finds, and the first of them; None where there is none."""
    names = {"key": key, "label": label, "arrival": arrival}
    if isinstance(labels, OrderedTable):
        found = [contradicting(labels.table(), **names)]
    else:
        found = [keys for each in grouped(labels.chunks(), key) if len(keys := contradicting(each, **names))]
    return sum(map(len, found)), next((keys[0] for keys in found if len(keys)), None)
