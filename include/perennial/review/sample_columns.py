"""A sample's columns: how the source writes them, against how the spec says it does."""

import re
from collections.abc import Iterable

import pyarrow as pa

from perennial.quality.labels import label_columns, not_binary
from perennial.review.findings import Findings, Level
from perennial.review.lenient import understand, words_of_no_boolean
from perennial.review.sample_spelling import as_said
from perennial.sources.discreet import without_values
from perennial.sources.peek import Dialect, Peek
from perennial.spec.columns import Column, Kind
from perennial.spec.models import UseCase
from perennial.spec.problems import Location, listed, nearest, shown_name
from perennial.spec.sources import Csv, TabularSource
from perennial.spec.sources import Source as SourceSpec
from perennial.wording import WITHHELD

LABELS = ("labels", "source")


def read_columns(
    spec: UseCase, peek: Peek, source: SourceSpec, columns: dict[str, Column], at: Location, found: Findings
) -> pa.Table:
    """The declared columns in canonical types, as far as they could be understood.

    `columns` are those that the source should have, `at` is where the spec describes it.
    """
    for oddity in peek.oddities:
        found.add(Level.ERROR, at, without_values(oddity) if spec.personal_columns else oddity)
    if peek.dialect is not None:
        _dialect(peek.dialect, source, at, found)
    rows = as_said(peek.rows, source, columns, {name: written(spec, name, each, at) for name, each in columns.items()})
    _names(spec, columns, rows.column_names, source, at, found)
    given = source.timezone
    zone = given or spec.schedule.timezone
    understood: dict[str, pa.Array] = {}
    for name, column in columns.items():
        sought = written(spec, name, column, at)
        if rows.column_names.count(sought) != 1:
            continue
        read = understand(
            column.kind,
            rows.column(sought),
            zone=zone,
            naive_allowed=given is not None,
            text=sought in peek.texts and sought not in peek.naive,
            comma=isinstance(source, TabularSource) and source.csv.decimal == ",",
        )
        place = _place(spec, name)
        problems = [without_quoted(each) if name in spec.private_columns else each for each in read.problems]
        outcome = at == LABELS and name == spec.labels.column and column.kind is Kind.BOOLEAN
        if outcome and (words := words_of_no_boolean(rows.column(sought))):
            found.add(Level.ERROR, place, f"column {sought} {not_binary(spec, words)}")
            continue  # what could be read of it says nothing about the outcomes
        if sought in peek.naive and column.kind is Kind.TIMESTAMP and given is None and not _told(problems):
            problems.append("is of a type without a time zone, so it names no instant")
        for problem in problems:
            found.add(Level.ERROR, place, f"column {sought} {problem}")
        understood[name] = read.values
    return pa.table(understood) if understood else pa.table({"": pa.nulls(rows.num_rows)})


def _dialect(dialect: Dialect, source: SourceSpec, at: Location, found: Findings) -> None:
    said = source.csv if isinstance(source, TabularSource) else Csv()
    for option, is_so, wanted in (
        ("delimiter", dialect.delimiter, said.delimiter),
        ("escape", dialect.escape, said.escape),
        ("encoding", dialect.encoding, said.encoding),
    ):
        if is_so != wanted:
            found.add(
                Level.ERROR,
                at,
                f"the files are written with {option} {is_so!r}; say so: csv: {{{option}: {is_so!r}}}",
            )


def _names(
    spec: UseCase, columns: dict[str, Column], there: list[str], source: SourceSpec, at: Location, found: Findings
) -> None:
    sought = {written(spec, name, column, at): name for name, column in columns.items()}
    others = [name for name in dict.fromkeys(there) if name not in sought]
    if spec.labels.source == source:  # rows and outcomes lie side by side
        outcomes = {written(spec, name, column, LABELS) for name, column in label_columns(spec).items()}
        others = [name for name in others if name not in outcomes]
    for wanted, name in sought.items():
        count = there.count(wanted)
        place = _place(spec, name)
        what = "labels' " if at[0] == "labels" else ""
        if count > 1:
            found.add(Level.ERROR, place, f"{what}column {wanted} is delivered {count} times")
        elif count == 0:
            same = next((each for each in others if _simple(each) == _simple(wanted)), None)
            near = same or nearest(wanted, others)
            hint = f"; is it {shown_name(near)}?" if near else f"; there are {listed(there) or 'no columns'}"
            found.add(Level.ERROR, place, f"{what}column {wanted} is missing{hint}")
    if others and at[0] != "labels":
        refuses = source.other_columns == "refuse"
        text = f"not declared {'are' if len(others) > 1 else 'is'} {listed(others)}"
        found.add(
            Level.ERROR if refuses else Level.NOTE,
            ("columns",),
            f"{text}; declare what you need (role: carry keeps a column without using it)"
            + ("" if not refuses else ", and leave the others out at the source"),
        )


def written(spec: UseCase, name: str, column: Column, at: Location) -> str:
    """What the source calls the column: `from`, where the spec has it."""
    own = spec.labels.from_.get(name) if at[0] == "labels" else None
    return own or column.from_ or name


def _place(spec: UseCase, name: str) -> Location:
    """Where the spec names a column."""
    if name in spec.columns:
        return ("columns", name)
    return ("labels", "arrival_time" if name == spec.labels.arrival_time else "column")


def _simple(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def without_quoted(problem: str) -> str:
    """What is wrong with cells, with `withheld` for those that it quotes.

    >>> without_quoted("holds 'abc' and 'def', which are no numbers")
    "holds 'withheld' and 'withheld', which are no numbers"
    """
    return re.sub("'[^']*'", f"'{WITHHELD}'", problem)


def _told(problems: Iterable[str]) -> bool:
    return any("without a time zone" in problem for problem in problems)
