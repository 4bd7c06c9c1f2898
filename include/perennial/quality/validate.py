"""The verdict on a window's rows: structure, single rows, expectations, in this order.

1. **Gates** on the window as a whole. Rows that don't conform (see `perennial.quality.schema`) end it here.
2. **Row rules**: those that always hold and the expectations with `quarantine`. Rows that break any are set aside.
3. **Circuit breaker**: more rows set aside than `quality.max_quarantined_share` are a broken source, not bad rows.
4. **Expectations** about the rows that are left.

Bad data is a result, never an exception.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from perennial.errors import SchemaMismatch, UndecodableText
from perennial.ordered import Rows
from perennial.quality.chunks import Chosen
from perennial.quality.outcome import (
    CHECKED_BY,
    RESULT_FORMAT,
    ExpectationOutcome,
    GateOutcome,
    RuleOutcome,
    met_by_every_row,
)
from perennial.quality.proposals.seen import WindowSeen
from perennial.quality.reasons import all_met, expectation_reason, rows_set_aside, rule_error
from perennial.quality.schema import canonical_schema, conform
from perennial.quality.setting_aside import Caught, SetAside, Split, split
from perennial.quality.unread import BAD_CELLS, unread_in
from perennial.spec import versions
from perennial.spec.expectations import Severity
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


def optional_columns(spec: UseCase) -> list[str]:
    """The columns that may miss values."""
    return [name for name, column in spec.columns.items() if column.nullable]


def columns_present(rows: int, absent: Sequence[str]) -> GateOutcome:
    """Whether every one of the optional columns has a value, of which the `absent` ones have none in so many rows."""
    if not absent:
        return GateOutcome("columns_present", Verdict.PASS)
    subject = f"Column {absent[0]} is" if len(absent) == 1 else f"Columns {', '.join(absent)} are"
    return GateOutcome(
        "columns_present",
        Verdict.WARN,
        f"{subject} missing throughout ({counted(rows, 'row')}); "
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


_VERDICTS = {Severity.CRITICAL: Verdict.FAIL, Severity.WARNING: Verdict.WARN}


@dataclass(frozen=True)
class CheckedRows:
    """What validation found.

    `clean` and `quarantined` together are all rows, each once; `quarantined` has the column `rule` besides, naming
    every rule that caught the row, joined by "; ", and `bad_cells` where cells could not be read. Rows that don't
    conform are in neither. `result` is JSON. `seen` is what the clean rows were like, where somebody looked already.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    clean: Chosen
    quarantined: SetAside
    result: dict[str, Any]
    seen: WindowSeen | None = None


@dataclass(frozen=True)
class _Finding:
    verdict: Verdict
    reason: str


def validate(
    use_case: LoadedUseCase, rows: Rows, window: Window, accepted: frozenset[str] = frozenset()
) -> CheckedRows:
    """The verdict on the rows of a window, and the rows that may be scored.

    Rows that only `accepted` rules caught are clean: a person let them in. Rules that always hold can't be accepted.
    A table is looked at as a whole; what is in files already is gone through in chunks, and comes to the same.
    Errors: `StoreUnavailable` when many rows need a temporary folder that has no room.
    """
    spec = use_case.spec
    delivered = rows.num_rows
    try:
        found = _conforming(spec, rows)
    except (SchemaMismatch, UndecodableText) as error:
        nothing = Chosen.of(canonical_schema(spec).empty_table())
        gates = [GateOutcome("schema", Verdict.FAIL, str(error))]
        return _validated(delivered, gates, Split(nothing, SetAside(nothing, Caught(0), 0), (), ()), ())
    return _checked(use_case, delivered, found, split(use_case, found, window, accepted))


@dataclass(frozen=True)
class Faultless:
    """The conforming `rows` of a window, of which the `rules`, which are all there are, catch none.

    `met` are positions of `expectations`, of those about single rows: no row breaks them. `absent` are the optional
    columns without any value, and `seen` is what the rows were like.
    """

    rows: pa.Table
    rules: tuple[RuleOutcome, ...]
    met: Collection[int]
    absent: Sequence[str]
    seen: WindowSeen


def validate_faultless(use_case: LoadedUseCase, known: Faultless) -> CheckedRows:
    """What `validate` says of such rows."""
    found = Chosen.of(known.rows)
    nothing = SetAside(found, Caught(found.num_rows), 0)
    return _checked(use_case, found.num_rows, found, Split(found, nothing, known.rules, ()), known)


