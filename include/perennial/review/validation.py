"""The validation of a window: the verdict, and what every check said."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from perennial.errors import InvalidSettings, NotIngested, NotValidated, StoreUnavailable
from perennial.ledger.entries import Intervention, InterventionKind, Snapshot, ValidationResult
from perennial.ports import Ports
from perennial.quality.caught import CaughtCell, rule_sentence
from perennial.quality.outcome import OBSERVE_NO_VALUES, RESULT_FORMAT, ValueCount
from perennial.quality.setting_aside import named_rules
from perennial.records.gate import accepted_rules, accepted_then, checks_of, is_about, is_by_rules_of, suite_digest_with
from perennial.review import quarantine
from perennial.spec import versions
from perennial.spec.expectations import COLUMN_ARGUMENTS, Expectation
from perennial.spec.load import LoadedUseCase
from perennial.spec.sentences import sentence
from perennial.verdict import Verdict
from perennial.window import Window
from perennial.wording import counted

UNREADABLE = (
    "The lake can't be read right now, so the rows that were set aside are not shown here. All else comes from the "
    "ledger and is shown. Load the page again later."
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
    evaluated. `sentence` says what the rule asks for; it is the rule's name where the rules have changed since.
    """

    rule: str
    rows: int
    keys: tuple[str | None, ...]
    cells: tuple[CaughtCell, ...]
    accepted: bool
    error: str | None
    examples: tuple[quarantine.QuarantinedRow, ...] = ()
    sentence: str = ""


