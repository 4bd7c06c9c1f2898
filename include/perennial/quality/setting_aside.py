"""Rows set aside by row rules, and what is left: see `perennial.quality.row_rules` for the rules."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from perennial.errors import InvalidSpec
from perennial.quality.chunks import Chosen
from perennial.quality.frame import depends_on_nulls, to_series
from perennial.quality.outcome import RuleOutcome
from perennial.quality.parts import mask_by_parts
from perennial.quality.row_rules import READABLE, UNIQUE, Mask, doubled, failing_values, integrity_rules, ruled_column
from perennial.quality.unread import BAD_CELLS
from perennial.spec.expectations import Expectation
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

RULE_COLUMN = "rule"
RULE_SEPARATOR = "; "


class Caught:
    """Which rules caught which of so many rows.

    Rows share few combinations of rules, so that each row has the number of its own: 0 for none.
    """

    def __init__(self, rows: int) -> None:
        self._combination = np.zeros(rows, dtype=np.uint16)  # pages that nobody writes to take no memory
        self._numbers: dict[tuple[str, ...], int] = {(): 0}

    def add(self, rule: str, first: int, mask: Mask) -> None:
        """The rule caught these of the rows from the one with the number `first` on, after all rules before."""
        if not mask.any():
            return
        combinations = self._combination[first : first + len(mask)][mask]
        known = list(self._numbers)
        changed = np.zeros(len(known), dtype=np.int64)
        for before in np.unique(combinations):
            changed[before] = self._numbers.setdefault((*known[before], rule), len(self._numbers))
        if len(self._numbers) > np.iinfo(self._combination.dtype).max:
            self._combination = self._combination.astype(np.uint32)
        self._combination[first : first + len(mask)][mask] = changed[combinations]

    def mask(self, first: int = 0, rows: int | None = None) -> Mask:
        """Which of so many rows from the one with the number `first` on were caught, of all where none is said."""
        return np.asarray(self._combination[first : None if rows is None else first + rows] != 0, dtype=np.bool_)

    def names(self, first: int, rows: int) -> pa.Array:
        """The names of the rules that caught each of these rows that was caught."""
        combinations = self._combination[first : first + rows]
        texts = pa.array([RULE_SEPARATOR.join(rules) for rules in self._numbers], pa.string())
        return texts.take(pa.array(combinations[combinations != 0]))


@dataclass(frozen=True)
class SetAside:
    """The rows that rules caught, with the column `rule`: what caught each of them."""

    rows: Chosen
    caught: Caught
    num_rows: int

    def chunks(self) -> Iterator[pa.Table]:
        """The rows set aside, in chunks; one at least, which is empty where there are none."""
        first = 0
        for chunk in self.rows.chunks() if self.num_rows else (self.rows.schema.empty_table(),):
            rules = self.caught.names(first, chunk.num_rows)
            if len(rules) or not self.num_rows:
                found = chunk.filter(pa.array(self.caught.mask(first, chunk.num_rows)))
                yield found.append_column(RULE_COLUMN, rules)
            first += chunk.num_rows

    def table(self) -> pa.Table:
        """All of them, in memory."""
        return pa.concat_tables(self.chunks())


@dataclass(frozen=True)
class Split:
    """Conforming rows by whether they were set aside, and what each rule said.

    `errors` are those of rules that could not be evaluated, with their expectations.
    """

    clean: Chosen
    quarantined: SetAside
    rules: tuple[RuleOutcome, ...]
    errors: tuple[tuple[str, Expectation, str], ...]


def split(use_case: LoadedUseCase, rows: Chosen, window: Window, accepted: frozenset[str]) -> Split:
    """Set aside the conforming rows that a rule caught, unless it is `accepted`.

    Errors: `StoreUnavailable` when the temporary folder has no room.
    """
    caught = Caught(rows.num_rows)
    outcomes = _by_integrity(use_case, rows, window, caught)
    errors = []
    for name, expectation in named_rules(use_case.expectations):
        try:
            mask = _failing(expectation, rows)
        except InvalidSpec as error:
            outcomes.append(RuleOutcome(name, 0, str(error)))
            errors.append((name, expectation, str(error)))
        else:
            outcomes.append(RuleOutcome(name, int(np.count_nonzero(mask)), accepted=name in accepted))
            if name not in accepted:
                caught.add(name, 0, mask)
    clean = rows.where(~caught.mask()).only([name for name in rows.names if name != BAD_CELLS])
    return Split(clean, SetAside(rows, caught, rows.num_rows - clean.num_rows), tuple(outcomes), tuple(errors))


def _by_integrity(use_case: LoadedUseCase, rows: Chosen, window: Window, caught: Caught) -> list[RuleOutcome]:
    spec = use_case.spec
    keys = mask_by_parts(rows, spec.key, doubled)
    counts: Counter[str] = Counter()
    first = 0
    for chunk in rows.chunks():
        last = first + chunk.num_rows
        for name, mask in integrity_rules(spec, chunk, window, keys[first:last]):
            counts[name] += int(np.count_nonzero(mask))
            caught.add(name, first, mask)
        first = last
    return [RuleOutcome(name, count) for name, count in counts.items() if count or not name.startswith(f"{READABLE}(")]


def _failing(expectation: Expectation, rows: Chosen) -> Mask:
    """`failing_rows` of rows in chunks."""
    name = ruled_column(expectation, rows.names)
    nullable = depends_on_nulls(rows.schema.field(name).type) and rows.has_nulls(name)

    def failing(values: pa.ChunkedArray) -> Mask:
        return failing_values(expectation, to_series(values, nullable=nullable))

    if expectation.type == UNIQUE:
        return mask_by_parts(rows, name, failing)
    try:
        return rows.mask([name], lambda chunk: failing(chunk.column(name)))
    except InvalidSpec:
        if rows.in_one_chunk:
            raise
        return failing(rows.table([name]).column(name))  # whether it suits the column is asked of all values


def named_rules(expectations: Sequence[Expectation]) -> list[tuple[str, Expectation]]:
    """The expectations that set rows aside, each with a name of its own: `type(column)`, then `type(column) #2`."""
    seen: Counter[str] = Counter()
    named = []
    for expectation in expectations:
        if expectation.quarantine:
            name = f"{expectation.type}({expectation.kwargs.get('column')})"
            seen[name] += 1
            named.append((name if seen[name] == 1 else f"{name} #{seen[name]}", expectation))
    return named
