"""The shape of labels: entity key, outcome, arrival time."""

import re
from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import SchemaMismatch
from perennial.features.build import LARGEST_FEATURE
from perennial.quality.columns import ARROW_TYPES, Unfit, canonical_column
from perennial.quality.unread import BAD_CELLS, first_unread, unread_in, without_value
from perennial.spec.columns import Column, Kind, Role
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.spec.problems import LineOf, listed
from perennial.spec.sources import PostgresSource


def label_columns(spec: UseCase) -> dict[str, Column]:
    """The columns that the labels' source delivers."""
    labels = spec.labels
    outcome = Kind.BOOLEAN if spec.task is Task.BINARY_CLASSIFICATION else Kind.NUMERIC
    columns = {
        spec.key: spec.columns[spec.key],
        labels.column: Column(kind=outcome, role=Role.CARRY),
        labels.arrival_time: Column(kind=Kind.TIMESTAMP, role=Role.CARRY),
    }
    return {name: _named(column, labels.from_.get(name)) for name, column in columns.items()}


def _named(column: Column, there: str | None) -> Column:
    return column.model_copy(update={"from_": there}) if there else column


def label_schema(spec: UseCase) -> pa.Schema:
    """Key, outcome and arrival time in canonical types."""
    return pa.schema([(name, ARROW_TYPES[column.kind]) for name, column in label_columns(spec).items()])


def not_binary(spec: UseCase, found: Collection[str]) -> str:
    """That the outcomes found are not those of a binary classification, and what to change. Goes on from "column x"."""
    labels = spec.labels
    words = sorted(found, key=lambda word: (len(word), word))
    one = words[-1] if re.fullmatch(r"[-+]?[0-9.]+", words[-1]) else f"'{words[-1]}'"
    if isinstance(labels.source, PostgresSource):
        how = f"map them in {labels.source.query}, such as `{labels.column} = {one} AS {labels.column}`"
    else:
        how = "write them so in the files"
    held = listed(words) if len(words) != 2 else " and ".join(map(listed, ([words[0]], [words[1]])))  # noqa: PLR2004
    return f"holds {held}; {spec.task} wants true and false, or 1 and 0: {how}"


def conform_labels(spec: UseCase, rows: pa.Table, line_of: LineOf | None = None) -> pa.Table:
    """The same labels in canonical types, without other columns; those without an arrival time have not arrived.

    A null outcome with an arrival time says that none will come; not so where `known_at_the_event`, because nothing can
    have been known then: such labels have not arrived either.

    Errors: as `canonical_labels`.
    """
    labels = canonical_labels(spec, rows, line_of)
    arrived = have_arrived(spec, labels)
    return labels if pc.all(arrived).as_py() else labels.filter(arrived)  # many are not copied for nothing


def have_arrived(spec: UseCase, labels: pa.Table) -> pa.ChunkedArray:
    """Which labels have arrived, see `conform_labels`."""
    arrived = pc.is_valid(labels.column(spec.labels.arrival_time))
    return pc.and_(arrived, pc.is_valid(labels.column(spec.labels.column))) if known_at_the_event(spec) else arrived


def canonical_labels(spec: UseCase, rows: pa.Table, line_of: LineOf | None = None) -> pa.Table:
    """The same labels in canonical types, without other columns, row by row.

    Errors: `SchemaMismatch`, listing everything that is wrong, and with `line_of` the line of the spec to change.
    """
    problems: list[str] = []
    columns: list[pa.ChunkedArray] = []
    for name, column in label_columns(spec).items():
        found = rows.column_names.count(name)
        if found != 1:
            problems.append(f"column {name} is delivered {found} times; the source has {listed(rows.column_names)}")
            continue
        try:
            canonical = canonical_column(column, rows.column(name), spec.labels.source.timezone)
        except Unfit as error:
            problems.append(f"column {name} {error}")
            continue
        columns.append(canonical.values)
        if column.kind is Kind.BOOLEAN and (odd := _odd_outcomes(name, rows, canonical.unread)):
            known = pc.unique(canonical.values.drop_null()).to_pylist()
            numbers = all(re.fullmatch(r"[-+]?[0-9.]+", word) for word in odd)
            words = {str(int(value)) if numbers else str(value).lower() for value in known}
            here = canonical.unread.drop_null() if canonical.unread is not None else []
            count = int(np.count_nonzero(unread_in(rows, name))) + len(here)
            text = not_binary(spec, odd | words)
            problems.append(f"column {name} {text} ({count} of {rows.num_rows} rows have neither)")
            continue
        unread = canonical.unread.drop_null() if canonical.unread else []
        if len(unread):
            said = without_value(unread[0].as_py()) if name in spec.private_columns else unread[0]
            problems.append(f"column {name}: {said}, in {len(unread)} of {rows.num_rows} rows")
        bad = int(np.count_nonzero(unread_in(rows, name)))
        if bad:
            problems.append(
                f"column {name}: {first_unread(rows, name, spec.private_columns)}, in {bad} of {rows.num_rows} rows"
            )
        beyond = columns[-1].filter(too_large_to_judge(columns[-1])) if name == spec.labels.column else []
        if len(beyond):
            problems.append(
                f"column {name} is {beyond[0].as_py():.3g}, beyond {LARGEST_FEATURE:.3g}, in {len(beyond)} of "
                f"{rows.num_rows} rows; no model can be judged by that. If it stands for a missing outcome, let the "
                "source write null where none will come, and leave the row out where it may still come"
            )
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        where = f" (use_case.yaml:{line_of(('labels',))})" if line_of is not None else ""
        raise SchemaMismatch(
            f"The labels of {spec.name} can't be used:\n{lines}\nCorrect their source, or `labels`{where}."
        )
    return pa.Table.from_arrays(columns, schema=label_schema(spec))


def _odd_outcomes(name: str, rows: pa.Table, unread: pa.Array | None) -> set[str]:
    """The outcomes that are neither true nor false, as far as they are short enough to be shown whole."""
    told: Iterable[str] = unread.drop_null().to_pylist() if unread is not None else []
    if BAD_CELLS in rows.column_names:
        lines = (text.split("\n") for text in pc.unique(rows.column(BAD_CELLS).drop_null()).to_pylist())
        start = f"column {name}: "
        told = [*told, *(line.removeprefix(start) for each in lines for line in each if line.startswith(start))]
    found = (re.match(r"'(.*)' is neither true nor false", text) for text in told)
    return {match.group(1) for match in found if match}


def too_large_to_judge(outcomes: pa.ChunkedArray) -> pa.ChunkedArray:
    """Where an outcome is infinite, or so large that errors, squared, would be: beyond what features may be, too."""
    if not pa.types.is_floating(outcomes.type):
        return pa.chunked_array([pa.repeat(False, len(outcomes))])
    return pc.fill_null(pc.greater(pc.abs(outcomes), LARGEST_FEATURE), fill_value=False)


def known_at_the_event(spec: UseCase) -> bool:
    """Whether labels take the event time for their arrival time, because the source has no other."""
    arrival = spec.labels.from_.get(spec.labels.arrival_time, spec.labels.arrival_time)
    return arrival in (spec.event_time, spec.columns[spec.event_time].from_)
