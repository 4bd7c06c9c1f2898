"""What may enter: exactly the declared columns, in canonical types, inside the window.

Two kinds of trouble, two answers. **Structure is refused**: a column that is missing, doubled, undeclared or of the
wrong kind means that the spec and the source disagree about all rows, and text that can't be stored can't be set aside
either; nothing is lost, because the source still has it. **Rows are set aside**: a missing or doubled key, a value
missing where one is required, an infinite number or a time outside the window says something about one row; it goes to
quarantine with the rule that caught it (see `perennial.quality.row_rules`) while the others are scored, until so many
rows are caught that the window fails as a whole.

A window's rows lie in the window because the query or the path says so. `check_window` therefore takes a few strays
for bad rows, and more than the spec's share of quarantined rows for a query that ignores the window.
"""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch, UndecodableText
from perennial.quality.columns import ARROW_TYPES, Undecodable, Unfit, canonical_column
from perennial.quality.row_rules import outside_window
from perennial.spec.models import UseCase
from perennial.spec.problems import nearest, shown_name
from perennial.window import Window

_MOST_NAMES = 20


def canonical_schema(spec: UseCase) -> pa.Schema:
    """The declared columns in the spec's order, in canonical types."""
    return pa.schema([(name, ARROW_TYPES[column.kind]) for name, column in spec.columns.items()])


def conform(spec: UseCase, rows: pa.Table) -> pa.Table:
    """The same rows with exactly the declared columns, in the spec's order and in canonical types.

    Conforming twice is conforming once. Errors: `SchemaMismatch`, `UndecodableText`; either lists everything that is
    wrong, not only the first thing found.
    """
    problems = _name_problems(spec, rows.column_names)
    unreadable = []
    columns: list[pa.ChunkedArray] = []
    for name, column in spec.columns.items():
        if rows.column_names.count(name) != 1:
            continue
        try:
            columns.append(canonical_column(column.kind, rows.column(name)))
        except Undecodable as error:
            unreadable.append(f"column {name} {error}")
        except Unfit as error:
            problems.append(f"column {name} {error}")
    if problems or unreadable:
        failure = SchemaMismatch if problems else UndecodableText
        listed = "\n".join(f"  - {problem}" for problem in problems + unreadable)
        raise failure(
            f"{rows.num_rows} rows for {spec.name} don't fit the columns in its use_case.yaml:\n{listed}\n"
            "Change the source or the columns, then run the window again."
        )
    return pa.Table.from_arrays(columns, schema=canonical_schema(spec))


def check_window(spec: UseCase, rows: pa.Table, window: Window) -> None:
    """Refuse conforming rows that the source did not cut to the window.

    Strays up to `quality.max_quarantined_share` of the rows pass: validation sets them aside one by one. Errors:
    `SchemaMismatch`.
    """
    outside = outside_window(spec, rows, window)
    strays = int(np.count_nonzero(outside))
    if not strays or strays / rows.num_rows <= spec.quality.max_quarantined_share:
        return
    span = pc.min_max(rows.column(spec.event_time))
    earliest, latest = (span[end].cast(pa.string()) for end in ("min", "max"))
    raise SchemaMismatch(
        f"{strays} of {rows.num_rows} rows for {spec.name} have a {spec.event_time} outside the window {window}; "
        f"they reach from {earliest} to {latest}. Cut the rows where they are read: "
        f"in SQL {spec.event_time} >= :start AND {spec.event_time} < :end; "
        "for files, check that the time zone in the schedule is the one the files are cut by."
    )


def _name_problems(spec: UseCase, found: list[str]) -> list[str]:
    missing = [name for name in spec.columns if name not in found]
    undeclared = [name for name in dict.fromkeys(found) if name not in spec.columns]
    doubled = {name: count for name, count in Counter(found).items() if count > 1}
    problems = []
    for name in missing:
        near = nearest(name, undeclared)
        problems.append(f"column {name} is missing" + (f"; is it the undeclared {shown_name(near)}?" if near else ""))
    for name in undeclared[:_MOST_NAMES]:
        near = nearest(name, spec.columns)
        problems.append(
            f"column {shown_name(name)} is not declared"
            + (f"; the nearest declared one is {near}" if near else "; declare it or don't deliver it")
        )
    if len(undeclared) > _MOST_NAMES:
        problems.append(f"{len(undeclared) - _MOST_NAMES:,} more columns are not declared")
    problems += [f"column {shown_name(name)} is delivered {count} times" for name, count in doubled.items()]
    return problems
