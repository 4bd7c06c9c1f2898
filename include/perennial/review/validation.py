"""The validation of a window: the verdict, and what every check said."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from perennial.errors import InvalidSettings, NotIngested, NotValidated, StoreUnavailable
from perennial.ledger.entries import ValidationResult
from perennial.ports import Ports
from perennial.quality.caught import CaughtCell
from perennial.quality.outcome import RESULT_FORMAT
from perennial.records.gate import accepted_rules, suite_digest_with
from perennial.review import quarantine
from perennial.spec.expectations import COLUMN_ARGUMENTS
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window

UNREADABLE = (
    "The lake can't be read right now, so the rows that were set aside are not told here. All else is on record in the "
    "ledger, and is told. Load the page again later."
)


@dataclass(frozen=True)
class Gate:
    """What a check of the window as a whole said. `reason` is None for a pass."""

    name: str
    verdict: Verdict
    reason: str | None


@dataclass(frozen=True)
class RowRule:
    """A rule about single rows: how many it caught, with the first few keys and the most frequent cells.

    Where a person `accepted` what it caught, the rows were not set aside. `keys`, `cells` and `examples`, the first few
    rows, are empty when the quarantine no longer holds this snapshot's rows. `error` says why the rule could not be
    evaluated.
    """

    rule: str
    rows: int
    keys: tuple[Any, ...]
    cells: tuple[CaughtCell, ...]
    accepted: bool
    error: str | None
    examples: tuple[quarantine.QuarantinedRow, ...] = ()


@dataclass(frozen=True)
class Expected:
    """An expectation and what was found.

    `expected` are its arguments besides the columns, `observed` the value that it was judged by, None where it is about
    single values. Of `checked` values, `missing` were not there and `unexpected` broke it: `share_failing` of those
    present. `samples` are a few of them. `error` says why it could not be evaluated, which counts as not met.
    """

    type: str
    columns: tuple[str, ...]
    severity: str
    met: bool
    expected: dict[str, Any]
    observed: Any
    checked: int | None
    missing: int | None
    unexpected: int | None
    share_failing: float | None
    samples: tuple[Any, ...]
    error: str | None


@dataclass(frozen=True)
class ValidationReport:
    """The last validation of a window.

    `outdated` says why it does not speak for the window any more, None when it does. `remarks` say what was left out of
    the window when its snapshot was ingested, None where that is not on record. `rows_unreadable` says why the rows
    that were set aside are not told, None where they are.
    """

    use_case: str
    window: Window
    snapshot_digest: str
    suite_digest: str
    verdict: Verdict
    reasons: tuple[str, ...]
    rows: int
    rows_quarantined: int
    gates: tuple[Gate, ...]
    rules: tuple[RowRule, ...]
    expectations: tuple[Expected, ...]
    outdated: str | None
    run_id: str
    recorded_at: datetime | None
    remarks: tuple[str, ...] | None
    rows_unreadable: str | None = None
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, window: Window, ports: Ports) -> ValidationReport:
    """What the last validation of the window found.

    Errors: `NotIngested`, `NotValidated` when there is none; `InvalidSettings` when a newer version recorded it;
    `StoreUnavailable`.
    """
    name, ledger = use_case.name, ports.ledger
    verdicts = ledger.validations(name, window)
    snapshot = ledger.latest_snapshot(name, window)
    command = f"{name} --window {window.start:%Y-%m-%dT%H:%MZ}"
    if snapshot is None:
        raise NotIngested(f"{name} {window} was never ingested. Run `perennial run {command}` first.")
    if not verdicts:
        raise NotValidated(f"{name} {window} was ingested, but never validated. Run `perennial validate {command}`.")
    last = verdicts[-1]
    caught: dict[str, quarantine.RuleCatch] = {}
    outdated = rows_unreadable = None
    if last.snapshot_digest == snapshot.digest:
        try:
            caught = {each.rule: each for each in quarantine.run(use_case, [window], ports)}
        except StoreUnavailable:  # the lake's: the ledger has just answered, and it has the verdict
            rows_unreadable = UNREADABLE
        if last.suite_digest != suite_digest_with(use_case, accepted_rules(name, snapshot.digest, ledger)):
            outdated = f"The rules have changed since. Run `perennial validate {command}`."
    else:
        outdated = f"The window was ingested again since. Run `perennial validate {command}`."
    remarks = {each.digest: each.remarks for each in ledger.snapshots(name, window)}[last.snapshot_digest]
    return replace(_report(last, remarks, caught, outdated), rows_unreadable=rows_unreadable)


def _report(
    recorded: ValidationResult,
    remarks: tuple[str, ...] | None,
    caught: Mapping[str, quarantine.RuleCatch],
    outdated: str | None,
) -> ValidationReport:
    result = recorded.result
    if result.get("format", RESULT_FORMAT) > RESULT_FORMAT:
        raise InvalidSettings(
            f"The validation of {recorded.use_case} {recorded.window} was recorded by a newer version of Perennial "
            f"(format {result['format']}; this one reads up to {RESULT_FORMAT}). Use that version here, too."
        )
    return ValidationReport(
        use_case=recorded.use_case,
        window=recorded.window,
        snapshot_digest=recorded.snapshot_digest,
        suite_digest=recorded.suite_digest,
        verdict=recorded.verdict,
        reasons=recorded.reasons,
        rows=recorded.rows,
        rows_quarantined=recorded.rows_quarantined,
        gates=tuple(Gate(each["gate"], Verdict(each["verdict"]), each["reason"]) for each in result["gates"]),
        rules=tuple(_rule(each, caught.get(each["rule"])) for each in result["row_rules"]),
        expectations=tuple(_expected(each) for each in result["expectations"]),
        outdated=outdated,
        run_id=recorded.run_id,
        recorded_at=recorded.recorded_at,
        remarks=remarks,
    )


def _rule(outcome: dict[str, Any], caught: quarantine.RuleCatch | None) -> RowRule:
    return RowRule(
        rule=outcome["rule"],
        rows=outcome["rows"],
        keys=caught.entities if caught else (),
        cells=caught.cells if caught else (),
        accepted=outcome.get("accepted", False),
        error=outcome.get("error"),
        examples=caught.examples if caught else (),
    )


def _expected(outcome: dict[str, Any]) -> Expected:
    kwargs = outcome["kwargs"]
    named = [kwargs[argument] for argument in COLUMN_ARGUMENTS if argument in kwargs]
    checked, missing, unexpected = (outcome[each] for each in ("checked", "missing", "unexpected"))
    present = None if checked is None else checked - (missing or 0)
    return Expected(
        type=outcome["type"],
        columns=tuple(str(name) for value in named for name in (value if isinstance(value, list) else [value])),
        severity=str(outcome["severity"]),
        met=outcome["met"],
        expected={name: value for name, value in kwargs.items() if name not in COLUMN_ARGUMENTS},
        observed=outcome["observed"],
        checked=checked,
        missing=missing,
        unexpected=unexpected,
        share_failing=unexpected / present if present and unexpected is not None else None,
        samples=tuple(outcome["samples"]),
        error=outcome["error"],
    )
