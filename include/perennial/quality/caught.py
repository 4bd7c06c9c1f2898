"""Why rules set rows aside: the cells that they did not accept, and what they expected there. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.quality.outcome import json_safe
from perennial.quality.row_rules import LONGEST_KEY, Mask
from perennial.quality.setting_aside import RULE_COLUMN, RULE_SEPARATOR
from perennial.quality.unread import BAD_CELLS, unread_cells
from perennial.spec.expectations import Expectation
from perennial.spec.models import UseCase
from perennial.spec.problems import shown
from perennial.spec.sentences import sentence
from perennial.wording import WITHHELD

EXPECTATION = "expect_"  # what the names of rules begin with that a person may set aside
CHANGED_RULE = "what a rule asked for that has changed since"
_EXPECTED = {
    "required": "a value",
    "short_key": f"a key of at most {LONGEST_KEY:,} bytes",
    "unique_key": "a key that no other row of the window has",
    "finite": "a finite number",
    "in_window": "a time in the window",
    "expect_column_values_to_not_be_null": "a value",
    "expect_column_values_to_be_unique": "a value that no other row has",
}


@dataclass(frozen=True)
class CaughtCell:
    """A value that a rule did not accept in `rows` rows, and what the rule expected in its place.

    `text` is None where there is no value, and `WITHHELD` in a private column. `why` says what is wrong with a cell
    that could not be read; it is None for other rules, where `expected` says it.
    """

    column: str
    text: str | None
    expected: str
    rows: int
    why: str | None = None


def always_holds(rule: str) -> bool:
    """Whether nobody can let in what the rule caught: it is not an expectation, and such rows can't be scored."""
    return not rule.startswith(EXPECTATION)


def rule_sentence(rule: str, expectations: Mapping[str, Expectation]) -> str:
    """What the rule asks of each row, as `perennial.spec.sentences` says it; the rule's name where that is not known.

    `expectations` are those that set rows aside, by the rule's name.

    >>> rule_sentence("unique_key(parcel)", {})
    'parcel must be a key that no other row of the window has'
    """
    kind, column = _parts(rule)
    if rule in expectations:
        return sentence(expectations[rule].type, expectations[rule].kwargs)
    if kind == "readable":
        return f"{column} must be readable as what the spec says it is"
    if always_holds(rule) and kind in _EXPECTED:
        return f"{column} must {'have' if kind == 'required' else 'be'} {_EXPECTED[kind]}"
    return rule


def caught_by_rule(quarantined: pa.Table) -> dict[str, Mask]:
    """Which of the quarantined rows each rule caught, by the rule's name."""
    texts = quarantined.column(RULE_COLUMN).combine_chunks().dictionary_encode()
    rules = [text.split(RULE_SEPARATOR) for text in texts.dictionary.to_pylist()]
    combination = texts.indices.to_numpy()
    return {
        rule: np.isin(combination, [number for number, named in enumerate(rules) if rule in named])
        for rule in sorted({rule for named in rules for rule in named})
    }


def cells_caught(
    spec: UseCase, rule: str, rows: pa.Table, expectations: Mapping[str, Expectation], most: int
) -> tuple[CaughtCell, ...]:
    """The `most` most frequent cells that the rule did not accept in the `rows` it caught.

    `expectations` are those that set rows aside, by the rule's name. Values of private columns are counted, not shown.
    """
    kind, column = _parts(rule)
    if kind == "readable":
        return _unread(spec, column, rows, most)
    expected = _expected(rule, kind, expectations)
    if column in spec.private_columns:
        return (CaughtCell(column, WITHHELD, expected, rows.num_rows),)
    if column not in rows.column_names:
        return ()
    return tuple(CaughtCell(column, text, expected, count) for text, count in _frequent(rows.column(column), most))


def _unread(spec: UseCase, column: str, rows: pa.Table, most: int) -> tuple[CaughtCell, ...]:
    expected = f"{spec.columns[column].kind}" if column in spec.columns else CHANGED_RULE
    line = pc.extract_regex(rows.column(BAD_CELLS), rf"(?:^|\n)(?P<cell>column {column}: [^\n]*)")
    cells = pc.struct_field(line, "cell")
    if column in spec.private_columns:
        cells = pc.replace_substring_regex(cells, "'.*' ", f"'{WITHHELD}' ")
    found = []
    for text, count in _frequent(cells, most):
        (cell,) = unread_cells(text)
        found.append(CaughtCell(column, cell.text, expected, count, cell.why))
    return tuple(found)


def _frequent(values: pa.ChunkedArray, most: int) -> list[tuple[str | None, int]]:
    """The most frequent values as text with their counts, the most frequent first; of equally frequent ones, those
    that come first.
    """
    counts = values.value_counts()
    order = np.argsort(-counts.field("counts").to_numpy(), kind="stable")[:most]
    found = []
    for each in counts.take(pa.array(order)).to_pylist():
        value = json_safe(each["values"])
        found.append((None if value is None else shown(str(value)), each["counts"]))
    return found


def _expected(rule: str, kind: str, expectations: Mapping[str, Expectation]) -> str:
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if rule not in expectations:
        return CHANGED_RULE
    arguments = expectations[rule].kwargs.items()
    return ", ".join(f"{name} {shown(str(json_safe(value)))}" for name, value in arguments if name != "column")


def _parts(rule: str) -> tuple[str, str]:
    """What the rule asks for, and of which column: `required(fare)`, `expect_…(fare) #2`."""
    found = re.fullmatch(r"(\w+)\((\w+)\)(?: #\d+)?", rule)
    return (found[1], found[2]) if found else (rule, "")