@dataclass(frozen=True)
class Expected:
    """An expectation and what was found.

    `sentence` says what was expected. `expected` are its arguments besides the columns, `observed` the value that it
    was judged by, None where it is about single values. Of `checked` values, `missing` were not there and `unexpected`
    broke it: `share_failing` of those present. `samples` are a few of them; `values` the most frequent ones with their
    counts, among the first `values_counted` of them, of which `values_different` are different. Those are empty and 0
    where they are not on record: the window was validated before they were kept, or the column is private. `error`
    says why it could not be evaluated, which counts as not met.
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
    sentence: str = ""
    values: tuple[ValueCount, ...] = ()
    values_counted: int = 0
    values_different: int = 0


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
    """What the validation that counts of the window found.

    Errors: `NotIngested`, `NotValidated` when there is none; `InvalidSettings` when a newer version recorded it;
    `StoreUnavailable`.
    """
    name, ledger = use_case.name, ports.ledger
    snapshot = ledger.latest_snapshot(name, window)
    command = f"{name} --window {window.start:%Y-%m-%dT%H:%MZ}"
    if snapshot is None:
        raise NotIngested(f"{name} {window} was never ingested. Run `perennial run {command}` first.")
    last = ledger.counting_verdict(name, window)
    if last is None:
        raise NotValidated(f"{name} {window} was ingested, but never validated. Run `perennial validate {command}`.")
    _refuse_newer(last)
    caught: dict[str, quarantine.RuleCatch] = {}
    outdated = rows_unreadable = None
    if last.snapshot_digest == snapshot.digest:
        try:
            caught = {each.rule: each for each in quarantine.run(use_case, [window], ports)}
        except StoreUnavailable:  # the lake's: the ledger has just answered, and it has the verdict
            rows_unreadable = UNREADABLE
        outdated = _outdated(use_case, last, snapshot, command, ports)
    else:
        outdated = f"The window has been ingested again since. Run `perennial validate {command}`."
    rules = dict(named_rules(use_case.expectations)) if is_by_rules_of(use_case, last) else {}
    remarks = {each.digest: each.remarks for each in ledger.snapshots(name, window)}[last.snapshot_digest]
    private = use_case.spec.private_columns
    return replace(_report(last, remarks, caught, rules, outdated, private), rows_unreadable=rows_unreadable)


def _outdated(
    use_case: LoadedUseCase, last: ValidationResult, snapshot: Snapshot, command: str, ports: Ports
) -> str | None:
    """Why the last verdict on these rows does not speak for them any more, None when it does."""
    accepted = accepted_rules(snapshot, ports.ledger)
    if last.suite_digest == suite_digest_with(use_case, accepted):
        return None
    if not is_by_rules_of(use_case, last):
        return f"The rules have changed since. Run `perennial validate {command}`."
    if (checks := checks_of(last)) != versions.CHECKS_VERSION:
        return (
            f"It is by version {checks} of Perennial's checks; today's are version {versions.CHECKS_VERSION}. "
            f"Predictions that rest on it stay valid. `perennial validate {command}` checks again."
        )
    entries = ports.ledger.interventions_on(use_case.name, InterventionKind.ROWS_ACCEPTED, (snapshot.window,))
    replay = f"Replay the window to score them: `perennial quarantine replay {command}`."
    return f"{_let_in(entries, snapshot, last)} {replay}"


def _let_in(entries: Iterable[Intervention], snapshot: Snapshot, last: ValidationResult) -> str:
    """Which rows were accepted after the verdict, and by whom."""
    before = accepted_then(last)
    since = {
        entry.details["rule"]: entry
        for entry in entries
        if is_about(snapshot.digest, entry) and entry.details.get("rule", "") not in {"", *before}
    }
    return " ".join(
        f"{_rows_text(entry)} that {rule} caught were accepted by {entry.actor} since this verdict."
        if entry.details.get("rows") != 1
        else f"1 row that {rule} caught was accepted by {entry.actor} since this verdict."
        for rule, entry in since.items()
    )


def _rows_text(accepted: Intervention) -> str:
    rows = accepted.details.get("rows")
    return "Rows" if rows is None else counted(rows, "row")  # nobody records an acceptance without it any more


def _refuse_newer(recorded: ValidationResult) -> None:
    found = recorded.result.get("format", RESULT_FORMAT)
    if found > RESULT_FORMAT:
        raise InvalidSettings(
            f"The validation of {recorded.use_case} {recorded.window} was recorded by a newer version of Perennial "
            f"(format {found}; this one reads up to {RESULT_FORMAT}). Use that version here, too."
        )


def _report(
    recorded: ValidationResult,
    remarks: tuple[str, ...] | None,
    caught: Mapping[str, quarantine.RuleCatch],
    rules: Mapping[str, Expectation],
    outdated: str | None,
    private: Collection[str],
) -> ValidationReport:
    result = recorded.result
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
        rules=tuple(_rule(each, caught.get(each["rule"]), rules) for each in result["row_rules"]),
        expectations=tuple(_withheld(_expected(each), private) for each in result["expectations"]),
        outdated=outdated,
        run_id=recorded.run_id,
        recorded_at=recorded.recorded_at,
        remarks=remarks,
    )


def _withheld(found: Expected, private: Collection[str]) -> Expected:
    """Without the values of columns that were called private after the verdict was recorded."""
    if set(private).isdisjoint(found.columns):
        return found
    observed = found.observed if found.type in OBSERVE_NO_VALUES else None
    return replace(found, observed=observed, samples=(), values=(), values_counted=0, values_different=0)


def _rule(outcome: dict[str, Any], caught: quarantine.RuleCatch | None, rules: Mapping[str, Expectation]) -> RowRule:
    return RowRule(
        rule=outcome["rule"],
        rows=outcome["rows"],
        keys=caught.entities if caught else (),
        cells=caught.cells if caught else (),
        accepted=outcome.get("accepted", False),
        error=outcome.get("error"),
        examples=caught.examples if caught else (),
        sentence=rule_sentence(outcome["rule"], rules),
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
        sentence=sentence(outcome["type"], kwargs),
        values=tuple(ValueCount(each["value"], each["count"]) for each in outcome.get("values", ())),
        values_counted=outcome.get("values_counted", 0),
        values_different=outcome.get("values_different", 0),
    )
