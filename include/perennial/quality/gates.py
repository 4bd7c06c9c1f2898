"""Checks of a window as a whole."""

from collections.abc import Iterable

import pyarrow as pa

from perennial.quality.outcome import GateOutcome, RuleOutcome
from perennial.quality.reasons import rows_set_aside
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.wording import counted


def row_count(spec: UseCase, rows: int, clean: int) -> GateOutcome:
    """Whether enough rows came, and enough of them are clean."""
    least = spec.quality.min_rows
    if rows == 0:
        reason = "There are no rows. Check that the source had delivered the window before it was read."
    elif rows < least:
        reason = (
            f"Found {counted(rows, 'row')}, fewer than quality.min_rows, {least}. "
            "Check that the source had delivered the whole window, or lower min_rows."
        )
    elif clean < least:
        reason = (
            f"Only {clean} of {counted(rows, 'row')} can be used, fewer than quality.min_rows, {least}. "
            "Look at the quarantine."
        )
    else:
        return GateOutcome("row_count", Verdict.PASS)
    return GateOutcome("row_count", Verdict.FAIL, reason)


def columns_present(spec: UseCase, rows: pa.Table) -> GateOutcome:
    """Whether every column that may miss values has at least one."""
    optional = [name for name, column in spec.columns.items() if column.nullable]
    absent = [name for name in optional if rows.num_rows and rows.column(name).null_count == rows.num_rows]
    if not absent:
        return GateOutcome("columns_present", Verdict.PASS)
    subject = f"Column {absent[0]} is" if len(absent) == 1 else f"Columns {', '.join(absent)} are"
    return GateOutcome(
        "columns_present",
        Verdict.WARN,
        f"{subject} missing throughout ({counted(rows.num_rows, 'row')}); "
        "most expectations ignore missing values and say nothing about it. "
        "Check the source; nullable: false in the spec would set such rows aside.",
    )


def circuit_breaker(spec: UseCase, rows: int, quarantined: int, rules: Iterable[RuleOutcome]) -> GateOutcome:
    """Whether the rows set aside are few enough to go on without them; any at all are a warning."""
    if not quarantined:
        return GateOutcome("circuit_breaker", Verdict.PASS)
    most = spec.quality.max_quarantined_share
    too_many = quarantined / rows > most
    caught = {rule.rule: rule.rows for rule in rules if rule.rows}
    return GateOutcome(
        "circuit_breaker",
        Verdict.FAIL if too_many else Verdict.WARN,
        rows_set_aside(quarantined, rows, caught, most, too_many=too_many),
    )
