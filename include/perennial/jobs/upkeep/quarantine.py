"""Quarantine: letting rows in by hand, and replaying the windows concerned."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from perennial.errors import NotEnoughData, PermanentError
from perennial.jobs.predict import ingest, score, validate
from perennial.ledger.entries import Intervention, InterventionKind, Snapshot
from perennial.ports import Ports
from perennial.quality.caught import caught_by_rule
from perennial.records.gate import accepted_rules, quarantined_rows
from perennial.records.model_choice import ModelChoice
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

EXPECTATION = "expect_"  # rules that are not expectations always hold


@dataclass(frozen=True)
class Accepted:
    """What was let in: it takes effect when the window is validated again."""

    window: Window
    rule: str
    rows: int
    snapshot_digest: str


@dataclass(frozen=True)
class Replayed:
    """A window's way through ingest, validation and scoring again. `error` says where it ended early."""

    window: Window
    quarantined_before: int
    quarantined_after: int
    revision_before: int | None
    revision_after: int | None
    error: str | None = None


def accept(
    use_case: LoadedUseCase, window: Window, rule: str, ports: Ports, run_id: str, *, actor: str, reason: str
) -> Accepted:
    """Let in what a rule caught in the window's latest snapshot, and in no other.

    Errors: `NotEnoughData` when the rule caught nothing there, or is one that always holds; `StoreUnavailable`.
    """
    snapshot = ports.ledger.latest_snapshot(use_case.name, window)
    catches = _caught(snapshot, ports) if snapshot else {}
    if rule not in catches or snapshot is None:
        known = ", ".join(sorted(catches)) or "none"
        raise NotEnoughData(
            f"{use_case.name} {window}: {rule!r} caught no row of the latest snapshot; rules that did: {known}."
        )
    if not rule.startswith(EXPECTATION):
        raise NotEnoughData(
            f"{rule!r} always holds: rows without key, doubled or out of their window can't be scored. "
            "Correct the source."
        )
    ports.ledger.record_intervention(
        Intervention(
            use_case=use_case.name,
            kind=InterventionKind.ROWS_ACCEPTED,
            subject=f"{snapshot.digest} {rule}",
            actor=actor,
            reason=reason,
            details={
                "window": window.key,
                "snapshot_digest": snapshot.digest,
                "rule": rule,
                "rows": catches[rule],
            },
            run_id=run_id,
        )
    )
    return Accepted(window, rule, catches[rule], snapshot.digest)


def affected(use_case: LoadedUseCase, windows: Iterable[Window], ports: Ports) -> list[Window]:
    """The windows whose latest snapshot has rows in quarantine, or rows that were let in since it was scored."""
    found = []
    for window in windows:
        snapshot = ports.ledger.latest_snapshot(use_case.name, window)
        if snapshot is None:
            continue
        verdicts = [v for v in ports.ledger.validations(use_case.name, window) if v.snapshot_digest == snapshot.digest]
        if (verdicts and verdicts[-1].rows_quarantined) or accepted_rules(use_case.name, snapshot.digest, ports.ledger):
            found.append(window)
    return found


def replay(use_case: LoadedUseCase, window: Window, ports: Ports, run_id: str) -> Replayed:
    """Ingest, validate and score the window again, as it was. Errors: `StoreUnavailable`, `WindowBusy`, `LeaseLost`."""
    before, revision = _quarantined(use_case, window, ports), _revision(use_case, window, ports)
    error = None
    try:
        ingest.run(use_case, window, ports, run_id)
        validate.run(use_case, window, ports, run_id)
        score.run(use_case, window, ports, run_id, model=ModelChoice())
    except PermanentError as defect:
        error = f"{type(defect).__name__}: {defect}"
    after = _quarantined(use_case, window, ports)
    return Replayed(window, before, after, revision, _revision(use_case, window, ports), error)


def _caught(snapshot: Snapshot, ports: Ports) -> dict[str, int]:
    """How many rows of the snapshot each rule caught."""
    rows = quarantined_rows(snapshot, ports.lake)
    return {rule: int(np.count_nonzero(mask)) for rule, mask in caught_by_rule(rows).items()} if rows.num_rows else {}


def _quarantined(use_case: LoadedUseCase, window: Window, ports: Ports) -> int:
    verdicts = ports.ledger.validations(use_case.name, window)
    return verdicts[-1].rows_quarantined if verdicts else 0


def _revision(use_case: LoadedUseCase, window: Window, ports: Ports) -> int | None:
    batch = ports.ledger.latest_batch(use_case.name, window)
    return batch.revision if batch else None
