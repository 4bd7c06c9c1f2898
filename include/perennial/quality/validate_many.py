"""The verdicts on many windows: row rules go over the rows of all of them at once.

Most windows have no row that a rule catches. Those are found together; all that is left to look at in them are gates
and expectations. A window of which a rule may catch a row, or can't be evaluated, is validated alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from perennial.errors import InvalidSpec, SchemaMismatch, UndecodableText
from perennial.quality.row_rules import Mask, failing_rows, integrity_rules, outside_window
from perennial.quality.schema import conform
from perennial.quality.unread import BAD_CELLS
from perennial.quality.validate import CheckedRows, named_rules, validate, validate_faultless
from perennial.spec.load import LoadedUseCase
from perennial.stacked import Stack, stacked
from perennial.window import Window


def validate_many(use_case: LoadedUseCase, rows: Mapping[Window, pa.Table]) -> dict[Window, CheckedRows]:
    """`validate` of each window; none of them has rows that a person accepted."""
    faultless, rules = _faultless(use_case, {each: found for each, found in rows.items() if _is_plain(found)})
    return {
        window: validate_faultless(use_case, faultless[window], rules)
        if window in faultless
        else validate(use_case, found, window)
        for window, found in rows.items()
    }


def _is_plain(rows: pa.Table) -> bool:
    return rows.num_rows > 0 and BAD_CELLS not in rows.column_names


def _faultless(
    use_case: LoadedUseCase, rows: Mapping[Window, pa.Table]
) -> tuple[dict[Window, pa.Table], Sequence[str]]:
    """The conforming rows of windows that surely have none that a rule catches, and the names of all rules."""
    stack = stacked(list(rows.values()))
    if stack is None:
        return {}, ()
    try:
        stack = stack.of(conform(use_case.spec, stack.rows))
        masks = _row_rules(use_case, stack, list(rows))
    except (SchemaMismatch, UndecodableText, InvalidSpec):  # said of the window that it is about
        return {}, ()
    if BAD_CELLS in stack.rows.column_names:
        return {}, ()
    caught = np.logical_or.reduce(list(masks.values()))
    touched = set(np.unique(stack.numbers[caught]).tolist())
    each = enumerate(zip(rows, stack.apart(), strict=True))
    found = {window: conforming for number, (window, conforming) in each if number not in touched}
    spec = use_case.spec
    inside = {window: these for window, these in found.items() if not outside_window(spec, these, window).any()}
    return inside, list(masks)


def _row_rules(use_case: LoadedUseCase, stack: Stack, windows: Sequence[Window]) -> dict[str, Mask]:
    """By rule, which rows it may catch: of values that must be different, also those that another window has, too.

    Whether times are in their window is not said.
    """
    whole = Window(min(each.start for each in windows), max(each.end for each in windows))
    masks = dict(integrity_rules(use_case.spec, stack.rows, whole))
    for name, expectation in named_rules(use_case.expectations):
        masks[name] = failing_rows(expectation, stack.rows)
    return masks

