"""The verdict on a window's rows: structure, single rows, expectations, in this order.

1. **Gates** on the window as a whole. Rows that don't conform (see `perennial.quality.schema`) end it here.
2. **Row rules**: those that always hold and the expectations with `quarantine`. Rows that break any are set aside.
3. **Circuit breaker**: more rows set aside than `quality.max_quarantined_share` are a broken source, not bad rows.
4. **Expectations** about the rows that are left.

Bad data is a result, never an exception.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from perennial.errors import InvalidSpec, SchemaMismatch, UndecodableText
from perennial.quality.frame import to_frame
from perennial.quality.outcome import (
    CHECKED_BY,
    RESULT_FORMAT,
    ExpectationOutcome,
    GateOutcome,
    RuleOutcome,
    met_by_every_row,
)
from perennial.quality.reasons import all_met, expectation_reason, rows_set_aside, rule_error
from perennial.quality.row_rules import Mask, failing_rows, integrity_rules
from perennial.quality.schema import canonical_schema, conform
from perennial.quality.unread import without_bad_cells
from perennial.spec import versions
from perennial.spec.expectations import ABOUT_ALL_COLUMNS, Expectation, Severity
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window
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


RULE_COLUMN = "rule"
RULE_SEPARATOR = "; "
_VERDICTS = {Severity.CRITICAL: Verdict.FAIL, Severity.WARNING: Verdict.WARN}


@dataclass(frozen=True)
class CheckedRows:
    """What validation found.

    `clean` and `quarantined` together are all rows, each once; `quarantined` has the column `rule` besides, naming
    every rule that caught the row, joined by "; ", and `bad_cells` where cells could not be read. Rows that don't
    conform are in neither. `result` is JSON.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    clean: pa.Table
    quarantined: pa.Table
    result: dict[str, Any]


@dataclass(frozen=True)
class _Finding:
    verdict: Verdict
    reason: str


def validate(
    use_case: LoadedUseCase, rows: pa.Table, window: Window, accepted: frozenset[str] = frozenset()
) -> CheckedRows:
    """The verdict on the rows of a window, and the rows that may be scored.

    Rows that only `accepted` rules caught are clean: a person let them in. Rules that always hold can't be accepted.
    """
    spec = use_case.spec
    delivered = rows.num_rows
    try:
        rows = conform(spec, rows)
    except (SchemaMismatch, UndecodableText) as error:
        nothing = canonical_schema(spec).empty_table()
        gates = [GateOutcome("schema", Verdict.FAIL, str(error))]
        return _validated(delivered, gates, _Split(nothing, _with_rules(nothing, []), (), ()), ())
    return _checked(use_case, rows, _set_aside(use_case, rows, window, accepted))


def validate_faultless(
    use_case: LoadedUseCase, rows: pa.Table, rules: Sequence[str], met: Collection[int]
) -> CheckedRows:
    """What `validate` says of conforming rows of which the rules, which are all there are, catch none.

    `met` are positions of `expectations`, of those about single rows: no row breaks them.
    """
    nothing = _with_rules(rows.slice(0, 0), [])
    return _checked(use_case, rows, _Split(rows, nothing, tuple(RuleOutcome(each, 0) for each in rules), ()), met)


def _checked(use_case: LoadedUseCase, rows: pa.Table, split: "_Split", met: Collection[int] = ()) -> CheckedRows:
    spec = use_case.spec
    gates = [
        GateOutcome("schema", Verdict.PASS),
        row_count(spec, rows.num_rows, split.clean.num_rows),
        columns_present(spec, rows),
        circuit_breaker(spec, rows.num_rows, split.quarantined.num_rows, split.rules),
    ]
    outcomes = _expectations(use_case, split.clean, met) if split.clean.num_rows else ()
    return _validated(rows.num_rows, gates, split, outcomes)


def _expectations(use_case: LoadedUseCase, rows: pa.Table, met: Collection[int]) -> tuple[ExpectationOutcome, ...]:
    """What the expectations that set no rows aside say; `met` are positions of some that no row breaks."""
    expected = {number: each for number, each in enumerate(use_case.expectations) if not each.quarantine}
    found = {
        number: met_by_every_row(
            expected[number], rows.num_rows, rows.column(expected[number].kwargs["column"]).null_count
        )
        for number in met
    }
    if rest := {number: each for number, each in expected.items() if number not in found}:
        # Great Expectations takes seconds to import, and jobs that validate nothing shouldn't pay for it.
        from perennial.quality.suite import run_suite  # noqa: PLC0415

        frame, private = to_frame(_asked_about(list(expected.values()), rows)), use_case.spec.private_columns
        judged = run_suite(list(rest.values()), frame, private=private)
        if found and any(each.error for each in judged):  # what ails one may ail all of a suite
            return run_suite(list(expected.values()), frame, private=private)
        found |= dict(zip(rest, judged, strict=True))
    return tuple(found[number] for number in expected)


