"""Expectations about a window's clean rows, however many there are.

As a frame, a column takes several times the memory of the column itself. So the frame of many rows has only the columns
that some expectations name, and where what is found in parts of the rows adds up, only a part of the rows, too; or only
those few that decide about all.
"""

from collections.abc import Collection, Iterator, Sequence

import pandas as pd
import pyarrow as pa

from perennial.quality.chunks import Chosen
from perennial.quality.deciding import SUM, deciding_rows
from perennial.quality.frame import depends_on_nulls, to_frame
from perennial.quality.outcome import ExpectationOutcome
from perennial.quality.row_rules import UNIQUE
from perennial.quality.suite import ADDITIVE, Found, all_met, found_in, outcome_of, run_suite, together
from perennial.spec.expectations import ABOUT_ALL_COLUMNS, ABOUT_NUMBER_OF_ROWS, Expectation

FRAME_ROWS = 1_000_000  # of a frame that is a part of the rows; no more than these are looked at in one


def outcomes_of(
    expectations: Sequence[Expectation], rows: Chosen, private: Collection[str]
) -> tuple[ExpectationOutcome, ...]:
    """What each expectation says about the rows, as `run_suite`."""
    if rows.num_rows <= FRAME_ROWS:
        named = frozenset().union(*(each.columns for each in expectations))
        about_all = any(each.type == ABOUT_ALL_COLUMNS for each in expectations)
        names = [name for name in rows.names if about_all or name in named]
        frame = to_frame(rows.table(names)) if names else pd.DataFrame(index=range(rows.num_rows))
        return run_suite(expectations, frame, private)
    found: dict[int, Found] = {}
    for columns in dict.fromkeys(_columns(each) for each in expectations):
        numbers = [number for number, each in enumerate(expectations) if _columns(each) == columns]
        found |= dict(zip(numbers, _found([expectations[number] for number in numbers], rows, columns), strict=True))
    return tuple(outcome_of(each, found[number], private) for number, each in enumerate(expectations))


def _columns(expectation: Expectation) -> frozenset[str]:
    """The columns whose values it looks at."""
    return frozenset() if expectation.type == ABOUT_ALL_COLUMNS else expectation.columns


def _found(expectations: Sequence[Expectation], rows: Chosen, columns: frozenset[str]) -> list[Found]:
    """What is found out about expectations that look at the same columns."""
    names = [name for name in rows.names if name in columns]
    if not names:
        nothing = to_frame(rows.schema.empty_table())
        return [
            _found_of_number(each, rows.num_rows) if each.type == ABOUT_NUMBER_OF_ROWS else found_in(nothing, [each])[0]
            for each in expectations
        ]
    nullable = [name for name in names if depends_on_nulls(rows.schema.field(name).type) and rows.has_nulls(name)]
    found: list[Found | None] = [None] * len(expectations)
    additive = [number for number, each in enumerate(expectations) if each.type in ADDITIVE]
    if additive:
        asked = [expectations[number] for number in additive]
        parts = zip(*(found_in(frame, asked) for frame in _frames(rows, names, nullable)), strict=True)
        for number, of_each in zip(additive, parts, strict=True):
            if not any(part.error for part in of_each):
                found[number] = together(expectations[number], of_each)
    for number, expectation in enumerate(expectations):
        if found[number] is None:
            found[number] = _found_in_few(expectation, rows, nullable)
    rest = [number for number, each in enumerate(found) if each is None]
    if rest:  # among them what can't be evaluated: why is asked of all values
        frame = to_frame(rows.table(names))
        for number, each in zip(rest, found_in(frame, [expectations[number] for number in rest]), strict=True):
            found[number] = each
    return [each for each in found if each is not None]


def _found_of_number(expectation: Expectation, rows: int) -> Found:
    """What is found out about the number of rows. Great Expectations would hash a frame of so many, 25 bytes a row even
    without columns; so it is asked about a sum.
    """
    asked = Expectation(type=SUM, kwargs={"column": "rows", **expectation.kwargs})
    return found_in(pd.DataFrame({"rows": [rows]}), [asked])[0]


def _found_in_few(expectation: Expectation, rows: Chosen, nullable: Collection[str]) -> Found | None:
    """What is found out by the rows that decide; None where all have to be asked."""
    few = deciding_rows(expectation, rows)
    if few is None:
        return None
    (found,) = found_in(to_frame(few, nullable), [expectation])
    if found.error:
        return None
    if expectation.type != UNIQUE:
        return found
    missing = sum(values.null_count for values in rows.column(expectation.kwargs["column"]))
    return together(expectation, [found, all_met(rows.num_rows - few.num_rows, missing)])


def _frames(rows: Chosen, names: Sequence[str], nullable: Collection[str]) -> Iterator[pd.DataFrame]:
    held: list[pa.Table] = []
    for chunk in rows.chunks(names):
        held.append(chunk)
        if sum(each.num_rows for each in held) + rows.chunk_rows > FRAME_ROWS:
            yield to_frame(pa.concat_tables(held), nullable)
            held = []
    if held:
        yield to_frame(pa.concat_tables(held), nullable)
