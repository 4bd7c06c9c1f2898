"""Two sets of rows side by side by their key, neither of which need fit in memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from perennial.ordered import OrderedRows, OrderedTable, ordered

_FIRST = "\x01key"  # sorts before the names of columns, so that rows are sorted by their key


def with_columns_of(rows: pa.Table, others: pa.Table, key: str) -> pa.Table:
    """The rows whose key is among those of `others`, in their order, with the other columns of `others` beside theirs.

    `others` has each key once.
    """
    at = pc.index_in(rows.column(key), value_set=others.column(key).cast(rows.column(key).type).combine_chunks())
    matched = rows.filter(pc.is_valid(at))
    found = others.take(pc.drop_null(at))
    for name in others.column_names:
        if name != key:
            matched = matched.append_column(name, found.column(name))
    return matched


def joined(rows: Iterable[pa.Table], others: OrderedRows, key: str, columns: list[str]) -> Iterator[pa.Table]:
    """`with_columns_of` of rows that come in chunks, with these columns of `others`; both have each key once.

    Where `others` are few, the rows keep their order. Else both are sorted by key outside of memory, and come in the
    order of their keys.
    """
    if isinstance(others, OrderedTable):
        known = others.table([key, *columns])
        yield from (with_columns_of(chunk, known, key) for chunk in rows)
        return
    with _by_key(rows, key) as mine, _by_key(others.chunks([key, *columns]), key) as theirs:
        ahead = theirs.chunks()
        known = theirs.schema.empty_table()
        for chunk in mine.chunks():
            last = chunk.column(_FIRST)[-1]
            while known.num_rows == 0 or pc.less(known.column(_FIRST)[-1], last).as_py():
                more = next(ahead, None)
                if more is None:
                    break
                known = pa.concat_tables([known, more])
            found = with_columns_of(chunk, known, _FIRST)
            yield _named(found, key)
            known = known.filter(pc.greater(known.column(_FIRST), last))


def grouped(rows: Iterable[pa.Table], key: str) -> Iterator[pa.Table]:
    """The rows in the order of their keys, sorted outside of memory, in chunks. All rows of a key are in one chunk."""
    with _by_key(rows, key) as sorted_rows:
        held = sorted_rows.schema.empty_table()
        for chunk in sorted_rows.chunks():
            together = pa.concat_tables([held, chunk])
            keys = together.column(_FIRST)
            last = pc.is_in(keys, value_set=keys[-1:].combine_chunks())  # more of its rows may follow
            yield _named(together.filter(pc.invert(last)), key)
            held = together.filter(last)
        if held.num_rows:
            yield _named(held, key)


def _named(rows: pa.Table, key: str) -> pa.Table:
    return rows.rename_columns([key if name == _FIRST else name for name in rows.column_names])


@contextmanager
def _by_key(chunks: Iterable[pa.Table], key: str) -> Iterator[OrderedRows]:
    def renamed() -> Iterator[pa.Table]:
        for chunk in chunks:
            yield chunk.rename_columns([_FIRST if name == key else name for name in chunk.column_names])

    with ordered(renamed()) as rows:
        yield rows
