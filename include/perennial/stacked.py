"""Tables of one schema one below the other: what is computed row by row is computed once for thousands of small ones.

What a call of Arrow costs whatever the number of rows is then shared by all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from perennial.digest import canonical, canonical_digest, digest_each

_MOST_BYTES = 2**31 - 1  # an array of text can't hold more
_NUMBER = "\x01table"  # sorts before the names of columns, so that the rows of a table stay together

Numbers: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Stack:
    """The rows of all tables; `numbers` says of each row which table it is of, and does not fall."""

    rows: pa.Table
    numbers: Numbers
    tables: int

    def counts(self) -> list[int]:
        """How many rows each table has."""
        counted: list[int] = np.bincount(self.numbers, minlength=self.tables).tolist()
        return counted

    def of(self, rows: pa.Table) -> "Stack":
        """These rows in the places of the stack's."""
        return Stack(rows, self.numbers, self.tables)

    def filter(self, kept: Mask) -> "Stack":
        """The rows that are kept, each still of its table."""
        return self if kept.all() else Stack(self.rows.filter(pa.array(kept)), self.numbers[kept], self.tables)

    def apart(self) -> list[pa.Table]:
        """The tables again: views of the stack's memory, of one chunk each."""
        rows, found, first = self.rows.combine_chunks(), [], 0
        for count in self.counts():
            found.append(rows.slice(first, count))
            first += count
        return found


def stacked(tables: Sequence[pa.Table]) -> Stack | None:
    """The tables below each other, in one chunk, since a call of Arrow costs about the same for each; None where there
    are none, or their columns or types differ.
    """
    if not tables or any(each.schema != tables[0].schema for each in tables[1:]):
        return None
    counts = [each.num_rows for each in tables]
    return Stack(pa.concat_tables(tables).combine_chunks(), np.repeat(np.arange(len(tables)), counts), len(tables))


def canonical_each(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """`canonical` of each. Errors: as there."""
    stack = stacked(tables) if len(tables) > 1 else None
    if stack is None or _NUMBER in stack.rows.column_names:
        return [canonical(each) for each in tables]
    ordered = canonical(stack.rows.append_column(_NUMBER, pa.array(stack.numbers)))
    return stack.of(ordered.drop_columns([_NUMBER])).apart()


def canonical_digest_each(tables: Sequence[pa.Table]) -> list[str]:
    """`canonical_digest` of each of the tables, which `canonical` returned."""
    stack = stacked(tables) if len(tables) > 1 else None
    if stack is None or stack.rows.nbytes > _MOST_BYTES:
        return [canonical_digest(each) for each in tables]
    return digest_each(stack.rows, stack.counts())