def _asked_about(expected: Sequence[Expectation], rows: pa.Table) -> pa.Table:
    """The columns that expectations look at: as a frame, each takes several times the memory of the column itself."""
    if any(each.type == ABOUT_ALL_COLUMNS for each in expected):
        return rows
    named = frozenset().union(*(each.columns for each in expected))
    return rows.select([name for name in rows.column_names if name in named])


@dataclass(frozen=True)
class _Split:
    clean: pa.Table
    quarantined: pa.Table
    rules: tuple[RuleOutcome, ...]
    findings: tuple[_Finding, ...]


def _set_aside(use_case: LoadedUseCase, rows: pa.Table, window: Window, accepted: frozenset[str]) -> _Split:
    masks: list[tuple[str, Mask]] = list(integrity_rules(use_case.spec, rows, window))
    outcomes = [RuleOutcome(name, int(np.count_nonzero(mask))) for name, mask in masks]
    findings = []
    for name, expectation in named_rules(use_case.expectations):
        try:
            mask = failing_rows(expectation, rows)
        except InvalidSpec as error:
            outcomes.append(RuleOutcome(name, 0, str(error)))
            findings.append(_Finding(_VERDICTS[expectation.severity], rule_error(name, str(error))))
        else:
            outcomes.append(RuleOutcome(name, int(np.count_nonzero(mask)), accepted=name in accepted))
            if name not in accepted:
                masks.append((name, mask))
    caught = np.logical_or.reduce([mask for _, mask in masks])
    quarantined = _with_rules(rows.filter(pa.array(caught)), _rules_of_each(caught, masks))
    clean = without_bad_cells(rows.filter(pa.array(~caught)) if caught.any() else rows)
    return _Split(clean, quarantined, tuple(outcomes), tuple(findings))


def _rules_of_each(caught: Mask, masks: list[tuple[str, Mask]]) -> list[str]:
    """The names of the rules that caught each caught row. Rows share few combinations, however many rows there are."""
    by_row = np.stack([mask[caught] for _, mask in masks], axis=1)
    combinations, combination_of_row = np.unique(by_row, axis=0, return_inverse=True)
    names = [name for name, _ in masks]
    texts = [RULE_SEPARATOR.join(names[rule] for rule in np.flatnonzero(row)) for row in combinations]
    return [texts[combination] for combination in combination_of_row.reshape(-1)]


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


def _with_rules(rows: pa.Table, rules: list[str]) -> pa.Table:
    return rows.append_column(RULE_COLUMN, pa.array(rules, pa.string()))


def _validated(
    delivered: int, gates: list[GateOutcome], split: _Split, outcomes: tuple[ExpectationOutcome, ...]
) -> CheckedRows:
    findings = [_Finding(gate.verdict, gate.reason) for gate in gates if gate.reason is not None]
    findings += split.findings
    findings += [
        _Finding(_VERDICTS[outcome.severity], expectation_reason(outcome)) for outcome in outcomes if not outcome.met
    ]
    findings.sort(key=lambda finding: finding.verdict is not Verdict.FAIL)
    verdict = Verdict.worst(finding.verdict for finding in findings)
    reasons = tuple(finding.reason for finding in findings) or (all_met(delivered, len(split.rules), len(outcomes)),)
    result = {
        "format": RESULT_FORMAT,
        CHECKED_BY: versions.CHECKS_VERSION,
        "verdict": verdict.value,
        "reasons": list(reasons),
        "rows": delivered,
        "rows_clean": split.clean.num_rows,
        "rows_quarantined": split.quarantined.num_rows,
        "gates": [dict(vars(gate)) for gate in gates],
        "row_rules": [dict(vars(rule)) for rule in split.rules],
        "expectations": [asdict(outcome) | {"samples": list(outcome.samples)} for outcome in outcomes],
    }
    return CheckedRows(verdict, reasons, split.clean, split.quarantined, result)
