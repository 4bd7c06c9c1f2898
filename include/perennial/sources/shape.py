"""From what a source answers to rows as the spec knows them: its column names, in canonical types."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.columns import Undecodable, Unfit, canonical_column
from perennial.quality.schema import name_problems, raise_misfits
from perennial.quality.texts import Canonical
from perennial.quality.unread import BAD_CELLS, bad_cells
from perennial.spec.columns import Column

ReadColumn = Callable[[str, Column, pa.ChunkedArray], Canonical]
"""How a source's values of a column become canonical. Errors: `Unfit`."""


@dataclass(frozen=True)
class Shape:
    """The columns that the spec knows. `timezone` is that of naive times; columns that are not declared are left out,
    or with `refuse_others` kept, to be refused with everything else that is wrong. Those `beside` are declared, but as
    something else: outcomes in the files of rows. They are left out without a word.
    """

    columns: Mapping[str, Column] = field(default_factory=dict)
    timezone: str | None = None
    refuse_others: bool = False
    beside: frozenset[str] = frozenset()

    def renamed(self, names: Sequence[str]) -> list[str]:
        """The names as the spec knows them, in the same order."""
        known = {column.from_: name for name, column in self.columns.items() if column.from_}
        return [known.get(name, name) for name in names]

    def shared(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Pairs of a column of the source and a name in the spec that `renamed` leaves out, because another name has
        the column, too: outcomes that are known at the event have its time for both.
        """
        taken = set(self.renamed(names))
        sources = {name: column.from_ or name for name, column in self.columns.items()}
        return [(there, name) for name, there in sources.items() if name not in taken and there in names]

    def others(self, names: Sequence[str]) -> list[str]:
        """Those of the (renamed) columns that are left out. None is left out while a declared column is missing, so
        that a message can name the one that may be meant.
        """
        if self.refuse_others or not self.columns.keys() <= set(names) or not self.columns:
            return [name for name in names if name in self.beside and name not in self.columns]
        return [name for name in names if name not in self.columns]

    def canonical(self, rows: pa.Table, origin: str, read: ReadColumn | None = None) -> pa.Table:
        """The (renamed) rows in canonical types, with `bad_cells` where there are any.

        Columns that are not declared stay as they are. Errors: `SchemaMismatch` and `UndecodableText`, which name
        `origin` and everything that is wrong.
        """
        read = read or self.read
        problems, unreadable = [], []
        columns: list[pa.ChunkedArray] = []
        unread: dict[str, pa.Array | None] = {}
        for name, values in zip(rows.column_names, rows.columns, strict=True):
            if name not in self.columns:
                columns.append(values)
                continue
            try:
                canonical = read(name, self.columns[name], values)
            except Undecodable as error:
                unreadable.append(f"column {name} {error}")
            except Unfit as error:
                problems.append(f"column {name} {error}")
            except pa.ArrowNotImplementedError:
                kind = self.columns[name].kind
                problems.append(f"column {name} is declared {kind} and holds {values.type}; cast it at the source")
            else:
                columns.append(canonical.values)
                unread[name] = canonical.unread
        if problems or unreadable:
            problems = name_problems(self.columns, rows.column_names, refuse_others=self.refuse_others) + problems
        raise_misfits(f"{origin}: its rows", problems, unreadable)
        shaped = pa.Table.from_arrays(columns, rows.column_names)
        bad = bad_cells(unread, None)
        return shaped if bad is None else shaped.append_column(BAD_CELLS, bad)

    def read(self, _: str, column: Column, values: pa.ChunkedArray) -> Canonical:
        """Typed values, as Parquet and tables in memory have them."""
        return canonical_column(column, values, self.timezone)

    def having(self, rows: pa.Table, key: str, keys: pa.Array) -> pa.Table:
        """The rows, in canonical types, whose key is one of `keys`."""
        return rows.filter(pc.is_in(rows.column(key), value_set=keys.cast(rows.column(key).type)))