def _checked(
    use_case: LoadedUseCase, delivered: int, found: Chosen, parts: Split, known: Faultless | None = None
) -> CheckedRows:
    spec = use_case.spec
    absent = known.absent if known else [each for each in optional_columns(spec) if not found.has_values(each)]
    gates = [
        GateOutcome("schema", Verdict.PASS),
        row_count(spec, found.num_rows, parts.clean.num_rows),
        columns_present(found.num_rows, absent if found.num_rows else ()),
        circuit_breaker(spec, found.num_rows, parts.quarantined.num_rows, parts.rules),
    ]
    outcomes = _expectations(use_case, parts.clean, known.met if known else ()) if parts.clean.num_rows else ()
    return _validated(delivered, gates, parts, outcomes, known.seen if known else None)


def _expectations(use_case: LoadedUseCase, rows: Chosen, met: Collection[int]) -> tuple[ExpectationOutcome, ...]:
    """What the expectations that set no rows aside say; `met` are positions of some that no row breaks."""
    expected = {number: each for number, each in enumerate(use_case.expectations) if not each.quarantine}
    found = {
        number: met_by_every_row(
            expected[number],
            rows.num_rows,
            sum(values.null_count for values in rows.column(expected[number].kwargs["column"])),
        )
        for number in met
    }
    if rest := {number: each for number, each in expected.items() if number not in found}:
        # Great Expectations takes seconds to import, and jobs that validate nothing shouldn't pay for it.
        from perennial.quality.expecting import outcomes_of  # noqa: PLC0415

        judged = outcomes_of(list(rest.values()), rows, use_case.spec.private_columns)
        if found and any(each.error for each in judged):  # what ails one may ail all of a suite
            return outcomes_of(list(expected.values()), rows, use_case.spec.private_columns)
        found |= dict(zip(rest, judged, strict=True))
    return tuple(found[number] for number in expected)


def _conforming(spec: UseCase, rows: Rows) -> Chosen:
    """What `conform` makes of the rows; those that ingest made conform to the same kinds are not touched again.

    Errors: as `conform`.
    """
    if isinstance(rows, pa.Table):
        return Chosen.of(conform(spec, rows))
    schema = canonical_schema(spec)
    names = [name for name in (*spec.columns, BAD_CELLS) if name in rows.schema.names]
    found = Chosen.of(rows, names)
    changed = any(field not in rows.schema for field in schema)
    if found.in_one_chunk or changed or _nothing_read(spec, found):
        return Chosen.of(conform(spec, rows.table(names)))
    return found


def _nothing_read(spec: UseCase, rows: Chosen) -> bool:
    """Whether cells could not be read in a column that has no values: then they may have to be refused."""
    return BAD_CELLS in rows.names and any(
        any(unread_in(chunk, name).any() for chunk in rows.chunks([BAD_CELLS])) and not rows.has_values(name)
        for name in spec.columns
    )


def _validated(
    delivered: int,
    gates: list[GateOutcome],
    parts: Split,
    outcomes: tuple[ExpectationOutcome, ...],
    seen: WindowSeen | None = None,
) -> CheckedRows:
    findings = [_Finding(gate.verdict, gate.reason) for gate in gates if gate.reason is not None]
    findings += [
        _Finding(_VERDICTS[expectation.severity], rule_error(name, error)) for name, expectation, error in parts.errors
    ]
    findings += [
        _Finding(_VERDICTS[outcome.severity], expectation_reason(outcome)) for outcome in outcomes if not outcome.met
    ]
    findings.sort(key=lambda finding: finding.verdict is not Verdict.FAIL)
    verdict = Verdict.worst(finding.verdict for finding in findings)
    reasons = tuple(finding.reason for finding in findings) or (all_met(delivered, len(parts.rules), len(outcomes)),)
    result = {
        "format": RESULT_FORMAT,
        CHECKED_BY: versions.CHECKS_VERSION,
        "verdict": verdict.value,
        "reasons": list(reasons),
        "rows": delivered,
        "rows_clean": parts.clean.num_rows,
        "rows_quarantined": parts.quarantined.num_rows,
        "gates": [dict(vars(gate)) for gate in gates],
        "row_rules": [dict(vars(rule)) for rule in parts.rules],
        "expectations": [asdict(outcome) | {"samples": list(outcome.samples)} for outcome in outcomes],
    }
    return CheckedRows(verdict, reasons, parts.clean, parts.quarantined, result, seen)
