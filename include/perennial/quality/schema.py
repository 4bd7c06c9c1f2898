"""What may enter: exactly the declared columns, in canonical types, inside the window.

Two kinds of trouble, two answers. **Structure is refused**: a column that is missing, doubled, undeclared or of the
wrong kind means that the spec and the source disagree about all rows, and text that can't be stored can't be set aside
either; nothing is lost, because the source still has it. **Rows are set aside**: a missing or doubled key, a value
missing where one is required, a cell that can't be read, an infinite number or a time outside the window says something
about one row; it goes to quarantine with the rule that caught it (see `perennial.quality.row_rules`) while the others
are scored, until so many rows are caught that the window fails as a whole. A column of which no cell can be read is
a matter of structure again: its kind is wrong, or the way the source is read.

A window's rows lie in the window because the query or the path says so. A few rows outside it are therefore bad rows;
more of them than the spec's share of quarantined rows mean that the query ignores the window (see `Restricted`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch, UndecodableText
from perennial.quality.columns import ARROW_TYPES, Nul, Undecodable, Unfit, canonical_column
from perennial.quality.row_rules import outside_window
from perennial.quality.texts import UTC
from perennial.quality.unread import BAD_CELLS, bad_cells, first_unread, unread_in
from perennial.spec.columns import Column
from perennial.spec.models import UseCase
from perennial.spec.problems import LineOf, Location, listed, nearest, shown_name
from perennial.window import Window

_MOST_NAMES = 20


def canonical_schema(spec: UseCase) -> pa.Schema:
    """The declared columns in the spec's order, in canonical types."""
    return pa.schema([(name, ARROW_TYPES[column.kind]) for name, column in spec.columns.items()])


def conform(spec: UseCase, rows: pa.Table, line_of: LineOf | None = None) -> pa.Table:
    """The same rows with exactly the declared columns, in the spec's order and in canonical types; and `bad_cells`
    (see `perennial.quality.unread`) where there are any.

    Conforming twice is conforming once. Errors: `SchemaMismatch`, `UndecodableText`; either lists everything that is
    wrong, not only the first thing found, and with `line_of` the lines of the spec to change.
    """
    conforming = Conforming(spec, line_of)
    conformed = conforming.take(rows)
    conforming.finish()
    assert conformed is not None, "`finish` raises what is wrong"
    return conformed


class Conforming:
    """`conform` for rows that come in parts and are not held: what is wrong is told of all of them, in the end.

    Every part is taken by its own types; a source gives all parts in canonical ones, or has one part.
    """

    def __init__(self, spec: UseCase, line_of: LineOf | None = None) -> None:
        self.rows = 0  # taken so far
        self._spec = spec
        self._line_of = line_of
        self._names: dict[str, None] = {}  # what is wrong with the names
        self._unfit: dict[str, Unfit] = {}  # what is wrong with a column
        self._nuls: Counter[str] = Counter()
        self._silent = {name: _Silent() for name in spec.columns}  # columns without any value so far

    def take(self, rows: pa.Table) -> pa.Table | None:
        """The part, conforming; None where it does not conform, and where one before did not: `finish` says why."""
        spec = self._spec
        self.rows += rows.num_rows
        found = [name for name in rows.column_names if name != BAD_CELLS]
        refuse_others = spec.source.other_columns == "refuse"
        self._names.update(dict.fromkeys(name_problems(spec.columns, found, refuse_others=refuse_others)))
        columns: list[pa.ChunkedArray] = []
        unread: dict[str, pa.Array | None] = {}
        for name, column in spec.columns.items():
            if rows.column_names.count(name) != 1:
                continue
            try:
                canonical = canonical_column(column, rows.column(name), spec.source.timezone)
            except Nul as error:
                self._nuls[name] += error.count
            except Unfit as error:
                self._unfit.setdefault(name, error)
            else:
                columns.append(canonical.values)
                unread[name] = canonical.unread
        if self._names or self._unfit or self._nuls:
            return None
        conforming = pa.Table.from_arrays(columns, schema=canonical_schema(spec))
        bad = bad_cells(unread, rows.column(BAD_CELLS) if BAD_CELLS in rows.column_names else None)
        conforming = conforming if bad is None else conforming.append_column(BAD_CELLS, bad)
        self._silent = {name: said for name, said in self._silent.items() if said.still(name, conforming, spec)}
        return conforming

    def finish(self) -> None:
        """Raise what is wrong with the rows that were taken, if anything is. Errors: as `conform`."""
        problems = list(self._names)
        unreadable: list[str] = []
        for name in self._spec.columns:
            error = self._unfit.get(name) or (Nul(self._nuls[name], self.rows) if name in self._nuls else None)
            if error is not None:
                told = unreadable if isinstance(error, Undecodable) else problems
                told.append(f"column {name}{_at(('columns', name), self._line_of)} {error}")
        subject = f"{self.rows} rows for {self._spec.name}"
        raise_misfits(subject, problems, unreadable, self._line_of)
        most = self._spec.quality.max_quarantined_share
        nothing_read = [
            f"column {name}{_at(('columns', name), self._line_of)}: not one of its {said.count:,} cells could be read; "
            f"the first: {said.first}"
            for name, said in self._silent.items()
            if said.count and said.count / self.rows > most
        ]
        raise_misfits(subject, nothing_read, [], self._line_of)


