"""Validate: a snapshot gets a verdict; the rows that a row-level check caught go to quarantine."""

import logging
from dataclasses import dataclass

import pyarrow as pa

from perennial.errors import ChecksDisagree, ValidationFailed
from perennial.lake.port import quarantine_table, window_partition
from perennial.ledger.entries import ValidationResult
from perennial.ports import Ports
from perennial.quality.proposals.kept import with_seen
from perennial.quality.unread import BAD_CELLS
from perennial.quality.validate import CheckedRows, validate
from perennial.records.gate import (
    accepted_rules,
    checks_of,
    failure_text,
    snapshot_of,
    snapshot_rows,
    suite_digest_with,
)
from perennial.records.leases import data_lease
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
    before; `RowsLost`, `StoreUnavailable`, `WindowBusy`, `LeaseLost`.
    """
    spec = use_case.spec
    with data_lease(spec.name, window, ports, run_id) as lease:
        snapshot = snapshot_of(use_case, window, ports)
        rows = snapshot_rows(snapshot, ports.lake)
        # A column that left the spec needs no new snapshot; one that came does, and validation says so.
        rows = rows.select([name for name in rows.column_names if name in spec.columns or name == BAD_CELLS])
        accepted = accepted_rules(snapshot, ports.ledger)
        outcome = validate(use_case, rows, window, accepted)
        suite_digest = suite_digest_with(use_case, accepted)
        _refuse_another_answer(outcome, ports.ledger.validation_of(spec.name, window, snapshot.digest, suite_digest))
        quarantined = outcome.quarantined.append_column(
            "snapshot_digest", pa.array([snapshot.digest] * outcome.quarantined.num_rows, pa.string())
        )
        ports.lake.replace(quarantine_table(spec.name), window_partition(window), quarantined, lease)
        recorded = ports.ledger.record_validation(
            ValidationResult(
                use_case=spec.name,
                window=window,
                snapshot_digest=snapshot.digest,
                suite_digest=suite_digest,
                verdict=outcome.verdict,
                reasons=outcome.reasons,
                rows=rows.num_rows,
                rows_quarantined=quarantined.num_rows,
                result=with_seen(use_case, window, outcome, accepted),
                run_id=run_id,
            ),
            lease,
        )
    for reason in recorded.reasons:
        log.log(_LEVELS.get(recorded.verdict, logging.INFO), "%s %s: %s", spec.name, window, reason)
    if recorded.verdict is Verdict.FAIL:
        raise ValidationFailed(failure_text(recorded))
    return Validated(
        window, recorded.snapshot_digest, recorded.verdict, recorded.reasons, recorded.rows, recorded.rows_quarantined
    )


def _refuse_another_answer(outcome: CheckedRows, before: ValidationResult | None) -> None:
    """A verdict stays as it was recorded first, so the quarantine beside it must, too. Errors: `ChecksDisagree`."""
    found = outcome.quarantined.num_rows
    if before is None or before.rows_quarantined == found:
        return
    raise ChecksDisagree(
        f"{before.use_case} {before.window}: the same rules set {found} rows of snapshot {before.snapshot_digest[:12]} "
        f"aside, and {before.rows_quarantined} when it was validated by the run {before.run_id}. Nothing was changed. "
        f"Either libraries differ from those that requirements.txt pins: install these. Or Perennial's checks changed "
        f"without a new number of their version ({checks_of(before)}): report that, and change the expectations in any "
        "way, such as a severity, to validate the window under another digest meanwhile."
    )
