"""The verdicts on many windows: row rules go over the rows of all of them at once.

Most windows have no row that a rule catches. Those are found together; all that is left to look at in them are gates
and expectations. A window of which a rule may catch a row, or can't be evaluated, is validated alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa

from perennial.errors import InvalidSpec, SchemaMismatch, UndecodableText
from perennial.quality.outcome import RuleOutcome
from perennial.quality.proposals.seen_together import look_at_each
from perennial.quality.row_rules import ROW_RULES, Mask, doubled, failing_rows, integrity_rules, outside_windows
from perennial.quality.schema import conform
from perennial.quality.setting_aside import named_rules
from perennial.quality.unread import BAD_CELLS
from perennial.quality.validate import CheckedRows, Faultless, optional_columns, validate, validate_faultless
from perennial.spec.columns import Kind
from perennial.spec.load import LoadedUseCase
from perennial.stacked import Stack, stacked
from perennial.window import Window


def validate_many(use_case: LoadedUseCase, rows: Mapping[Window, pa.Table]) -> dict[Window, CheckedRows]:
    """`validate` of each window; none of them has rows that a person accepted."""
    faultless = _faultless(use_case, {each: found for each, found in rows.items() if _is_plain(found)})
    return {
        window: validate_faultless(use_case, faultless[window])
        if window in faultless
        else validate(use_case, found, window)
        for window, found in rows.items()
    }


def _is_plain(rows: pa.Table) -> bool:
    return rows.num_rows > 0 and BAD_CELLS not in rows.column_names


def _faultless(use_case: LoadedUseCase, rows: Mapping[Window, pa.Table]) -> dict[Window, Faultless]:
    """Those of the windows that surely have no row that a rule catches."""
    stack = stacked(list(rows.values()))
    if stack is None:
        return {}
    try:
        stack = stack.of(conform(use_case.spec, stack.rows))
        masks = _row_rules(use_case, stack, list(rows))
    except (SchemaMismatch, UndecodableText, InvalidSpec):  # said of the window that it is about
        return {}
    if BAD_CELLS in stack.rows.column_names:
        return {}
    strays = outside_windows(use_case.spec, stack, list(rows))
    caught = _tables_with(stack, np.logical_or.reduce([*masks.values(), strays]))
    broken = {number: _tables_with(stack, mask) for number, mask in _row_expectations(use_case, stack.rows)}
    present = {
        each: _tables_with(stack, stack.rows.column(each).is_valid().to_numpy())
        for each in optional_columns(use_case.spec)
    }
    rules = tuple(RuleOutcome(each, 0) for each in masks)
    seen = look_at_each(use_case.spec, list(rows), stack)
    return {
        window: Faultless(
            rows=conforming,
            rules=rules,
            met=[number for number, where in broken.items() if place not in where],
            absent=[name for name, where in present.items() if place not in where],
            seen=seen[place],
        )
        for place, (window, conforming) in enumerate(zip(rows, stack.apart(), strict=True))
        if place not in caught
    }


def _tables_with(stack: Stack, mask: Mask) -> set[int]:
    """Which tables have such rows."""
    return set(np.unique(stack.numbers[mask]).tolist())


def _row_rules(use_case: LoadedUseCase, stack: Stack, windows: Sequence[Window]) -> dict[str, Mask]:
    """By rule, which rows it may catch: of values that must be different, also those that another window has, too.

    Whether times are in their window is not said.
    """
    whole = Window(min(each.start for each in windows), max(each.end for each in windows))
    keys = doubled(stack.rows.column(use_case.spec.key))
    masks = dict(integrity_rules(use_case.spec, stack.rows, whole, keys))
    for name, expectation in named_rules(use_case.expectations):
        masks[name] = failing_rows(expectation, stack.rows)
    return masks


def _row_expectations(use_case: LoadedUseCase, rows: pa.Table) -> Iterator[tuple[int, Mask]]:
    """Which rows may break expectations that are about single rows and set none aside, by their position.

    Great Expectations may stumble over booleans, some of them missing, and says so itself.
    """
    for number, each in enumerate(use_case.expectations):
        if each.quarantine or each.type not in ROW_RULES:
            continue
        column = use_case.spec.columns.get(each.kwargs["column"])
        if column is None or column.kind is Kind.BOOLEAN:
            continue
        arguments = {name: value for name, value in each.kwargs.items() if name != "mostly"}
        with suppress(InvalidSpec):
            yield number, failing_rows(each.model_copy(update={"kwargs": arguments}), rows)
