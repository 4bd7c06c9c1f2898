"""A sample's cells as the spec says that they are written: its null texts, its decimal sign, its names."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from perennial.spec.columns import Column, Kind
from perennial.spec.sources import Source, TabularSource


def as_said(rows: pa.Table, source: Source, columns: Mapping[str, Column], written: Mapping[str, str]) -> pa.Table:
    """The rows with nothing where a null text of `source.csv` stands, and with points in yes and no and whole numbers
    that have a decimal comma. `written` says what the source calls each column.

    A column that has its name in the spec in spite of `from` is taken, too, as ingesting does.
    """
    there = rows.column_names
    known = {name: theirs for name, theirs in written.items() if theirs not in there and there.count(name) == 1}
    rows = rows.rename_columns([known.get(name, name) for name in there])
    if not isinstance(source, TabularSource) or source.format != "csv":
        return rows
    for name, theirs in written.items():
        if rows.column_names.count(theirs) == 1 and pa.types.is_string(rows.column(theirs).type):
            place = rows.column_names.index(theirs)
            rows = rows.set_column(place, theirs, _as_said(rows.column(theirs), columns[name].kind, source))
    return rows


def _as_said(cells: pa.ChunkedArray, kind: Kind, source: TabularSource) -> pa.ChunkedArray:
    dialect = source.csv
    if dialect.null_values:
        text, nulls = cells, list(dialect.null_values)
        if kind is not Kind.CATEGORICAL:
            text, nulls = pc.utf8_lower(pc.utf8_trim_whitespace(cells)), [each.lower() for each in nulls]
        cells = pc.if_else(pc.is_in(text, value_set=pa.array(nulls, pa.string())), pa.scalar(None, pa.string()), cells)
    if dialect.decimal == "," and kind in (Kind.BOOLEAN, Kind.INTEGER):
        cells = pc.replace_substring(cells, ",", ".")
    return cells
