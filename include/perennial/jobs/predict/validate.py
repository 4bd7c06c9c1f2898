"""Validate: a snapshot gets a verdict; the rows that a row-level check caught go to quarantine."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from perennial.errors import ChecksDisagree, ValidationFailed
from perennial.lake.port import quarantine_table, window_partition
from perennial.ledger.entries import Snapshot, ValidationResult
from perennial.ledger.port import Ledger
from perennial.ordered import ordered
from perennial.ports import Ports
from perennial.quality.proposals.kept import with_seen
from perennial.quality.setting_aside import SetAside
from perennial.quality.validate import CheckedRows, validate
from perennial.quality.validate_many import validate_many
from perennial.records.gate import (
    accepted_rules,
    checks_of,
    failure_text,
    ordered_snapshot,
    snapshot_of,
    suite_digest_with,
)
from perennial.records.leases import data_lease
from perennial.records.retained import saying_what_expired
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window

log = logging.getLogger(__name__)

_LEVELS = {Verdict.WARN: logging.WARNING, Verdict.FAIL: logging.WARNING}


@dataclass(frozen=True)
class Validated:
    """The verdict on the window's snapshot."""

    window: Window
    snapshot_digest: str
    verdict: Verdict
    reasons: tuple[str, ...]
    rows: int
    rows_quarantined: int


def run(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> Validated:
    """Check the window's snapshot against its suite and record what came out.

    Errors: `NotIngested`; `ValidationFailed` after the verdict and the quarantine were recorded; `ChecksDisagree`
    before; `RowsExpired`, `RowsLost`, `StoreUnavailable`, `WindowBusy`, `LeaseLost`.
    """
    spec = use_case.spec
    with data_lease(spec.name, window, ports, run_id) as lease:
        snapshot = snapshot_of(use_case, window, ports)
        accepted = accepted_rules(snapshot, ports.ledger)
        with saying_what_expired(snapshot, ports.ledger):
            rows = ordered_snapshot(snapshot, ports.lake)
        outcome = validate(use_case, rows, snapshot.window, accepted)
        verdict, aside = _told(use_case, snapshot, outcome, accepted, run_id)
        with ordered(_of_snapshot(aside, snapshot)) as quarantined:
            digest = quarantined.digest() if quarantined.num_rows else None
            verdict = _numbered(replace(verdict, quarantine_digest=digest), ports.ledger)
            ports.lake.replace(quarantine_table(spec.name), window_partition(window), quarantined, lease)
        recorded = ports.ledger.record_validation(verdict, lease)
    tell(recorded)
    if recorded.verdict is Verdict.FAIL:
        raise ValidationFailed(failure_text(recorded))
    return Validated(
        window, recorded.snapshot_digest, recorded.verdict, recorded.reasons, recorded.rows, recorded.rows_quarantined
    )


@dataclass(frozen=True)
class Judged:
    """The verdict on a snapshot as it is to be recorded, and the rows to set aside."""

    verdict: ValidationResult
    quarantined: pa.Table


def judge_many(
    use_case: LoadedUseCase, snapshots: Sequence[Snapshot], rows: Mapping[Window, pa.Table], run_id: str
) -> dict[Window, Judged]:
    """What is to be recorded of each, for snapshots that were taken just now: they have today's columns, and nobody has
    accepted rows yet.
    """
    found = {}
    nothing: dict[pa.Schema, pa.Table] = {}  # what most windows set aside: it is the same of all with the same columns
    outcomes = validate_many(use_case, rows)
    for each in snapshots:
        verdict, aside = _told(use_case, each, outcomes[each.window], frozenset(), run_id)
        columns = aside.rows.schema
        if aside.num_rows:
            set_aside = pa.concat_tables(_of_snapshot(aside, each))
        elif columns in nothing:
            set_aside = nothing[columns]
        else:
            set_aside = nothing[columns] = pa.concat_tables(_of_snapshot(aside, each))
        found[each.window] = Judged(verdict, set_aside)
    return found


def _told(
    use_case: LoadedUseCase, snapshot: Snapshot, outcome: CheckedRows, accepted: frozenset[str], run_id: str
) -> tuple[ValidationResult, SetAside]:
    verdict = ValidationResult(
        use_case=use_case.name,
        window=snapshot.window,
        snapshot_digest=snapshot.digest,
        suite_digest=suite_digest_with(use_case, accepted),
        verdict=outcome.verdict,
        reasons=outcome.reasons,
        rows=outcome.result["rows"],
        rows_quarantined=outcome.quarantined.num_rows,
        result=with_seen(use_case, snapshot.window, outcome, accepted),
        run_id=run_id,
    )
    return verdict, outcome.quarantined


def _of_snapshot(aside: SetAside, snapshot: Snapshot) -> Iterator[pa.Table]:
    for rows in aside.chunks():
        digests = pa.array([snapshot.digest] * rows.num_rows, pa.string())
        yield rows.append_column("snapshot_digest", digests)


def tell(recorded: ValidationResult) -> None:
    """Log the reasons of a verdict."""
    for reason in recorded.reasons:
        level = _LEVELS.get(recorded.verdict, logging.INFO)
        log.log(level, "%s %s: %s", recorded.use_case, recorded.window, reason)


def _numbered(verdict: ValidationResult, ledger: Ledger) -> ValidationResult:
    """The verdict as it is to be recorded: the one on record while it counts, and the next one by its rules where
    another counts meanwhile. Errors: `ChecksDisagree`.
    """
    before = ledger.validation_of(verdict.use_case, verdict.window, verdict.snapshot_digest, verdict.suite_digest)
    if before is None:
        return verdict
    _refuse_another_answer(verdict, before)
    last = ledger.counting_verdict(verdict.use_case, verdict.window)
    counts = last is not None and last.id == before.id
    return replace(verdict, number=before.number if counts else before.number + 1)


def _refuse_another_answer(verdict: ValidationResult, before: ValidationResult) -> None:
    """The same rules say the same of the same rows, whenever they are asked. Errors: `ChecksDisagree`."""
    found = verdict.rows_quarantined
    as_many = before.rows_quarantined == found
    if as_many and before.quarantine_digest in (None, verdict.quarantine_digest):
        return
    then = "as many others" if as_many else before.rows_quarantined
    raise ChecksDisagree(
        f"{before.use_case} {before.window}: the same rules set {found} rows of snapshot "
        f"{before.snapshot_digest[:12]} aside, and {then} when it was validated by the run {before.run_id}. Nothing "
        "was changed. Either libraries differ from those that requirements.txt pins: install those. Or Perennial's "
        f"checks changed without a new version number ({checks_of(before)}): report that, and change the expectations "
        "in any way, such as a severity, to validate the window under another digest meanwhile."
    )