@dataclass
class _Silent:
    """A column without any value so far: how many of its cells could not be read, and what is wrong with the first."""

    count: int = 0
    first: str = ""

    def still(self, name: str, rows: pa.Table, spec: UseCase) -> bool:
        """Whether the column has no value in these rows either."""
        if rows.column(name).null_count < rows.num_rows:
            return False
        count = int(np.count_nonzero(unread_in(rows, name)))
        if count and not self.count:
            self.first = first_unread(rows, name, spec.private_columns)
        self.count += count
        return True


def _at(location: Location, line_of: LineOf | None) -> str:
    return f" (use_case.yaml:{line_of(location)})" if line_of is not None else ""


def raise_misfits(
    subject: str, problems: Sequence[str], unreadable: Sequence[str], line_of: LineOf | None = None
) -> None:
    """Raise what was found about the columns of `subject`, if anything was: see `conform`."""
    if problems or unreadable:
        failure = SchemaMismatch if problems else UndecodableText
        lines = "\n".join(f"  - {problem}" for problem in [*problems, *unreadable])
        raise failure(
            f"{subject} don't fit the columns in use_case.yaml:\n{lines}\n"
            f"Change the source{_at(('source',), line_of)} or the columns, then run the window again."
        )


class Restricted:
    """Whether the source restricted conforming rows, which come in parts, to the window.

    If at most `quality.max_quarantined_share` of them lie outside, all pass: validation sets those aside one by one.
    """

    def __init__(self, spec: UseCase, window: Window) -> None:
        self._spec, self._window = spec, window
        self._rows = self._strays = 0
        self._span: list[datetime] = []  # the first and the last time

    def take(self, rows: pa.Table) -> None:
        """Count those of the part that lie outside."""
        self._rows += rows.num_rows
        self._strays += int(np.count_nonzero(outside_window(self._spec, rows, self._window)))
        found = pc.min_max(rows.column(self._spec.event_time)).as_py()
        span = [*self._span, *(time for time in found.values() if time is not None)]
        self._span = [min(span), max(span)] if span else []

    def finish(self) -> None:
        """Refuse the rows that were taken, or not. Errors: `SchemaMismatch`."""
        spec, strays = self._spec, self._strays
        if not strays or strays / self._rows <= spec.quality.max_quarantined_share:
            return
        earliest, latest = (pa.scalar(time, UTC).cast(pa.string()) for time in self._span)
        raise SchemaMismatch(
            f"{strays} of {self._rows} rows for {spec.name} have their {spec.event_time} outside the window "
            f"{self._window}; they reach from {earliest} to {latest}. Cut the rows where they are read: "
            f"in SQL {spec.event_time} >= :start AND {spec.event_time} < :end; "
            "for files, check that the time zone in the schedule is the one the files are cut by; where rows lie in "
            "the file of a day before or after theirs, set `reach: 1d` in the source."
        )


def name_problems(columns: Mapping[str, Column], found: Sequence[str], *, refuse_others: bool) -> list[str]:
    """What is wrong with the names of the columns found: missing, doubled and, with `refuse_others`, not declared."""
    missing = [name for name in columns if name not in found]
    undeclared = [name for name in dict.fromkeys(found) if name not in columns]
    doubled = {name: count for name, count in Counter(found).items() if count > 1 and name in columns}
    problems = []
    for name in missing:
        sought = columns[name].from_
        near = nearest(sought or name, undeclared)
        what = f"column {name}{f' (from: {shown_name(sought)})' if sought else ''} is missing"
        problems.append(what + (f"; is it the undeclared {shown_name(near)}?" if near else ""))
    if refuse_others:
        problems += _others(columns, undeclared)
    elif missing and undeclared:
        problems.append(f"not declared, so perhaps one of those that are missing: {listed(undeclared)}")
    problems += [f"column {shown_name(name)} is delivered {count} times" for name, count in doubled.items()]
    return problems


def _others(columns: Mapping[str, Column], undeclared: Sequence[str]) -> Iterator[str]:
    for name in undeclared[:_MOST_NAMES]:
        near = nearest(name, columns)
        yield f"column {shown_name(name)} is not declared" + (
            f"; the nearest declared one is {near}" if near else "; declare it, or set `other_columns: ignore`"
        )
    if len(undeclared) > _MOST_NAMES:
        yield f"{len(undeclared) - _MOST_NAMES:,} more columns are not declared"
